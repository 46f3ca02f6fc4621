"""Pods that we did not start, and that are not what they should be: refused at the start, reported correctly later."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from e2e_harness import Harness, loadtests, wait_for, write_scenario
from hostile_target import MODES, Target, target

from loadtests.conductor.failures import BadInput, Unavailable
from loadtests.conductor.target import check_target
from loadtests.records.rundirectory import RunDirectory, run_directories
from loadtests.records.vocabulary import ERRORS, OUTCOMES

pytestmark = pytest.mark.e2e

SECRET = "signed-with-this"

AT_ONCE = 3
"""Runs that are under way together: each waits more than it works, but beginning is work."""


@contextmanager
def their_pod(storage: str = "memory", dsn: str = "") -> Iterator[str]:
    """The URL of a reference pod that another process started."""
    command = [sys.executable, "-m", "loadtests", "pod", "--storage", storage, "--name", "theirs"]
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*command, "--ready-fd", str(writing)],
        pass_fds=[writing],
        env={**os.environ, "LOADTESTS_TOKEN_SECRET": SECRET, "LOADTESTS_CONTROL_TOKEN": "x", "LOADTESTS_DSN": dsn},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as ready:
            yield json.loads(ready.readline())["url"]
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def pod() -> Iterator[str]:
    with their_pod() as url:
        yield url


def run(directory: Path, url: str, secret: str = SECRET):
    arguments = ("run", str(write_scenario(directory, 4)), "--target", url, "--label", "Candidate 7")
    return loadtests(*arguments, runs=directory / "runs", LOADTESTS_TOKEN_SECRET=secret)


@pytest.fixture(scope="module")
def turned(pod: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Harness]]:
    """One run for each way to go wrong, and one without, a few at a time. Each target turns under its load."""
    modes = ("", *MODES)
    with ExitStack() as stack:
        harnesses: dict[str, Harness] = {}
        for first in range(0, len(modes), AT_ONCE):
            under_way: dict[str, tuple[Harness, Target]] = {}
            for mode in modes[first : first + AT_ONCE]:
                there = stack.enter_context(target(pod))
                under_way[mode] = (stack.enter_context(run(tmp_path_factory.mktemp("target"), there.url)), there)
            turn_under_load(under_way)
            harnesses |= {mode: harness for mode, (harness, _) in under_way.items()}
        yield harnesses


def turn_under_load(under_way: dict[str, tuple[Harness, Target]]) -> None:
    """Makes targets hostile in the order of their first rows, so that no run ends before. Returns when all are over."""
    waiting = list(under_way.items())
    while waiting:
        ready = wait_for(lambda: [item for item in waiting if item[1][0].with_rows()])
        for item in ready:
            mode, (_, there) = item
            there.turn(mode)
            waiting.remove(item)
    for harness, _ in under_way.values():
        harness.finish(90)


def ends(run: RunDirectory) -> Counter[tuple[str, str]]:
    """(outcome, error) → rows."""
    return Counter(
        (OUTCOMES[outcome], ERRORS[error])
        for b in run.batches("operations")
        for outcome, error in zip(b["outcome"].to_pylist(), b["error"].to_pylist(), strict=True)
    )


EXPECTED = {
    "mid-handshake": ("unknown", "cut_off"),
    "garbage": ("fail", "bad_reply"),
    "wrong shape": ("fail", "bad_reply"),
    "huge": ("fail", "bad_reply"),
    "silent": ("unknown", "timeout"),
    "down": ("fail", "connect_refused"),
}


@pytest.mark.parametrize("mode", MODES)
def test_target_that_becomes_hostile_makes_a_true_run(turned, mode):
    harness = turned[mode]
    reason, code = ("target_unavailable", 69) if mode == "down" else ("completed", 0)
    assert harness.process.returncode == code, harness.stderr
    (run,) = run_directories(harness.study())
    end, seen = run.read("end"), ends(run)
    assert end["reason"] == reason, end
    assert seen["ok", ""] > 0
    assert seen[EXPECTED[mode]] > 5, seen
    assert end["operations"]["lost"] == 0
    assert end["operations"]["begun"] == end["operations"]["written"] == sum(seen.values())
    assert (str(harness.study()) in harness.stdout) and harness.left_behind() == []


def test_death_of_a_target_is_reported_with_its_address(turned):
    harness = turned["down"]
    (run,) = run_directories(harness.study())
    address = run.read("manifest")["target"]["pods"][0]["url"].removeprefix("ws://").rstrip("/")
    assert address in run.read("end")["detail"]
    assert address in harness.stderr
    faults = [row for b in run.batches("timeline") for row in b.to_pylist() if row["kind"] == "fault"]
    assert [f["subject"] for f in faults] == ["target_unavailable"]


def test_a_target_that_behaves_is_measured_and_its_generator_watched(turned):
    harness = turned[""]
    assert harness.process.returncode == 0, harness.stderr
    (run,) = run_directories(harness.study())
    manifest, end = run.read("manifest"), run.read("end")
    assert run.name == "01-candidate-7"
    assert (manifest["label"], manifest["engine"], manifest["target"]["owned"]) == ("Candidate 7", None, False)
    assert run.read("ledger") is None
    assert {row["role"] for b in run.batches("resources") for row in b.to_pylist()} == {"pod", "generator", "observer"}
    assert sum(b.num_rows for b in run.batches("ticks")) > 10
    assert end["observer"]["blind_s"] < 1
    assert ends(run)["ok", ""] > 20


def test_no_secret_is_left_by_any_of_them(turned):
    for harness in turned.values():
        written = [p.read_bytes() for p in harness.study().rglob("*") if p.is_file()]
        assert not any(SECRET.encode() in content for content in written)
        assert SECRET not in harness.stdout + harness.stderr


def test_the_report_reads_the_run_of_a_target_that_died(turned):
    study = turned["down"].study()
    command = [Path(sys.executable).with_name("loadtests-report"), study]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "had no observer" not in (study / "report" / "summary.md").read_text()


@pytest.mark.parametrize("mode", [m for m in MODES if m != "down"])
def test_a_target_that_is_hostile_from_the_start_is_refused(pod, mode, monkeypatch):
    monkeypatch.setattr("loadtests.conductor.target.TRY_FOR_S", 0.5)
    with target(pod, mode) as there, pytest.raises(Unavailable) as refused:
        check_target(there.url, "account-0001", SECRET)
    assert f"127.0.0.1:{there.port}" in str(refused.value)
    assert "\n" not in str(refused.value).strip()
    assert SECRET not in str(refused.value)


def test_a_target_that_behaves_is_taken_and_a_wrong_token_named(pod):
    with target(pod) as there:
        check_target(there.url, "account-0001", SECRET)
        with pytest.raises(BadInput) as refused:
            check_target(there.url, "account-0001", "another one")
    assert "LOADTESTS_TOKEN_SECRET" in str(refused.value)
    assert "another one" not in str(refused.value)


def test_a_refusal_leaves_no_study(pod, tmp_path):
    with target(pod, "garbage") as there, run(tmp_path, there.url) as harness:
        assert harness.finish() == 69
    assert f"127.0.0.1:{there.port}" in harness.stderr
    assert "Traceback" not in harness.stderr
    assert list((tmp_path / "runs").iterdir()) == []


def test_wrong_token_is_reported_before_the_load(pod, tmp_path):
    with run(tmp_path, pod, secret="mine-alone") as harness:
        assert harness.finish() == 64
    assert "LOADTESTS_TOKEN_SECRET" in harness.stderr
    assert "mine-alone" not in harness.stderr
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.server
def test_the_database_behind_a_target_is_watched_where_its_owner_lets_us(postgres_database, tmp_path):
    with their_pod("postgres", postgres_database.pod_dsn) as url:
        asked = ("run", str(write_scenario(tmp_path, 3)), "--target", url, "--label", "candidate")
        dsns = json.dumps({"chats": postgres_database.dsn})
        environment = {"LOADTESTS_TOKEN_SECRET": SECRET, "LOADTESTS_DSNS": dsns}
        with loadtests(*asked, "--database", "chats:postgres", runs=tmp_path / "runs", **environment) as harness:
            assert harness.finish(60) == 0, harness.stderr
        (run_,) = run_directories(harness.study())
        manifest = run_.read("manifest")
        assert manifest["target"]["pods"][0]["databases"] == {"chats": "chats"}
        assert manifest["lock_sources"]["chats"]["known"]
        seen = [row for b in run_.batches("sessions") for row in b.to_pylist()]
        assert {row["database"] for row in seen} == {"chats"}
        assert "chat.accept" in {row["operation"] for row in seen}  # as the pod's transactions call themselves
        assert run_.read("end")["observer"]["blind_s"] < 1
        used = {(row["role"], row["name"]) for b in run_.batches("resources") for row in b.to_pylist()}
        assert {("pod", "pod-1"), ("database", "chats"), ("generator", "locust")} < used  # none is foreign load
        password = urlsplit(postgres_database.dsn).password
        files = [p.read_bytes() for p in harness.study().rglob("*") if p.is_file()]
        assert not any(password.encode() in content for content in files)
        assert password not in harness.stdout + harness.stderr
