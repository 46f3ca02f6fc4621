"""One way to make JSON round trips, in a process of its own: `python -m benchmarks._client_loops WAY URL SECONDS`.

Prints the processor time of one round trip, over 100 connections that each send a request as soon as the last reply
arrives.
"""

# ruff: noqa: E402, PLW0603  the patch comes before the imports; the measuring greenlet reads a count
from gevent import monkey

monkey.patch_all()

import json
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import gevent
from gevent import socket
from locust import User, task
from locust.env import Environment

from loadtests.generator.live import LiveStatistics
from loadtests.generator.recorder import Recorder
from loadtests.generator.sinks import FileSink
from loadtests.protocols import ChosenProtocol, parse_protocol
from loadtests.protocols.contract import Command, Identity
from loadtests.records.rundirectory import RunDirectory
from loadtests.users.recording import Who
from loadtests.wire.connection import Connection
from loadtests.wire.opening import Endpoint

CONNECTIONS = 100
WARM_UP_S = 0.5
CHAT = "00000000000000a7"
TEXT = "How long does delivery take?"

done = 0
keys = count(1)
ORIGIN_NS = time.monotonic_ns()


def bare(url: str) -> None:
    """The reference: a gevent socket, hand-written frames (masked with zeros, at no cost), the standard json module."""
    address = urlsplit(url)
    for _ in range(CONNECTIONS):
        gevent.spawn(_bare_loop, socket.create_connection((address.hostname, address.port)))


def _bare_loop(connected: socket.socket) -> None:
    global done
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: messaging-pod.v1\r\n\r\n"
    )
    assert b" 101 " in connected.recv(65536)
    while True:
        key = f"{next(keys):016x}"
        payload = json.dumps({"type": "message.send", "key": key, "chat": CHAT, "text": TEXT}).encode()
        size = len(payload)
        head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
        connected.sendall(head + b"\0\0\0\0" + payload)
        frame = connected.recv(65536)
        start = 2 if frame[1] < 126 else 4
        reply = json.loads(frame[start:])
        assert reply["key"] == key
        assert reply["outcome"] == "ok"
        done += 1


def ours(url: str, protocol: str = "messaging-pod.v1") -> None:
    OurUser.protocol = parse_protocol(protocol)
    directory = RunDirectory(Path(tempfile.mkdtemp()))
    environment = _locust(OurUser, url)
    live = LiveStatistics(environment.stats)
    OurUser.recorder = Recorder(FileSink(directory, 0, ["pod"]), ORIGIN_NS, live.take_rows)


class OurUser(User):
    """Every round trip recorded (planned, started, ended), live statistics fed."""

    recorder: ClassVar[Recorder]
    protocol: ClassVar[ChosenProtocol]

    @task
    def converse(self) -> None:
        global done
        recorder = self.recorder
        client = self.protocol.client(Identity("t", "agent", "Ada"))
        endpoint = Endpoint(self.host, self.protocol.spec.subprotocols)
        connection = Connection.open(endpoint, client, timeout_s=5, on_push=lambda push, at: None)
        number = next(keys)
        who = Who(0, 0, number, number)
        while True:
            key = next(keys)
            operation = recorder.begin(who, "message.send", key, 0xA7)
            command = Command("message.send", key, "", CHAT, TEXT)
            reply, ended_ns = connection.request(key, client.send(command), 5)
            recorder.end(operation, reply.outcome, reply.error, ended_ns - ORIGIN_NS)
            assert reply.outcome == "ok"
            done += 1


def stock(url: str) -> None:
    _locust(StockUser, url)


class StockUser(User):
    """As in most Locust users: websocket-client, and one request event per round trip."""

    @task
    def converse(self) -> None:
        global done
        import websocket

        connected = websocket.create_connection(self.host, subprotocols=["messaging-pod.v1"])
        fire = self.environment.events.request.fire
        while True:
            key = f"{next(keys):016x}"
            began = time.perf_counter()
            connected.send(json.dumps({"type": "message.send", "key": key, "chat": CHAT, "text": TEXT}))
            answer = connected.recv()
            reply = json.loads(answer)
            assert reply["key"] == key
            took_ms = (time.perf_counter() - began) * 1000
            fire(
                request_type="WS",
                name="message.send",
                response_time=took_ms,
                response_length=len(answer),
                exception=None,
                context={},
            )
            done += 1


def _locust(user: type[User], url: str) -> Environment:
    user.host = url
    environment = Environment(user_classes=[user])
    gevent.spawn_later(0, environment.create_local_runner().start, CONNECTIONS, spawn_rate=CONNECTIONS)
    return environment


WAYS: dict[str, Callable[[str], Any]] = {
    "bare": bare,
    "ours": ours,
    "jsonrpc": lambda url: ours(url, "jsonrpc"),
    "stock": stock,
}


def main(way: str, url: str, seconds: float) -> None:
    WAYS[way](url)
    gevent.sleep(WARM_UP_S)
    before, began = done, time.process_time()
    gevent.sleep(seconds)
    used, trips = time.process_time() - began, done - before
    print(json.dumps({"us": used / trips * 1e6, "trips": trips}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
    # The loops never end by themselves.
    import os

    os._exit(0)
