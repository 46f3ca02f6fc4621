"""The pod as a process: ready line, secrets, control endpoint, table of transactions, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from loadtests.accounts import token_for
from loadtests.protocols.contract import key_text
from loadtests.protocols.messaging_pod import SUBPROTOCOL
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import codes_of

SECRETS = {"LOADTESTS_TOKEN_SECRET": "token-secret-7", "LOADTESTS_CONTROL_TOKEN": "control-secret-7"}


@contextmanager
def pod(directory: Path, *arguments: str, storage: str = "sqlite") -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """The process and its ready line; its log is in `directory/log`."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "loadtests.pod", "--storage", storage, "--ready-fd", str(writing), *arguments]
    dsns = {f"LOADTESTS_DSN{side}": str(directory / f"pod{side}.sqlite") for side in ("", "_LEGACY", "_UPGRADED")}
    environment = {**os.environ, **SECRETS, **dsns}
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command, pass_fds=[writing], env=environment, stdout=log, stderr=log)
    os.close(writing)
    try:
        with os.fdopen(reading) as ready:
            yield process, json.loads(ready.readline())
    finally:
        process.kill()
        process.wait()


def get(url: str, token: str = SECRETS["LOADTESTS_CONTROL_TOKEN"], method: str = "GET") -> tuple[int, Any]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def talk(url: str, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None) as websocket:
        answers = []
        for request in requests:
            websocket.send(json.dumps(request))
            answers.append(json.loads(websocket.recv(10)))
        return answers


def create(key: int = 1) -> dict[str, Any]:
    token = token_for("account-0001", SECRETS["LOADTESTS_TOKEN_SECRET"])
    return {"type": "connection.create", "key": key_text(key), "token": token, "role": "agent", "name": "Ada"}


def test_ready_line_control_transactions_and_a_log_without_secrets(tmp_path: Path) -> None:
    origin = time.monotonic_ns()
    options = ("--name", "pod-1", "--run-directory", str(tmp_path), "--origin-ns", str(origin))
    with pod(tmp_path, *options) as (process, ready):
        assert ready["pid"] == process.pid
        assert ready["settings"]["journal_mode"] == "wal"
        chat = {"type": "chat.offer", "key": key_text(2), "subject": "a private matter"}
        assert [a["outcome"] for a in talk(ready["url"], [create(), chat])] == ["ok", "ok"]
        status, statistics = get(f"{ready['control']}/statistics")
        assert (status, statistics["storage"]["chats"], statistics["service"]["requests"]) == (200, 1, {"ok": 2})
        assert get(f"{ready['control']}/health") == (200, {"status": "ok", "pod": "pod-1"})
        assert get(f"{ready['control']}/health", "wrong")[0] == 401
        assert get(f"{ready['control']}/else")[0] == 404
        assert get(f"{ready['control']}/health", method="POST")[0] == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["started", "stopped"]
    assert not any(secret in log for secret in [*SECRETS.values(), create()["token"], "private"])
    directory = RunDirectory(tmp_path)
    operations = codes_of(next(directory.batches("transactions")).schema)["operation"]
    rows = [row for batch in directory.batches("transactions") for row in batch.to_pylist()]
    assert [(operations[r["operation"]], r["key"]) for r in rows][:2] == [("connection.create", 1), ("chat.offer", 2)]
    assert {r["database"] for r in rows} == {"sqlite"}
    assert all(0 < r["waiting_ns"] <= r["begun_ns"] <= r["ended_ns"] for r in rows)


def test_dual_pod_starts_on_its_side_and_names_databases(tmp_path: Path) -> None:
    options = ("--starts-on", "upgraded", "--run-directory", str(tmp_path))
    with pod(tmp_path, *options, storage="dual(sqlite,sqlite)") as (process, ready):
        assert ready["settings"]["engine"] == "dual"
        assert ready["settings"]["legacy.journal_mode"] == "wal"
        assert [a["outcome"] for a in talk(ready["url"], [create()])] == ["ok"]
        assert get(f"{ready['control']}/statistics")[1]["dual"] == {"modes": {"upgraded": 1}, "divergences": {}}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    rows = [row for batch in RunDirectory(tmp_path).batches("transactions") for row in batch.to_pylist()]
    assert {row["database"] for row in rows if row["key"] == 1} == {"upgraded"}


def test_a_killed_pod_serves_what_was_committed(tmp_path: Path) -> None:
    with pod(tmp_path) as (process, ready):
        subscribe = {"type": "subscription.create", "key": key_text(2), "topic": "queue"}
        created, _ = talk(ready["url"], [create(), subscribe])
        process.kill()
        process.wait()
    with pod(tmp_path) as (_, ready):
        names = ("connection", "resume_token")
        resume = {**create(3), **{n: created[n] for n in names}, "type": "connection.resume", "positions": {"queue": 0}}
        (answer,) = talk(ready["url"], [resume])
        assert (answer["outcome"], answer["topics"]) == ("ok", {"queue": 0})


def test_garbage_makes_no_connection(tmp_path: Path) -> None:
    with pod(tmp_path, storage="memory") as (_, ready):
        with connect(ready["url"], subprotocols=[Subprotocol(SUBPROTOCOL)]) as websocket:
            websocket.send(b"\x00")
            assert json.loads(websocket.recv(10))["error"] == "bad_request"
        assert get(f"{ready['control']}/statistics")[1]["storage"]["connections"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--storage", "postgrs"], 64, "did you mean 'postgres'"),
        (["--storage", "postgres"], 64, "set LOADTESTS_DSN\n"),
        (["--storage", "dual(sqlite,redis)"], 64, "set LOADTESTS_DSN_LEGACY and LOADTESTS_DSN_UPGRADED"),
        (["--storage", "dual(sqlite,redi)"], 64, "did you mean 'redis'"),
        (["--storage", "sqlite", "--starts-on", "dual"], 64, "sqlite is one storage system"),
        (["--storage", "dual(sqlite,redis)", "--starts-on", "both"], 64, "legacy"),
        (["--port", "70000"], 64, "expected a port"),
        (["--run-directory", "/nowhere/at/all"], 69, "/nowhere/at/all"),
        (["--host", "192.0.2.1"], 69, "192.0.2.1"),
    ],
)
def test_failed_start_has_a_reason(arguments: list[str], code: int, words: str) -> None:
    done = _run(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dsn_is_not_shown_when_it_leads_nowhere() -> None:
    done = _run("--storage", "postgres", LOADTESTS_DSN="postgresql://pod:hush-hush@127.0.0.1:1/pod")
    assert done.returncode == 69
    assert "hush" not in done.stdout + done.stderr


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a pod that is not expected to start."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LOADTESTS_")}
    command = [sys.executable, "-m", "loadtests.pod", *arguments]
    env = {**kept, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)


def test_in_the_harness_secrets_are_not_made_up() -> None:
    done = _run("--storage", "memory", "--ready-fd", "1")
    assert done.returncode == 64
    assert "LOADTESTS_TOKEN_SECRET" in done.stderr


def test_a_person_gets_tokens_when_asked_for_only() -> None:
    for arguments, shown in ((["--show-tokens"], True), ([], False)):
        command = [sys.executable, "-m", "loadtests.pod", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert lines[0].startswith("pod: ws://127.0.0.1:")
        assert lines[2].startswith("token of account-0001: account-0001.") is shown
