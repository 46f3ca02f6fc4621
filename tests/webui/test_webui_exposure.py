"""Where the web UI may listen, and what it needs for that."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from uis import ROOT

from loadtests.webui.exposure import address_of, note_of_exposure, problems_of_exposure
from loadtests.webui.origins import hosts_of

PASSWORD = "correct horse battery"
LOCUST = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--processes", "1"]
UI = [sys.executable, "-m", "loadtests", "ui"]


def options(**given: object) -> Namespace:
    known = {
        "web_host": "127.0.0.1", "web_port": 8089, "web_login": False, "web_password_file": "", "allowed_host": [],
        "headless": False, "headful": False, "worker": False, "tls_cert": "", "tls_key": "",
    }  # fmt: skip
    return Namespace(**known | given)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost", "LocalHost"])
def test_loopback_needs_no_login(host: str) -> None:
    assert problems_of_exposure(options(web_host=host)) == []
    assert note_of_exposure(options(web_host=host)) == ""


@pytest.mark.parametrize(
    "host", ["", "*", "0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "ui.example", "127.1", "0x7f000001", "localhost.lan"]
)
def test_any_other_address_needs_a_login(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = problems_of_exposure(options(web_host=host))
    assert problem.startswith(f"--web-host {host or repr('')}: ")
    for advice in ("--web-login", "LOADTESTS_WEB_PASSWORD", "--web-password-file FILE", "ssh -L 8089:127.0.0.1:8089"):
        assert advice in problem
    monkeypatch.setenv("LOADTESTS_WEB_PASSWORD", PASSWORD)
    assert problems_of_exposure(options(web_host=host, web_login=True)) == []
    assert "unencrypted" in note_of_exposure(options(web_host=host, web_login=True))
    assert "unencrypted" not in note_of_exposure(options(web_host=host, web_login=True, tls_cert="c", tls_key="k"))


def test_login_needs_a_password_on_loopback_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOADTESTS_WEB_PASSWORD", raising=False)
    (problem,) = problems_of_exposure(options(web_login=True))
    assert problem.startswith("--web-login: there is no password: set LOADTESTS_WEB_PASSWORD")
    assert problems_of_exposure(options(web_password_file="x")) == ["--web-password-file needs --web-login"]


def test_process_without_a_web_ui_needs_nothing() -> None:
    for without in ({"headless": True}, {"worker": True}):
        assert problems_of_exposure(options(web_host="0.0.0.0", **without)) == []
    assert problems_of_exposure(options(web_host="0.0.0.0", headless=True, headful=True))


def test_allowed_hosts_are_names() -> None:
    (problem,) = problems_of_exposure(options(allowed_host=["ui.example", "http://ui.example"]))
    assert problem.startswith("--allowed-host http://ui.example: expected a host's name")


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "http://127.0.0.1:8089"),
        ({"web_host": "*"}, "http://127.0.0.1:8089"),
        ({"web_host": "::1", "tls_cert": "c", "tls_key": "k"}, "https://[::1]:8089"),
    ],
)
def test_address_is_one_under_which_the_web_ui_answers(given: dict[str, object], address: str) -> None:
    asked = options(**given)
    assert address_of(asked) == address
    assert address.rpartition("/")[2] in hosts_of(str(asked.web_host), [], [])


def refused(argv: list[str], directory: Path, **environment: str) -> str:
    """The command's standard error; its exit code must be 64."""
    inherited = {name: value for name, value in os.environ.items() if name != "LOADTESTS_WEB_PASSWORD"}
    done = subprocess.run(
        argv, cwd=directory, env={**inherited, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 64, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("command", [[*LOCUST, "--web-host", "0.0.0.0"], [*UI, "--web-host", "0.0.0.0"]])
def test_commands_refuse_to_listen_for_others_without_a_login(command: list[str], tmp_path: Path) -> None:
    stderr = refused(command, tmp_path)
    assert "--web-host 0.0.0.0: other hosts could reach the web UI" in stderr
    assert "--web-login" in stderr
    assert "the web UI is at" not in stderr


def test_variable_of_locust_cannot_open_the_web_ui(tmp_path: Path) -> None:
    assert "other hosts could reach" in refused(LOCUST, tmp_path, LOCUST_WEB_HOST="0.0.0.0")


def test_settings_file_cannot_give_permissions(tmp_path: Path) -> None:
    (tmp_path / "locust.conf").write_text("web-host = 0.0.0.0\nallow-commands = true\ni-own = attacker.example\n")
    stderr = refused(LOCUST, tmp_path)
    assert "--web-host 0.0.0.0: other hosts could reach" in stderr
    for name in ("--allow-commands", "--i-own"):
        assert f"{name} is refused in a settings file such as locust.conf" in stderr


@pytest.mark.parametrize("command", [LOCUST, UI])
def test_commands_refuse_a_short_password_without_showing_it(command: list[str], tmp_path: Path) -> None:
    stderr = refused([*command, "--web-login"], tmp_path, LOADTESTS_WEB_PASSWORD="hunter2")
    assert "expected 12 or more" in stderr
    assert "hunter2" not in stderr
