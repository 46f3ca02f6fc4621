"""A whole run whose port is attacked meanwhile, and whose bytes are recorded on their way."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
from locust import __version__
from locust_runs import LOCUSTFILE, SECRET, TINY, Locust, LocustRun, locust, memory_pod, plan_for

from loadtests.generator import runmessages
from loadtests.generator.channel.tokens import server_keys
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET

pytestmark = pytest.mark.e2e

TOKEN = "the join token of the attacked run"
SCENARIO = TINY.replace("duration: 2s", "duration: 5s")


@dataclass
class Wire:
    """Passes on what one worker and the master send each other, and records it."""

    port: int
    recorded: bytearray = field(default_factory=bytearray)


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                wire.recorded += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                near = listener.accept()[0]
                try:
                    far = socket.create_connection(("127.0.0.1", port))
                except OSError:  # the master does not listen yet
                    near.close()
                    continue
                opened.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    opened: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener.getsockname()[1])
        threading.Thread(target=serve, daemon=True).start()
        yield wire
        listener.shutdown(socket.SHUT_RDWR)
    for end in opened:
        end.close()


@contextmanager
def worker(port: int, log: Path) -> Iterator[None]:
    """One that has the join token and not the secret that signs tokens."""
    environment = {**os.environ, JOIN_TOKEN: TOKEN, "LOADTESTS_REMOTE_WORKER": "1"}
    environment.pop(TOKEN_SECRET, None)
    argv = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker", "--master-port", str(port)]
    with log.open("w") as output, subprocess.Popen(argv, env=environment, stderr=output, stdout=output) as process:
        try:
            yield
        finally:
            process.kill()


class Attacker:
    """A worker that does what it likes, with or without the token."""

    def __init__(self, port: int, identity: str, token: str | None) -> None:
        self.identity, self.received = identity, b""
        self._socket = zmq.Context().socket(zmq.DEALER)
        self._socket.linger = 0
        if token is not None:
            self._socket.curve_serverkey, _ = server_keys(token)
            self._socket.curve_publickey, self._socket.curve_secretkey = zmq.curve_keypair()
        self._socket.setsockopt(zmq.IDENTITY, identity.encode())
        self._socket.connect(f"tcp://127.0.0.1:{port}")

    def send(self, kind: str, body: Any, node: str = "") -> None:
        self._socket.send(msgpack.packb([kind, body, node or self.identity]))

    def read(self, *answers: bytes, within_s: float) -> None:
        """Returns when all of these have come, or the time is over."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and not (answers and all(answer in self.received for answer in answers)):
            if self._socket.poll(100):
                self.received += self._socket.recv()

    def close(self) -> None:
        self._socket.close()


REFUSALS = (b"the master has its 1 workers", b"it is in the name of", b"it is not the worker of that number")


def attack(port: int, victim: str, token: str | None) -> bytes:
    """Sends everything that could end the run or take over its worker; returns what comes back."""
    attacker = Attacker(port, "attacker_1", token)
    progress = {"worker": 0, "begun": 0, "written": 0, "reserved": 0, "error": "forged"}
    bodies: list[tuple[str, Any]] = [
        ("client_ready", __version__),
        ("quit", None),
        ("client_stopped", None),
        ("spawning_complete", {"user_classes_count": {"Agent": 0}, "user_count": 0}),
        ("heartbeat", {"state": "missing", "current_cpu_usage": 1, "current_memory_usage": 1}),
        (runmessages.READY, {"worker": 0, "run": "01-memory", "error": "forged", "same_host": True}),
        (runmessages.LEAVING, {"worker": 0, "cause": "forged"}),
        (runmessages.PROGRESS, progress),
        (runmessages.DRAINED, progress),
        (runmessages.ROWS, {"worker": 0, "number": 0, "data": b"\0" * 81}),
        ("stats", {"stats": [], "stats_total": None, "errors": {}}),
    ]
    for kind, body in bodies:
        attacker.send(kind, body)
        attacker.send(kind, body, node=victim)
    if token == TOKEN:
        attacker.read(*REFUSALS, within_s=20.0)
    else:
        attacker.read(within_s=0.5)
    attacker.close()
    return attacker.received


@dataclass
class Attacked:
    run: LocustRun
    log: str
    wire: bytes
    answers: dict[str, bytes]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    place = tmp_path_factory.mktemp("attacked")
    with memory_pod(tmp_path_factory.mktemp("pod")) as url:
        plan = replace(plan_for(place, url, SCENARIO), own_pods=True)
        with (
            locust(plan, ["--master", "--expect-workers", "1"], **{JOIN_TOKEN: TOKEN}) as running,
            wire_to(int(running.port)) as wire,
            worker(wire.port, place / "worker.log"),
        ):
            running.until("stage")
            victim = worker_id(running)
            tokens = {"joined": TOKEN, "plain": None, "guessed": "guessed"}
            answers = {name: attack(int(running.port), victim, token) for name, token in tokens.items()}
            run = running.finish()
        yield Attacked(run, running.log.read_text(), bytes(wire.recorded), answers)


def worker_id(running: Locust) -> str:
    found = re.search(r"(\S+) \(index 0\) reported as ready", running.log.read_text())
    assert found
    return found[1]


def test_an_attacked_run_ends_whole(attacked: Attacked) -> None:
    assert attacked.run.code == 0, attacked.log
    (reported,) = attacked.run.drained
    rows = attacked.run.rows()
    assert reported["begun"] == reported["written"] == len(rows) > 0
    assert reported["error"] == ""
    assert {line["state"] for line in attacked.run.events("worker")} == {"joined"}
    assert [stage["name"] for stage in attacked.run.events("stage")] == ["warm-up", "steady", "storm"]
    assert max(tick["agents"] for tick in attacked.run.events("tick")) == 6
    assert "Traceback" not in attacked.log


def test_a_worker_with_the_token_gets_the_secret_of_the_run(attacked: Attacked) -> None:
    assert any(row["operation"] == "chat.accept" and row["outcome"] == "ok" for row in attacked.run.rows())


def test_no_secret_is_in_the_bytes_between_worker_and_master(attacked: Attacked) -> None:
    assert len(attacked.wire) > 10_000
    assert SECRET.encode() not in attacked.wire
    assert TOKEN.encode() not in attacked.wire
    assert b"loadtests.plan" not in attacked.wire


def test_attackers_without_the_token_receive_nothing(attacked: Attacked) -> None:
    assert attacked.answers["plain"] == attacked.answers["guessed"] == b""


def test_an_attacker_with_the_token_receives_refusals_only(attacked: Attacked) -> None:
    answer = attacked.answers["joined"]
    assert [refusal for refusal in REFUSALS if refusal not in answer] == []
    assert SECRET.encode() not in answer
    assert b"loadtests.plan" not in answer
    assert b"loadtests.begin" not in answer
    assert "refused a message of attacker_1: it is in the name of" in attacked.log
