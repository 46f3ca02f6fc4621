"""Open arrivals in a process of its own: `python -m benchmarks._open_arrivals URL RATE SECONDS HOLD_MS[,HOLD_MS…]`.

Every arrival asks the server to hold its answer for one of the given times. Prints, for each of them, what the rows
say beside what the server stamped; the share of responses over 500 ms; and the processor time used.
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
from itertools import count
from pathlib import Path
from typing import Any

import gevent
import numpy as np
import pyarrow as pa
from locust.stats import RequestStats

from loadtests.records.rundirectory import RunDirectory
from loadtests.users.alarm import sleep_until
from loadtests.users.live import LiveStatistics
from loadtests.users.recorder import Recorder, Who
from loadtests.users.sinks import FileSink
from loadtests.wire.connection import Connection

USERS = 400
LEAD_S = 0.5
ORIGIN_NS = time.monotonic_ns()

keys = count()
stamped: dict[int, tuple[str, int]] = {}


class Arrivals:
    """Users that each ask at fixed moments of their own, spread evenly at random. One that is stuck in an earlier call
    asks late, and its moment stays when it was."""

    def __init__(self, url: str, recorder: Recorder, holds: list[str]) -> None:
        self.recorder = recorder
        self.holds = holds
        self.random = random.Random(7)
        self.connections = [Connection.open(url, timeout_s=5, on_event=lambda event, at: None) for _ in range(USERS)]

    def run(self, rate: float, seconds: float) -> None:
        first = self.recorder.now_ns() + int(LEAD_S * 1e9)
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
            self.ask(number, planned_ns)

    def ask(self, number: int, planned_ns: int) -> None:
        key, hold = next(keys), self.random.choice(self.holds)
        operation = self.recorder.begin(Who(0, 0, number, number), "message.send", key, 1, planned_ns)
        reply = self.connections[number].request("message.send", key, {"chat": "0" * 16, "text": hold}, 10)
        self.recorder.end(operation, reply.outcome, reply.error)
        stamped[key] = (hold, reply.body["held_ns"])


def rows_of(directory: RunDirectory) -> dict[str, Any]:
    table = pa.Table.from_batches(list(directory.batches("operations")))
    return {name: table[name].to_numpy() for name in ("key", "planned_ns", "started_ns", "ended_ns")}


def compared(rows: dict[str, Any], hold: str) -> dict[str, float]:
    """p50 and p99 in ms of the rows and of the stamps of one hold."""
    mine = np.array([stamped[key][0] == hold for key in rows["key"].tolist()])
    held = np.array([held_ns for given, held_ns in stamped.values() if given == hold])
    response = (rows["ended_ns"] - rows["planned_ns"])[mine]
    service = (rows["ended_ns"] - rows["started_ns"])[mine]
    found = {"response": response, "service": service, "stamped": held}
    return {f"{name}_p{p}": float(np.percentile(v, p)) / 1e6 for name, v in found.items() for p in (50, 99)}


def main(url: str, rate: float, seconds: float, holds: list[str]) -> None:
    directory = RunDirectory(Path(tempfile.mkdtemp()))
    live = LiveStatistics(RequestStats(use_response_times_cache=False))
    recorder = Recorder(FileSink(directory, 0, ["pod"]), ORIGIN_NS, live.take_rows)
    arrivals = Arrivals(url, recorder, holds)
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    began = time.process_time()
    arrivals.run(rate, seconds)
    used = time.process_time() - began
    recorder.drain()
    rows = rows_of(directory)
    slow = (rows["ended_ns"] - rows["planned_ns"]) > 500_000_000
    result = {
        "rows": len(slow),
        "slow": float(slow.mean()),
        "cpu_share": used / (seconds + LEAD_S),
        "holds": {hold: compared(rows, hold) for hold in holds},
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4].split(","))
    os._exit(0)
