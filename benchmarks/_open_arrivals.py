"""Open arrivals in a process of its own: `python -m benchmarks._open_arrivals URL RATE SECONDS HOLD_MS[,…] [WAY]`.

Every arrival requests a reply that the server delays by one of the given times. Prints, for each of them, what was
recorded beside what the server stamped for the same operations; the share of responses over 500 ms; and the processor
time used.

WAY is `rows` (the default: the harness's connection, recorder and live statistics), or `bare`, the control: a gevent
socket, frames by hand and the clock, nothing of the harness but the schedule's alarm.
"""

# ruff: noqa: E402  the patch comes before the imports
from gevent import monkey

monkey.patch_all()

import gc
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import gevent
import numpy as np
import pyarrow as pa
from gevent import socket
from locust.stats import RequestStats

from loadtests.generator.live import LiveStatistics
from loadtests.generator.recorder import Recorder
from loadtests.generator.sinks import FileSink
from loadtests.protocols.contract import Command, Frame, Identity, Received
from loadtests.protocols.messaging_pod import SUBPROTOCOL, MessagingPodClient
from loadtests.records.rundirectory import RunDirectory
from loadtests.users.clock import sleep_until
from loadtests.users.recording import Who
from loadtests.wire.connection import Connection
from loadtests.wire.opening import Endpoint

USERS = 400
LEAD_S = 0.5
ORIGIN_NS = time.monotonic_ns()

COLUMNS = ("key", "planned_ns", "started_ns", "ended_ns")
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: messaging-pod.v1\r\n\r\n"
)
Rows = dict[str, Any]

keys = count(1)
stamped: dict[int, tuple[str, int]] = {}


class Asker(Protocol):
    def ask(self, number: int, planned_ns: int, hold: str) -> None: ...


class HoldingClient(MessagingPodClient):
    """Stores the delay of each reply in the server."""

    def __init__(self) -> None:
        super().__init__(Identity("t", "agent", "Ada"), {})
        self.held_ns = 0

    def receive(self, frame: Frame) -> Sequence[Received]:
        self.held_ns = json.loads(frame)["held_ns"]
        return super().receive(frame)


class Recorded:
    """Sends requests like the harness's users."""

    def __init__(self, url: str, directory: RunDirectory) -> None:
        live = LiveStatistics(RequestStats(use_response_times_cache=False))
        self.directory = directory
        self.recorder = Recorder(FileSink(directory, 0, ["pod"]), ORIGIN_NS, live.take_rows)
        self.clients = [HoldingClient() for _ in range(USERS)]
        endpoint = Endpoint(url, (SUBPROTOCOL,))
        self.connections = [
            Connection.open(endpoint, client, timeout_s=5, on_push=lambda push, at: None) for client in self.clients
        ]

    def ask(self, number: int, planned_ns: int, hold: str) -> None:
        key = next(keys)
        operation = self.recorder.begin(Who(0, 0, number, number), "message.send", key, 1, planned_ns)
        client = self.clients[number]
        frames = client.send(Command("message.send", key, chat="0" * 16, text=hold))
        reply, ended_ns = self.connections[number].request(key, frames, 10)
        self.recorder.end(operation, reply.outcome, reply.error, ended_ns - ORIGIN_NS)
        stamped[key] = (hold, client.held_ns)

    def rows(self) -> Rows:
        self.recorder.drain()
        table = pa.Table.from_batches(list(self.directory.batches("operations")))
        return {name: table[name].to_numpy() for name in COLUMNS}


class Bare:
    """Sends requests with minimal code between the clock and the socket."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.sockets = [socket.create_connection((address.hostname, address.port)) for _ in range(USERS)]
        self.asked: list[tuple[int, int, int, int]] = []
        for connected in self.sockets:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.sendall(UPGRADE)
            assert b" 101 " in connected.recv(65536)

    def ask(self, number: int, planned_ns: int, hold: str) -> None:
        key, connected = next(keys), self.sockets[number]
        payload = b'{"type":"message.send","key":"%016x","chat":"0000000000000000","text":"%s"}' % (key, hold.encode())
        started_ns = time.monotonic_ns() - ORIGIN_NS
        connected.sendall(bytes((0x81, 0x80 | len(payload))) + b"\0\0\0\0" + payload)
        reply = connected.recv(65536)
        self.asked.append((key, planned_ns, started_ns, time.monotonic_ns() - ORIGIN_NS))
        stamped[key] = (hold, json.loads(reply[2 if reply[1] < 126 else 4 :])["held_ns"])

    def rows(self) -> Rows:
        return dict(zip(COLUMNS, np.array(self.asked).T, strict=True))


class Arrivals:
    """Users that each send requests at fixed random moments. A user in an earlier call sends late; the planned moment
    stays the same."""

    def __init__(self, asker: Asker, holds: list[str]) -> None:
        self.asker = asker
        self.holds = holds
        self.random = random.Random(7)

    def run(self, rate: float, seconds: float) -> None:
        first = time.monotonic_ns() - ORIGIN_NS + int(LEAD_S * 1e9)
        last = first + int(seconds * 1e9)
        every = int(USERS / rate * 1e9)
        users = [
            gevent.spawn(self.ask_on, number, range(first + self.random.randrange(every), last, every))
            for number in range(USERS)
        ]
        gevent.joinall(users, raise_error=True)

    def ask_on(self, number: int, schedule: range) -> None:
        for planned_ns in schedule:
            sleep_until(ORIGIN_NS + planned_ns)
            self.asker.ask(number, planned_ns, self.random.choice(self.holds))


def compared(rows: Rows, hold: str) -> dict[str, float]:
    """p50 and p99 in ms of recorded latencies and of the same operations' stamps, for one delay."""
    mine = np.array([stamped[key][0] == hold for key in rows["key"].tolist()])
    held = np.array([stamped[key][1] for key in rows["key"][mine].tolist()])
    response = (rows["ended_ns"] - rows["planned_ns"])[mine]
    service = (rows["ended_ns"] - rows["started_ns"])[mine]
    found = {"response": response, "service": service, "stamped": held}
    return {f"{name}_p{p}": float(np.percentile(v, p)) / 1e6 for name, v in found.items() for p in (50, 99)}


def waited_s() -> float:
    """How long this process was ready to run while another one used the processor."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def main(url: str, rate: float, seconds: float, holds: list[str], way: str) -> None:
    asker = Bare(url) if way == "bare" else Recorded(url, RunDirectory(Path(tempfile.mkdtemp())))
    arrivals = Arrivals(asker, holds)
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    began, waited = time.process_time(), waited_s()
    arrivals.run(rate, seconds)
    waited = waited_s() - waited
    used = time.process_time() - began
    rows = asker.rows()
    slow = (rows["ended_ns"] - rows["planned_ns"]) > 500_000_000
    result = {
        "rows": len(slow),
        "slow": float(slow.mean()),
        "cpu_share": used / seconds,
        "waited_share": waited / seconds,
        "holds": {hold: compared(rows, hold) for hold in holds},
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4].split(","), "".join(sys.argv[5:]))
    os._exit(0)
