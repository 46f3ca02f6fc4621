"""`loadtests ui`: what the start form begins with, judged before Locust is started."""

import subprocess
import sys
from itertools import pairwise

import pytest

from loadtests.cli import build_parser
from loadtests.conductor.commands.webui import web_ui_argv


def argv_of(*arguments):
    return web_ui_argv(build_parser().parse_args(["ui", *arguments]))


def test_scenario_storage_and_runs_are_handed_to_the_form():
    options = ("--storage", "postgres", "--runs", "my runs", "--processes", "2", "--port", "8090")
    argv = argv_of("my own.yaml", *options)
    given = dict(pairwise(argv))
    assert (given["--scenario"], given["--storage"]) == ("my own.yaml", "postgres:pessimistic")
    assert (given["--runs-dir"], given["--processes"], given["--web-port"]) == ("my runs", "2", "8090")
    assert given["--web-host"] == "127.0.0.1"
    assert not {"--master-port", "--master-bind-port"} & set(argv), "the master keeps a port of its own"


def test_access_is_handed_to_locust_and_the_password_is_not():
    access = ["--web-login", "--allow-commands", "--web-password-file=pw", "--allowed-host=a", "--allowed-host=b"]
    argv = argv_of("--web-host", "192.0.2.1", *access)
    assert dict(pairwise(argv))["--web-host"] == "192.0.2.1"
    assert [option for option in argv if option in access] == access


def test_target_is_handed_to_locust():
    target = ["--target=ws://localhost:1", "--label=new", "--database=main:postgres", "--i-own=localhost"]
    assert argv_of(*target)[-4:] == target


def test_what_was_not_asked_for_is_left_to_the_form():
    assert not {"--scenario", "--storage", "--protocol", "--target", "--tls-cert"} & set(argv_of())


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
