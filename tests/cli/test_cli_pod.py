"""`loadtests pod` on every storage system, with nothing set up: it starts, serves, and is gone when asked to go."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from loadtests.podcommand import run_pod
from loadtests.protocols.contract import key_text
from loadtests.protocols.messaging_pod import SUBPROTOCOL

CASES = [
    pytest.param("memory", signal.SIGTERM),
    pytest.param("sqlite", signal.SIGINT),
    pytest.param("postgres", signal.SIGTERM, marks=pytest.mark.server),
    pytest.param("postgres:optimistic", signal.SIGINT, marks=pytest.mark.server),
]


def start(runs: Path, storage: str) -> subprocess.Popen[str]:
    kept = {k: v for k, v in os.environ.items() if k != "LOADTESTS_DSN"}
    command = [sys.executable, "-m", "loadtests", "pod", "--storage", storage, "--runs", str(runs), "--show-tokens"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=kept, start_new_session=True
    )


def introduced(process: subprocess.Popen[str]) -> dict[str, str]:
    """What it says of itself: addresses and tokens."""
    assert process.stdout is not None
    return dict(process.stdout.readline().strip().split(": ", 1) for _ in range(4))


def create_connection(url: str, token: str) -> dict[str, str]:
    with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)]) as websocket:
        body = {"token": token, "role": "customer", "name": "Ada"}
        websocket.send(json.dumps({"type": "connection.create", "key": key_text(1), **body}))
        return json.loads(websocket.recv(10))


@pytest.mark.parametrize(("storage", "number"), CASES)
def test_a_pod_alone_serves_and_goes(tmp_path, storage, number, request):
    if "postgres" in storage:
        request.getfixturevalue("postgres_server")  # skips, or fails in CI, where there is none
    runs = tmp_path / "runs with a space"
    with start(runs, storage) as process:
        try:
            expected = introduced(process)
            started = psutil.Process(process.pid).children(recursive=True)
            assert bool(started) == ("postgres" in storage)
            answer = create_connection(expected["pod"], expected["token of account-0001"])
            assert (answer["type"], answer["outcome"]) == ("reply", "ok")
            process.send_signal(number)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert not psutil.wait_procs(started, timeout=5)[1]
    left = sorted(p.name for p in runs.iterdir()) if runs.exists() else []
    assert left == (["pod.sqlite"] if storage == "sqlite" else [])


@pytest.mark.server
def test_a_killed_pod_takes_its_server_along(tmp_path, postgres_server):
    with start(tmp_path / "runs", "postgres") as process:
        try:
            introduced(process)
            started = psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()
    assert started
    assert not psutil.wait_procs(started, timeout=10)[1]
    until = time.monotonic() + 10
    while list((tmp_path / "runs").iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--storage", "postgrs"], 64, "did you mean 'postgres'"),
        (["--port", "many"], 64, "expected a port"),
        (["--storage"], 64, "expected one argument"),
        (["--storage", "postgres"], 69, "PostgreSQL"),
    ],
)
def test_pod_that_cannot_start_reports_the_reason(tmp_path, arguments, code, words):
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", "pod", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "LOADTESTS_POSTGRES_BIN": str(tmp_path)},
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_names_both():
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", "pod", "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "--control-port" in done.stdout
    assert "--runs DIR" in done.stdout


@pytest.mark.parametrize("name", ["pod.sqlite", "pod.sqlite-wal"])
def test_database_that_is_a_link_is_refused(tmp_path, capsys, name):
    """At a predictable place, where another user came first; it would be written through."""
    runs, victim = tmp_path / "runs", tmp_path / "victim"
    runs.mkdir()
    victim.touch()
    (runs / name).symlink_to(victim)
    assert run_pod(["--storage", "sqlite", "--runs", str(runs)]) == 69
    assert f"{runs / name}: expected a file of this user, but it is no regular file" in capsys.readouterr().err
    assert victim.read_bytes() == b""
    assert [path.name for path in runs.iterdir()] == [name]


def test_directory_that_all_users_can_write_in_is_refused(tmp_path, capsys):
    runs = tmp_path / "runs"
    runs.mkdir()
    runs.chmod(0o777)
    assert run_pod(["--storage", "sqlite", "--runs", str(runs)]) == 69
    assert "other users can write there (mode 0777)" in capsys.readouterr().err
    assert list(runs.iterdir()) == []
