"""A worker host: how long it waits for its master, and with which exit code and sentence it ends."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtests.conductor.hosts import agent
from loadtests.conductor.hosts.admission import Hello
from loadtests.conductor.hosts.link import PROTOCOL, Link, LinkClosed
from loadtests.conductor.hosts.session import ControlSession, run_token
from loadtests.conductor.ports import free_port
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET, join_key

TOKEN, NONCE = "a token of these tests", "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(JOIN_TOKEN, TOKEN)
    monkeypatch.setenv(TOKEN_SECRET, "a signing secret of these tests")


def serve(capsys: pytest.CaptureFixture[str], port: int, wait_s: float = 20.0) -> tuple[int, str]:
    code = agent.serve(f"127.0.0.1:{port}", 1, wait_s)
    return code, capsys.readouterr().err


class Master(threading.Thread):
    """Listens once and sends the messages, each after an answer where it is the first; then closes."""

    def __init__(self, *messages: dict[str, str], runs: int = 0, token: str = TOKEN) -> None:
        """`runs` connections are Locust's before that."""
        super().__init__()
        self._messages, self._runs, self._token = messages, runs, token
        self.hello: dict[str, Any] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.start()

    def run(self) -> None:
        for _ in range(self._runs):
            with self._listener.accept()[0] as locusts:
                locusts.sendall(b"\xff\0\0\0\0\0\0\0\1\x7f")
                assert locusts.recv(1) == b""
        connected, _ = self._listener.accept()
        self._listener.close()
        link = Link(connected)
        link.send("welcome", protocol=PROTOCOL, nonce=NONCE)
        hello = link.receive(20.0)
        assert hello is not None
        self.hello = hello
        link.secure(ControlSession.of_master(join_key(self._token), Hello.of(hello).context(NONCE)))
        for message in self._messages:
            link.send(**message)
        link.close()


def test_a_master_that_never_comes_is_waited_for_so_long(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    code, output = serve(capsys, port, 0.1)
    assert code == 69
    assert f"no master at 127.0.0.1:{port} within 0.1 s: Connection refused. Start it with --master --bind" in output


def test_a_refused_worker_ends_with_the_cause(capsys: pytest.CaptureFixture[str]) -> None:
    code, output = serve(capsys, Master({"event": "refused", "reason": "another version"}).port)
    assert code == 64
    assert "refused this worker: another version" in output


def test_a_worker_ends_with_the_study(capsys: pytest.CaptureFixture[str]) -> None:
    code, output = serve(capsys, Master({"event": "accepted", "address": "10.0.0.2"}, {"event": "over"}).port)
    assert code == 0
    assert output.splitlines()[-1] == "loadtests worker: the study is over"


def test_a_master_that_ends_without_a_word_is_gone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "GONE_AFTER_S", 0.5)
    code, output = serve(capsys, Master({"event": "accepted", "address": "10.0.0.2"}).port)
    assert code == 69
    assert "lost the master at 127.0.0.1" in output
    assert "is gone: it ended no study" in output


def test_worker_processes_that_never_reached_a_killed_master_are_ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locust lets them try for five minutes."""
    before = set(psutil.Process().children())  # other tests' servers
    monkeypatch.setattr(agent, "GONE_AFTER_S", 0.5)
    monkeypatch.setattr(agent, "_LOST_WITHIN_S", 0.5)
    monkeypatch.setattr(agent, "worker_argv", lambda _: [sys.executable, "-c", "import time; time.sleep(600)"])
    master = Master({"event": "accepted", "address": "10.0.0.2"}, {"event": "run", "name": "a"})
    code, output = serve(capsys, master.port)
    assert code == 69
    assert "is gone" in output
    assert set(psutil.Process().children()) - before == set()


def test_worker_processes_have_the_secrets_of_workers_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    others = {"LOADTESTS_DSNS": "{}", "LOADTESTS_WEB_PASSWORD": "canary", "CLOUD_TOKEN": "canary"}
    for name, value in others.items():
        monkeypatch.setenv(name, value)
    script = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    monkeypatch.setattr(agent, "GONE_AFTER_S", 0.5)
    monkeypatch.setattr(agent, "worker_argv", lambda _: [sys.executable, "-c", script, str(tmp_path / "seen")])
    run = {"event": "run", "name": "a", "nonce": NONCE}
    serve(capsys, Master({"event": "accepted", "address": "10.0.0.2"}, run).port)
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen[TOKEN_SECRET] == "a signing secret of these tests"
    assert seen[JOIN_TOKEN] == run_token(join_key(TOKEN), NONCE)
    assert seen[agent.WORKER_ADDRESS] == "10.0.0.2"
    assert not [name for name in seen if any(other in name for other in others)]
    assert "canary" not in str(seen)


def test_a_run_without_this_worker_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locust's master is recognised by its first byte."""
    monkeypatch.setattr(agent, "_BUSY_EVERY_S", 0.1)
    code, output = serve(capsys, Master({"event": "refused", "reason": "late"}, runs=2).port)
    assert code == 64
    assert "refused this worker: late" in output


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (0, ""),
        (-9, "was killed by SIGKILL"),
        (130, "ended with exit code 130"),
        (70, "ended with exit code 70 (its master was silent)"),
    ],
)
def test_how_a_worker_process_ended_is_reported_in_words(code: int, how: str) -> None:
    assert agent._how(code) == how


def test_master_without_the_token_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """An attacker that listens at the master's address gets no worker, no exit code 0 and no secret."""
    attacker = Master({"event": "accepted", "address": "10.0.0.2"}, {"event": "run", "name": "a"}, token="guessed")
    code, output = serve(capsys, attacker.port)
    assert code == 64
    assert "did not prove that it has the same secret" in output
    assert "accepted by" not in output
    assert_no_secret(str(attacker.hello) + output)


@pytest.mark.parametrize("event", ["accepted", "over", "run", "welcome"])
def test_unsigned_messages_of_a_master_are_refused(event: str, capsys: pytest.CaptureFixture[str]) -> None:
    with unsigned_master({"event": event, "address": "x", "name": "x", "nonce": NONCE}) as port:
        code, output = serve(capsys, port)
    assert code == 64
    assert "did not prove" in output


def test_worker_without_secrets_follows_no_master(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(JOIN_TOKEN)
    monkeypatch.delenv(TOKEN_SECRET)
    with unsigned_master({"event": "accepted", "address": "x"}) as port:
        code, output = serve(capsys, port)
    assert code == 64
    assert "did not prove" in output


def test_a_reason_of_a_stranger_is_printed_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    with unsigned_master({"event": "refused", "reason": "\x1b]0;owned\x07\n" + "x" * 3000}) as port:
        code, output = serve(capsys, port)
    assert code == 64
    assert "refused this worker: \\x1b]0;owned\\x07\\x0axxx" in output
    assert len(output) < 1000


def test_a_master_of_another_version_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with unsigned_master(None, protocol=PROTOCOL - 1) as port:
        code, output = serve(capsys, port)
    assert code == 64
    assert "runs another version of loadtests: install the same one on both" in output


def test_a_master_that_only_closes_connections_is_given_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "_TRY_EVERY_S", 0.05)
    with unsigned_master(None) as port:
        code, output = serve(capsys, port, wait_s=0.2)
    assert code == 69
    assert "accepted no worker within 0.2 s" in output


def assert_no_secret(text: str) -> None:
    assert TOKEN not in text
    assert "a signing secret of these tests" not in text


@contextmanager
def unsigned_master(message: dict[str, str] | None, protocol: int = PROTOCOL) -> Iterator[int]:
    """Welcomes each connection, and answers its hello with that message, without a proof; None: closes."""

    def run() -> None:
        with suppress(OSError):
            while True:
                link = Link(listener.accept()[0])
                with suppress(LinkClosed):
                    link.send("welcome", protocol=protocol, nonce=NONCE)
                    link.receive(20.0)
                    if message is not None:
                        link.send(**message)
                link.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(20)
