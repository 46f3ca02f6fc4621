"""A worker host: how long it waits for its master, and with which exit code and sentence it ends."""

import socket
import sys
import threading

import psutil
import pytest

from loadtests.conductor.hosts import agent
from loadtests.conductor.hosts.link import Link
from loadtests.conductor.ports import free_port


def serve(capsys: pytest.CaptureFixture[str], port: int, wait_s: float = 20.0) -> tuple[int, str]:
    code = agent.serve(f"127.0.0.1:{port}", 1, wait_s)
    return code, capsys.readouterr().err


class Master(threading.Thread):
    """Listens once and sends the messages, each after an answer where it is the first; then closes."""

    def __init__(self, *messages: dict[str, str], runs: int = 0) -> None:
        """`runs` connections are Locust's before that."""
        super().__init__()
        self._messages, self._runs = messages, runs
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
        link.send("welcome", protocol=1, nonce="17")
        hello = link.receive(20.0)
        assert hello is not None
        assert {"node", "version", "host", "processes", "proof"} <= hello.keys()
        for message in self._messages:
            link.send(**message)
        link.close()


def test_a_master_that_never_comes_is_waited_for_so_long(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    code, said = serve(capsys, port, 0.1)
    assert code == 69
    assert f"no master at 127.0.0.1:{port} within 0.1 s: Connection refused. Start it with --master --bind" in said


def test_a_refused_worker_ends_with_the_cause(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = serve(capsys, Master({"event": "refused", "reason": "another version"}).port)
    assert code == 64
    assert "refused this worker: another version" in said


def test_a_worker_ends_with_the_study(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = serve(capsys, Master({"event": "accepted", "address": "10.0.0.2"}, {"event": "over"}).port)
    assert code == 0
    assert said.splitlines()[-1] == "loadtests worker: the study is over"


def test_a_master_that_ends_without_a_word_is_gone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "GONE_AFTER_S", 0.5)
    code, said = serve(capsys, Master({"event": "accepted", "address": "10.0.0.2"}).port)
    assert code == 69
    assert "lost the master at 127.0.0.1" in said
    assert "is gone: it ended no study" in said


def test_worker_processes_that_never_reached_a_killed_master_are_ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locust lets them try for five minutes."""
    before = set(psutil.Process().children())  # other tests' servers
    monkeypatch.setattr(agent, "GONE_AFTER_S", 0.5)
    monkeypatch.setattr(agent, "_LOST_WITHIN_S", 0.5)
    monkeypatch.setattr(agent, "worker_argv", lambda _: [sys.executable, "-c", "import time; time.sleep(600)"])
    code, said = serve(capsys, Master({"event": "accepted", "address": "10.0.0.2"}, {"event": "run", "name": "a"}).port)
    assert code == 69
    assert "is gone" in said
    assert set(psutil.Process().children()) - before == set()


def test_a_run_without_this_worker_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locust's master is recognised by its first byte."""
    monkeypatch.setattr(agent, "_BUSY_EVERY_S", 0.1)
    code, said = serve(capsys, Master({"event": "refused", "reason": "late"}, runs=2).port)
    assert code == 64
    assert "refused this worker: late" in said


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
