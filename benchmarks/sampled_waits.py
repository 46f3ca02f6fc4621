"""The sampler without a log, as on a server whose log cannot be read: its total of lock waits, against the truth.

On each of several databases of one PostgreSQL about two sessions wait at any moment, for a minute, or nearly twenty; an
observer of its own samples each, as the pod's own role, which may not read the log. That is done until there are
twenty minutes of both.
"""

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import numpy as np
import uvloop

from benchmarks._figures import measure, show
from benchmarks._observed import Observed, observed
from loadtests.servers.contract import DatabaseServer
from loadtests.servers.registry import create_server
from reports.analysis.locks.sampled import of_samples
from reports.data.probe_samples import first_samples
from reports.data.tables import table

DATABASES = 4
ROUNDS = 5
CROWDS = 4, 20
"""Sessions in each database."""
SECONDS = 60
PERIOD_S = 0.05


class Minute(NamedTuple):
    waited_s: float
    recorded_s: float
    interval_s: tuple[float, float]

    @property
    def recovered(self) -> float:
        return self.recorded_s / self.waited_s

    @property
    def held(self) -> bool:
        return self.interval_s[0] <= self.waited_s <= self.interval_s[1]


def recorded(observer: Observed, waited_s: float) -> Minute:
    rows, ticks = observer.rows("lock_waits"), table(observer.directory, "ticks")
    hits, starts = (np.array([row[name] for row in rows], dtype=np.int64) for name in ("hits", "started_ns"))
    seen = of_samples(first_samples(ticks, starts), hits, hits * PERIOD_S * 1e9)
    return Minute(waited_s, seen.seconds, seen.interval_s(PERIOD_S))


async def make_databases(server: DatabaseServer) -> list[str]:
    connection = await asyncpg.connect(server.dsn)
    names = [f"queue_{secrets.token_hex(4)}" for _ in range(DATABASES)]
    for name in names:
        await connection.execute(f"CREATE DATABASE {name} OWNER pod")
    await connection.close()
    return [urlsplit(server.pod_dsn)._replace(path=f"/{name}").geturl() for name in names]


def minutes(dsns: Sequence[str], place: Path, sessions: int) -> list[Minute]:
    place.mkdir()
    with ExitStack() as stack:
        observers = [stack.enter_context(observed(place / str(n), dsn)) for n, dsn in enumerate(dsns)]
        waited = measure("_queue", SECONDS, sessions)["waited_s"]
        for observer in observers:
            observer.stop()
        return [recorded(observer, seconds) for observer, seconds in zip(observers, waited, strict=True)]


def crowded(dsns: Sequence[str], place: Path, sessions: int) -> list[Minute]:
    rounds = range(ROUNDS)
    return [minute for n in rounds for minute in minutes(dsns, place / f"{sessions}-{n}", sessions)]


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        with create_server("postgres", Path(directory) / "server") as server:
            dsns = uvloop.run(make_databases(server))
            os.environ["LOADTESTS_DSNS"] = json.dumps(dsns)
            kept = [judged(crowded(dsns, Path(directory), crowd)) for crowd in CROWDS]
    return 0 if all(kept) else 1


def judged(found: Sequence[Minute]) -> bool:
    off = [abs(minute.recovered - 1) for minute in found]
    show("sessions waiting at a time", median(m.waited_s for m in found) / SECONDS, "sessions", "-", True)
    show("total recovered by the sampler alone, median", median(m.recovered for m in found), "x", "-", True)
    within = show("the minute with the largest error", max(off), "x", "≤ 0.05", max(off) <= 0.05)
    held = sum(minute.held for minute in found) / len(found)
    kept = show(f"minutes of {len(found)} whose interval contains the truth", held, "x", "≥ 0.95", held >= 0.95)
    return within and kept


if __name__ == "__main__":
    sys.exit(main())
