"""Peers of a Locust master in one process: an honest worker, and attackers with and without the join token."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gevent
import msgpack
import pytest
import zmq.green as zmq
from locust import User, __version__, runners
from locust.env import Environment
from locust.event import Events
from locust.runners import MasterRunner

from loadtests.conductor.ports import free_port
from loadtests.generator.channel import tokens
from loadtests.generator.channel.guard import guard, refusals_of
from loadtests.generator.channel.sockets import MasterSocket, WorkerSocket
from loadtests.generator.channel.tokens import server_keys
from loadtests.joining import JOIN_TOKEN, join_key

TOKEN = "the join token of these tests"
SECRET = "the signing secret of these tests"


class Agent(User):
    """The only user class that a master knows."""

    abstract = True


class Peer:
    """A DEALER socket of Locust's protocol, with the master's key if it has the token. Keeps what it receives."""

    def __init__(self, port: int, identity: bytes, token: str | None = TOKEN) -> None:
        self.identity = identity
        self.socket = zmq.Context().socket(zmq.DEALER)
        self.socket.linger = 0
        if token is not None:
            self.socket.curve_serverkey, _ = server_keys(token)
            self.socket.curve_publickey, self.socket.curve_secretkey = zmq.curve_keypair()
        self.socket.setsockopt(zmq.IDENTITY, identity)
        self.received: list[bytes] = []
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self._reader = gevent.spawn(self._read)

    def _read(self) -> None:
        while True:
            self.received += self.socket.recv_multipart()

    def send(self, kind: str, body: Any = None, node: str | None = None) -> None:
        self.socket.send(msgpack.packb([kind, body, self.identity.decode() if node is None else node]))

    def messages(self, kind: str) -> list[Any]:
        """The bodies of the messages of that type that it has received."""
        found = [msgpack.unpackb(data) for data in self.received]
        return [body for name, body, _ in found if name == kind]

    def assert_no_secret(self) -> None:
        keys = [join_key(TOKEN), *server_keys(TOKEN)]
        secrets = [TOKEN.encode(), SECRET.encode(), *keys, join_key(TOKEN).hex().encode()]
        assert not [secret for secret in secrets if secret in b"".join(self.received)]

    def close(self) -> None:
        self._reader.kill()
        self.socket.close()
        self.assert_no_secret()


class Master:
    """A real Locust master on loopback with one honest worker."""

    def __init__(self, most_workers: int | None = None) -> None:
        self.port = free_port()
        environment = Environment(events=Events(), user_classes=[])
        self.runner: MasterRunner = environment.create_master_runner("127.0.0.1", self.port)
        guard(self.runner, most_workers)
        self.refusals = refusals_of(self.runner)
        self._listeners = list(self.runner.greenlet.greenlets)
        self.worker = self.peer(b"honest_1")
        self.worker.send("client_ready", __version__)
        until(lambda: "honest_1" in self.runner.clients)
        self._beats = gevent.spawn(self._beat)

    def peer(self, identity: bytes = b"attacker_1", token: str | None = TOKEN) -> Peer:
        return Peer(self.port, identity, token)

    def _beat(self) -> None:
        """As a real worker: after three seconds without one, the master takes it for lost and ends the test."""
        while True:
            self.worker.send("heartbeat", {"state": "ready", "current_cpu_usage": 3.5, "current_memory_usage": 1})
            gevent.sleep(0.5)

    def assert_serves(self) -> None:
        """The master's greenlets live, and the honest worker is a worker and gets answers."""
        before = len(self.worker.messages("heartbeat"))
        until(lambda: len(self.worker.messages("heartbeat")) > before)
        assert self.runner.clients["honest_1"].state == "ready"
        assert self.runner.state == "ready"
        assert not any(greenlet.dead for greenlet in self._listeners)

    def refuse(self, count: int = 1) -> None:
        """Returns when so many messages have been refused in all."""
        until(lambda: self.refusals.total >= count)

    def close(self) -> None:
        self._beats.kill()
        self.worker.close()
        self.runner.greenlet.kill(block=True)
        self.runner.server.close(linger=0)


@contextmanager
def running_master(most_workers: int | None = None) -> Iterator[Master]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(JOIN_TOKEN, TOKEN)
        patch.setitem(tokens._state, "forks", False)
        patch.setattr(runners, "rpc", SimpleNamespace(Server=MasterSocket, Client=WorkerSocket))
        master = Master(most_workers)
        try:
            yield master
        finally:
            master.close()


def until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    """Lets the other greenlets run until it holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        gevent.sleep(0.01)
