"""What the web UI says of itself, and what its buttons do, in every state; by what its page sends and gets."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from uis import Ui, ended, web_ui

pytestmark = pytest.mark.e2e

ORDER = ("set-up", "running", "stopping", "finishing", "ended")


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Ui]:
    """With one worker."""
    with web_ui(tmp_path, processes=1) as ui:
        yield ui


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(scope="module")
def shared(directory: Path) -> Iterator[Ui]:
    """The same for all tests that leave it without a run; the first of them find one that has had none."""
    with web_ui(directory, processes=1) as ui:
        yield ui


def result(ui: Ui) -> list[tuple[str, str]]:
    """Each (phase, Locust's state) until the end, in order, once."""
    seen: list[tuple[str, str]] = []
    until = time.monotonic() + 90
    while time.monotonic() < until:
        status = ui.status
        now = (str(status["phase"]), str(status["state"]))
        if now not in seen:
            seen.append(now)
        if now[0] in ("ended", "failed"):
            return seen
        time.sleep(0.02)
    raise AssertionError(f"the run did not end: {seen}")


def processes_beside_workers(ui: Ui) -> list[str]:
    """What the UI's process has started and not ended, but for its workers."""
    children = psutil.Process(ui.pid).children(recursive=True)
    return [" ".join(c.cmdline()) for c in children if "loadtests.conductor" in " ".join(c.cmdline())]


def test_stop_without_a_run_is_refused(shared: Ui) -> None:
    assert shared.post("/stop") == {"success": False, "message": "Nothing is running."}
    assert shared.state == "ready"


def test_edit_reset_and_class_settings_are_refused(shared: Ui) -> None:
    import urllib.error

    for path in ("/stats/reset", "/user"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            shared.post(path)
        assert refused.value.code == 409
        assert b"the scenario decides" in refused.value.read()


def test_every_problem_of_a_form_is_reported_until_a_good_start(shared: Ui) -> None:
    answer = shared.post("/swarm", scenario="no-such", storage="nothing", user_count="7", host="http://example.invalid")
    assert not answer["success"]
    for part in ("no-such", "nothing", "Number of users 7", "Host http://example.invalid"):
        assert part in answer["message"]
        assert any(part in problem for problem in shared.status["problems"])
        assert part in shared.get("/run")
    assert shared.state == "ready"
    assert "no-such" in shared.get("/"), "the form keeps what was typed"
    assert shared.post("/swarm", scenario="short", storage="memory")["success"]
    assert shared.status["problems"] == []
    shared.until_phase("ended")
    assert "did not begin" not in shared.get("/run")


def test_figures_after_the_end_are_those_of_the_rows(shared: Ui, directory: Path) -> None:
    before = len(ended(directory))
    shared.post("/swarm", scenario="short", storage="memory")
    shared.until_phase("ended")
    (end,) = ended(directory)[before:]
    figures = json.loads(shared.get("/stats/requests"))
    total = figures["stats"][-1]
    known = sum(line["num_requests"] for line in figures["stats"][:-1])
    assert total["num_requests"] == known
    assert 0 < known <= end["operations"]["written"]
    for line in figures["stats"][:-1]:
        if "(refused)" not in line["name"]:
            assert f'<th scope="row">{line["name"]}</th><td>{line["num_requests"]}</td>' in shared.get("/run")
    assert (figures["current_rps"], total["current_rps"]) == (0, 0)
    assert set(figures["current_response_time_percentiles"].values()) == {None}
    assert f"<dt>Operations begun</dt><dd>{end['operations']['begun']}</dd>" in shared.get("/run")
    table = shared.get("/stats/requests/csv").splitlines()
    assert "Average Content Size" not in table[0]
    assert [line.split(",")[2] for line in table if line.startswith(",Aggregated")] == [str(known)]
    report = shared.get("/stats/report?download=1")
    assert "This is Locust's report of its live figures" in report
    assert "loadtests-report" in report


def test_stop_of_a_load_ends_it_in_order(shared: Ui, directory: Path) -> None:
    before = len(ended(directory))
    shared.post("/swarm", scenario="long", storage="memory")
    shared.until_phase("running")
    shared.until(lambda: "stage warm-up" in shared.status["sentence"])
    assert shared.post("/stop")["message"].startswith("Stopping: ")
    assert shared.until_phase("failed")["sentence"].startswith("The run of long on memory has ended early: interrupted")
    (end,) = ended(directory)[before:]
    assert end["reason"] == "interrupted"
    assert end["operations"]["lost"] == 0
    exceptions = json.loads(shared.get("/exceptions"))["exceptions"]
    assert [e["msg"].splitlines()[0].partition(": ")[0] for e in exceptions] == ["long on memory"]


def test_state_is_true_from_set_up_to_end(one: Ui, tmp_path: Path) -> None:
    assert (one.state, one.status["phase"]) == ("ready", "ready")
    answer = one.post("/swarm", scenario="short", storage="sqlite")
    assert answer["success"]
    assert answer["message"].startswith("Setting up short on sqlite")
    assert one.state == "spawning"
    seen = result(one)
    phases = [phase for phase, _ in seen]
    assert [p for p in ORDER if p in phases] == list(dict.fromkeys(phases))
    assert {"set-up", "running", "finishing", "ended"} <= set(phases)
    states = {phase: {state for p, state in seen if p == phase} for phase in phases}
    assert states["set-up"] == {"spawning"}
    assert states["running"] <= {"spawning", "running"}
    assert states["finishing"] == {"stopping"}
    assert states["ended"] == {"stopped"}
    assert [end["reason"] for end in ended(tmp_path)] == ["completed"]


def test_stop_during_set_up_cancels_it(one: Ui, tmp_path: Path) -> None:
    one.post("/swarm", scenario="short", storage="sqlite")
    one.until(lambda: "starting servers" in one.status["sentence"])
    answer = one.post("/stop")
    assert answer == {"success": True, "message": "The set-up was cancelled; no load was made."}
    assert processes_beside_workers(one) == []
    assert one.until_phase("failed")["sentence"].endswith("has ended early: the set-up was cancelled")
    (end,) = ended(tmp_path)
    assert end["reason"] == "interrupted"
    assert end["operations"]["begun"] == 0
    assert "<dd>the set-up was cancelled</dd>" in one.get("/run")
    assert one.post("/swarm", scenario="short", storage="memory")["success"]
    one.until_phase("ended")


def test_stop_while_checking_cancels_the_start(one: Ui, tmp_path: Path) -> None:
    import threading

    answers: list[dict[str, Any]] = []
    start = threading.Thread(target=lambda: answers.append(one.post("/swarm", scenario="long", storage="sqlite")))
    start.start()
    one.until(lambda: one.status["phase"] in ("checking", "set-up"))
    assert "cancelled" in one.post("/stop")["message"]
    start.join()
    assert one.until_phase("failed", "ready")
    assert "stage" not in one.status["sentence"]
    assert all(end["operations"]["begun"] == 0 for end in ended(tmp_path))


def test_second_start_is_refused_and_changes_nothing(one: Ui, tmp_path: Path) -> None:
    scenario = "long"
    one.post("/swarm", scenario=scenario, storage="sqlite")
    for phase in ("set-up", "running"):
        one.until_phase(phase)
        answer = one.post("/swarm", scenario="smoke", storage="memory")
        assert not answer["success"]
        assert "One run at a time" in answer["message"]
    assert '"default_value": "sqlite"' in one.get("/").replace('"default_value":"', '"default_value": "')
    assert "<dt>Storage</dt><dd>sqlite</dd>" in one.get("/run")
    one.post("/stop")
    one.until_phase("failed")
    assert len(ended(tmp_path)) == 1


def test_failed_set_up_shows_its_reason(tmp_path: Path) -> None:
    # A server that is there and does not start.
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("redis-server", "redis-cli"):
        (programs / name).write_text(
            "#!/bin/sh\ncase $1 in --version) echo Redis server v=7.0.0 sha=0;; *) exit 3;; esac\n"
        )
        (programs / name).chmod(0o755)
    with web_ui(tmp_path, processes=1, LOADTESTS_REDIS_BIN=str(programs)) as ui:
        answer = ui.post("/swarm", scenario="short", storage="redis")
        status = ui.until_phase("failed")
        text = answer["message"] + json.dumps(status) + ui.get("/run")
        assert "redis" in text
        assert not ended(tmp_path) or ended(tmp_path)[0]["reason"] == "database_died"


def test_storage_outside_the_menu_is_kept_in_the_form(tmp_path: Path) -> None:
    asked = "dual(sqlite,postgres:none)"
    with web_ui(tmp_path, f"--storage={asked}", f"--scenario={tmp_path / 'short.yaml'}", processes=1) as ui:
        page = ui.get("/")
        fields = json.loads(page.partition("window.templateArgs = ")[2].partition("\n")[0])["extra_options"]
        assert (fields["storage"]["default_value"], fields["storage"]["choices"][0]) == (asked, asked)
        assert fields["scenario"]["choices"][0] == str(tmp_path / "short.yaml")


def test_worker_that_dies_idle_is_replaced(one: Ui, tmp_path: Path) -> None:
    (worker,) = psutil.Process(one.pid).children()
    os.kill(worker.pid, signal.SIGKILL)
    one.until(lambda: "was replaced" in one.status["sentence"])
    assert f"The local worker {worker.pid} died and was replaced." in one.get("/run")
    one.until(lambda: one.workers == 1)
    assert one.post("/swarm", scenario="short", storage="memory")["success"]
    one.until_phase("ended", "failed")
    assert [end["reason"] for end in ended(tmp_path)] == ["completed"]


def test_worker_that_dies_in_a_run_ends_it_and_is_replaced(one: Ui, tmp_path: Path) -> None:
    (worker,) = psutil.Process(one.pid).children()
    one.post("/swarm", scenario="long", storage="memory")
    one.until(lambda: "stage warm-up" in one.status["sentence"])
    os.kill(worker.pid, signal.SIGKILL)
    status = one.until_phase("failed")
    assert "worker_lost" in status["sentence"]
    assert [end["reason"] for end in ended(tmp_path)] == ["worker_lost"]
    assert "<dd>worker_lost: " in one.get("/run")
    one.until(lambda: one.workers == 1)
    assert one.post("/swarm", scenario="short", storage="memory")["success"]
    one.until_phase("ended")


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A pod that is running already: its address and the secret of its tokens."""
    secret, log = "a secret of this test", tmp_path / "pod.log"
    ready, writing = os.pipe()
    argv = ["--storage", "memory", "--name", "pod-1", "--host", "127.0.0.1", "--port", "0", "--control-port", "0"]
    argv += ["--run-directory", str(tmp_path), "--origin-ns", "0", "--ready-fd", str(writing)]
    environment = {**os.environ, "LOADTESTS_TOKEN_SECRET": secret, "LOADTESTS_CONTROL_TOKEN": "control"}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "loadtests.pod", *argv],
            env=environment, pass_fds=[writing], stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    os.close(writing)
    try:
        with os.fdopen(ready) as lines:
            yield json.loads(lines.readline())["url"], secret
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_host_is_the_target_that_is_loaded(tmp_path: Path, pod: tuple[str, str]) -> None:
    url, secret = pod
    options = ("--target", url, "--label", "candidate", "--scenario", str(tmp_path / "short.yaml"))
    with web_ui(tmp_path, *options, processes=1, LOADTESTS_TOKEN_SECRET=secret) as ui:
        arguments = json.loads(ui.get("/").partition("window.templateArgs = ")[2].partition("\n")[0])
        assert (arguments["host"], list(arguments["extra_options"])) == (url, ["scenario"])
        answer = ui.post("/swarm", host="ws://127.0.0.1:1", storage="redis")
        assert not answer["success"]
        assert f"this web UI loads {url}" in answer["message"]
        assert "has its own" in answer["message"]
        assert ui.post("/swarm", host=url)["success"]
        ui.until_phase("ended")
        assert "<dt>Target</dt><dd>candidate</dd>" in ui.get("/run")


def test_unreachable_target_and_missing_label_are_refused_in_words(tmp_path: Path) -> None:
    with web_ui(tmp_path, "--target", "ws://127.0.0.1:1", processes=1, LOADTESTS_TOKEN_SECRET="x") as ui:
        assert "--label NAME" in ui.post("/swarm", scenario="smoke")["message"]
    with web_ui(tmp_path, "--target", "ws://127.0.0.1:1", "--label=a", processes=1, LOADTESTS_TOKEN_SECRET="x") as ui:
        assert "nothing answers at 127.0.0.1:1" in ui.post("/swarm", scenario="smoke")["message"]
        assert "nothing answers at 127.0.0.1:1" in ui.get("/run")


def test_ctrl_c_during_set_up_leaves_nothing(tmp_path: Path) -> None:
    with web_ui(tmp_path, processes=1) as ui:
        ui.post("/swarm", scenario="short", storage="sqlite")
        ui.until(lambda: "starting servers" in ui.status["sentence"])
        started = psutil.Process(ui.pid).children(recursive=True)
        os.kill(ui.pid, signal.SIGINT)
        _, left = psutil.wait_procs(started, timeout=60)
        assert left == []
    assert "has died" not in (tmp_path / "locust.log").read_text()
    assert [end["reason"] for end in ended(tmp_path)] == ["interrupted"]
