"""Open arrivals in a process of its own: `python -m benchmarks._open_arrivals URL RATE SECONDS HOLD_MS[,HOLD_MS…]`.

Every arrival asks the server to hold its answer for one of the given times. Prints, for each of them, what the rows
say beside what the server stamped; the share of responses over 500 ms; and the processor time used.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402  after the patch
import os  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from itertools import count  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import gevent.pool  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from locust.stats import RequestStats  # noqa: E402

from loadtests.records.rundirectory import RunDirectory  # noqa: E402
from loadtests.users.alarm import sleep_until  # noqa: E402
from loadtests.users.live import LiveStatistics  # noqa: E402
from loadtests.users.recorder import Recorder, Who  # noqa: E402
from loadtests.users.sinks import FileSink  # noqa: E402
from loadtests.wire.connection import Connection  # noqa: E402

CONNECTIONS = 100
LEAD_S = 0.5
ORIGIN_NS = time.monotonic_ns()

keys = count()
stamped: dict[int, tuple[str, int]] = {}


class Arrivals:
    """A seeded Poisson schedule, spread over connections; an arrival never waits for the one before."""

    def __init__(self, url: str, recorder: Recorder, holds: list[str]) -> None:
        self.recorder = recorder
        self.holds = holds
        self.random = random.Random(7)
        self.connections = [
            Connection.open(url, timeout_s=5, on_event=lambda event, at: None) for _ in range(CONNECTIONS)
        ]

    def run(self, rate: float, seconds: float) -> None:
        group = gevent.pool.Group()
        planned = time.monotonic_ns() - ORIGIN_NS + int(LEAD_S * 1e9)
        last = planned + int(seconds * 1e9)
        while planned < last:
            sleep_until(ORIGIN_NS + planned)
            group.spawn(self.arrive, planned)
            planned += int(self.random.expovariate(rate) * 1e9)
        group.join()

    def arrive(self, planned_ns: int) -> None:
        key, hold = next(keys), self.random.choice(self.holds)
        number = key % CONNECTIONS
        operation = self.recorder.begin(Who(0, 0, number, number), "message.send", key, 1, planned_ns)
        reply = self.connections[number].request("message.send", key, {"chat": "0" * 16, "text": hold}, 10)
        self.recorder.end(operation, reply.outcome, reply.error)
        stamped[key] = (hold, reply.body.get("held_ns", 0))


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
