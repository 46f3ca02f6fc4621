"""Attacks on a web UI that runs, by forms that have the token."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from uis import SCENARIO, Ui, ended, web_ui

pytestmark = pytest.mark.e2e

CANARY = "canary-4711"
COMMANDS = SCENARIO.replace("name: short", "name: commands")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ui")
    secret = f"root:{CANARY}:19000:0:99999:7:::\ntoken: {CANARY}\n"
    (made / "secret.yaml").write_text(secret)
    (made / "scenarios").mkdir()
    (made / "scenarios" / "link.yaml").symlink_to(made / "secret.yaml")
    command = ["/bin/sh", "-c", f"echo {CANARY} >{made / 'executed'}"]
    timeline = f"timeline:\n  - {{stage: steady, do: run, command: {json.dumps(command)}}}\n"
    (made / "scenarios" / "commands.yaml").write_text(COMMANDS + timeline)
    return made


@pytest.fixture(scope="module")
def ui(directory: Path) -> Iterator[Ui]:
    with web_ui(directory, "--storage", "memory", processes=1) as started:
        yield started


def stop(ui: Ui) -> None:
    ui.post("/stop")
    ui.until_phase("failed", "ended")


def everything(ui: Ui, directory: Path) -> str:
    """What the web UI shows anywhere."""
    paths = ("/", "/run", "/run/status", "/logs", "/exceptions", "/stats/requests", "/stats/report")
    return "".join(ui.get(path) for path in paths) + (directory / "locust.log").read_text()


def test_form_opens_no_file_that_it_does_not_offer(ui: Ui, directory: Path) -> None:
    for named in (str(directory / "secret.yaml"), "link", "/proc/self/environ"):
        answer = ui.post("/swarm", scenario=named)
        assert not answer["success"]
        assert f"scenario '{named}': not offered here, expected one of" in answer["message"]
        shown = everything(ui, directory) + json.dumps(answer)
        for secret in (CANARY, "19000", "LOADTESTS_"):
            assert secret not in shown
    assert ended(directory) == []


def test_hidden_options_cannot_be_set_and_nothing_sticks(ui: Ui, directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as attacker:
        attacker.settimeout(0.2)
        target = f"ws://127.0.0.1:{attacker.getsockname()[1]}"
        hidden = {
            "target": target, "label": "x", "i_own": "attacker.example", "runs_dir": str(directory / "elsewhere"),
            "database": "chats:postgres", "allow_commands": "true", "allow-commands": "true", "web_login": "false",
            "allowed_host": "attacker.example", "locustfile": "/tmp/x.py", "user_classes": "Agent", "tags": "x",
            "processes": "50", "master_bind_host": "0.0.0.0", "loglevel": "DEBUG", "storage ": "redis",
        }  # fmt: skip
        answer = ui.post("/swarm", scenario="short", storage="memory", **hidden)
        assert not answer["success"]
        for name in hidden:
            assert f"{name}: not a field of this form" in answer["message"]
        assert not ui.post("/swarm", scenario="short", host=target)["success"]
        assert not ui.post("/swarm", scenario="commands", storage="redis:nothing")["success"]
        answer = ui.post("/swarm", scenario="short")  # what the next start does not name is as on the command line
        assert answer["message"].startswith("Setting up short on memory")
        stop(ui)
        with pytest.raises(TimeoutError):
            attacker.accept()
    assert not (directory / "elsewhere").exists()
    assert len(list((directory / "runs").glob("*-short/*"))) == 1


def test_choice_of_one_start_is_not_that_of_the_next(ui: Ui, directory: Path) -> None:
    assert ui.post("/swarm", scenario="long", storage="sqlite")["message"].startswith("Setting up long on sqlite")
    stop(ui)
    answer = ui.post("/swarm", run_time="")
    assert answer["message"].startswith("Setting up agent-workday on memory")
    stop(ui)


def test_commands_of_a_scenario_are_not_run_from_the_web_ui(ui: Ui, directory: Path) -> None:
    answer = ui.post("/swarm", scenario="commands")
    assert not answer["success"]
    (line,) = [n for n, text in enumerate((COMMANDS + "timeline:\n  - x").splitlines(), 1) if text == "  - x"]
    assert answer["message"].startswith(f"scenarios/commands.yaml:{line}: expected no commands, or --allow-commands")
    assert CANARY not in answer["message"]
    assert not (directory / "executed").exists()


def test_requests_of_other_origins_get_nothing(ui: Ui) -> None:
    foreign = ({"Host": "rebound.example:8089"}, {"Origin": "http://attacker.example"}, {"Sec-Fetch-Site": "same-site"})
    for path in ("/", "/run", "/run/status", "/run/token", "/stats/requests", "/logs", "/assets/favicon-light.png"):
        for headers in foreign:
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(ui.address + path, headers=headers), timeout=30)
            assert refused.value.code == 403
            assert "Access-Control-Allow-Origin" not in refused.value.headers
    for path in ("/swarm", "/stop"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(ui.address + path, b"scenario=smoke", timeout=30)
        assert refused.value.code == 403
    assert ui.status["phase"] != "set-up"
