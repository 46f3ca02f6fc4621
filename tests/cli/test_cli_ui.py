"""`loadtests ui`: what the start form begins with, judged before Locust is started."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from loadtests.cli import build_parser
from loadtests.cli.ui import access_options
from loadtests.conductor.commands.webui import WebUi, web_ui_argv


def test_scenario_storage_and_runs_are_handed_to_the_form():
    argv = web_ui_argv(WebUi("my own.yaml", "postgres", Path("my runs"), 2, 8090))
    given = dict(pairwise(argv))
    assert (given["--scenario"], given["--storage"]) == ("my own.yaml", "postgres:pessimistic")
    assert (given["--runs-dir"], given["--processes"], given["--web-port"]) == ("my runs", "2", "8090")
    assert given["--web-host"] == "127.0.0.1"
    assert not {"--master-port", "--master-bind-port"} & set(argv), "the master keeps a port of its own"


def test_access_is_handed_to_locust_and_the_password_is_not():
    access = ["--web-login", "--allow-commands", "--web-password-file=pw", "--allowed-host=a", "--allowed-host=b"]
    argv = web_ui_argv(WebUi(None, None, Path("runs"), 1, 8089, host="192.0.2.1", access=access))
    assert dict(pairwise(argv))["--web-host"] == "192.0.2.1"
    assert set(access) <= set(argv)
    parsed = build_parser().parse_args(["ui", "--web-host", "192.0.2.1", *access])
    assert access_options(parsed) == access


def test_what_was_not_asked_for_is_left_to_the_form():
    assert not {"--scenario", "--storage"} & set(web_ui_argv(WebUi(None, None, Path("runs"), 1, 8089)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["smoek"], "smoke"),
        (["smoke", "--storage", "sqlit"], "did you mean 'sqlite'"),
        (["--port", "70000"], "1 to 65535"),
    ],
)
def test_what_the_form_cannot_begin_with_is_refused(arguments, words, tmp_path):
    command = [sys.executable, "-m", "loadtests", "ui", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == 64
    assert words in done.stderr
    assert "Traceback" not in done.stderr
