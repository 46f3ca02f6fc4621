"""A PostgreSQL server whose clock is set while it is watched, or whose log is not read for a while: every wait is
reported once, and where it was."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from loadtests.probes.contract import BlindError, Database
from loadtests.probes.postgres.probe import PostgresProbe
from loadtests.records.vocabulary import KNOWN
from loadtests.servers.contract import DatabaseServer

MS = 1_000_000
SET_NS = 10 * 10**9
HOLD_S = 0.12
ERROR_NS = 30 * MS
"""The period is 50 ms: a sampler sees an end no more exactly than half of that."""


class OurClock:
    """Of a run. From here it is all the same whether the server's clock is set back, or ours jumps ahead."""

    def __init__(self, unix_ns: Callable[[], int]) -> None:
        self._unix_ns, self.ahead_ns = unix_ns, -unix_ns()

    def __call__(self) -> int:
        return self._unix_ns() + self.ahead_ns


class Watched:
    """A probe, the log beside it, and the rows of waits that the two reported."""

    def __init__(self, dsn: str, clock: OurClock) -> None:
        self.clock = clock
        self.probe = PostgresProbe(Database("postgres", "postgres"), dsn, clock)
        (self.log,) = self.probe.beside
        self.log_reader = self.probe._log
        self.rows: list[Any] = []
        self.blind: list[str] = []
        self.beats = 0

    async def sample_once(self, log: bool = True) -> None:
        for probe in (self.probe, self.log) if log else (self.probe,):
            try:
                rows = await probe.sample()
            except BlindError as error:
                self.blind.append(str(error))
                continue
            self.rows += rows.get("lock_waits", ())
            self.beats += bool(rows.get("counters"))
        await asyncio.sleep(self.probe.period_s)

    async def sample_beats(self, number: int) -> None:
        """Until the server was asked so many times to write to its log, and that was read."""
        until = self.beats + number
        while self.beats < until:
            await self.sample_once()

    async def close(self) -> None:
        await self.probe.close()
        for probe in (self.probe, self.log):
            self.rows += probe.rest().get("lock_waits", ())


@asynccontextmanager
async def watching(dsn: str, clock: OurClock) -> AsyncIterator[Watched]:
    watched = Watched(dsn, clock)
    await watched.probe.open()
    try:
        if watched.probe.source.threshold_ns is None:
            pytest.skip("this PostgreSQL is older than 15: it writes no log as JSON")
        await watched.sample_beats(1)
        yield watched
    finally:
        await watched.close()


@asynccontextmanager
async def waiting(dsn: str, watched: Watched) -> AsyncIterator[int]:
    """One session that waits for a lock, for as long as one likes and HOLD_S at least."""
    holder, waiter = [await asyncpg.connect(dsn) for _ in range(2)]
    await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(5)")
    task = asyncio.create_task(waiter.execute("SELECT pg_advisory_xact_lock(5)"))
    try:
        until_ns = watched.clock() + int(HOLD_S * 1e9)
        while watched.clock() < until_ns:
            await watched.sample_once()
        yield waiter.get_server_pid()
        await holder.execute("COMMIT")
        await task
    finally:
        for connection in (holder, waiter):
            connection.terminate()


async def wait_once(dsn: str, watched: Watched) -> tuple[int, int, int]:
    """Whose wait, and from when to when."""
    begun_ns = watched.clock()
    async with waiting(dsn, watched) as session:
        pass
    ended_ns = watched.clock()
    await watched.sample_once()
    return session, begun_ns, ended_ns


def test_a_clock_that_is_set_moves_no_wait(postgres_server: DatabaseServer) -> None:
    async def story() -> Watched:
        async with watching(postgres_server.dsn, clock) as watched:
            waits.append(await wait_once(postgres_server.dsn, watched))
            await watched.sample_beats(1)
            waits.append(await wait_once(postgres_server.dsn, watched))
            clock.ahead_ns += SET_NS
            await watched.sample_beats(3)
            waits.append(await wait_once(postgres_server.dsn, watched))
            await watched.sample_beats(1)
        return watched

    clock = OurClock(time.monotonic_ns)
    waits: list[tuple[int, int, int]] = []
    watched_run = asyncio.run(story())
    assert any("clock" in why for why in watched_run.blind)
    mine = {session: [row for row in watched_run.rows if row[7] == session] for session, _, _ in waits}
    assert [len(rows) for rows in mine.values()] == [1, 1, 1]
    for session, begun_ns, ended_ns in waits:
        (row,) = mine[session]
        assert begun_ns - ERROR_NS <= row[1] <= row[2] <= ended_ns + ERROR_NS
    first, _, last = (rows[0][3] for rows in mine.values())
    assert {KNOWN[first], KNOWN[last]} == {"event"}


def test_wait_that_ends_before_a_late_beat_is_reported_once(postgres_server: DatabaseServer) -> None:
    """The log is not read for so long that it is given up; the beat after that is in it before the wait's end is."""

    async def story() -> tuple[Watched, int]:
        async with watching(postgres_server.dsn, OurClock(time.monotonic_ns)) as watched:
            async with waiting(postgres_server.dsn, watched) as session:
                while watched.log_reader.why is None:
                    await watched.sample_once(log=False)
            for _ in range(2):
                await watched.sample_once(log=False)
            assert watched.log_reader.why is not None
            await watched.sample_beats(2)
        return watched, session

    watched, session = asyncio.run(story())
    assert len([row for row in watched.rows if row[7] == session]) == 1
