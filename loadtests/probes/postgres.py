"""PostgreSQL as a probe sees it: who waits for whom, and what sessions do. The one module that knows asyncpg here."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.probes import naming
from loadtests.probes.contract import BlindError, Clock, Rows
from loadtests.probes.waits import Lock, Wait, Waits, waits_in
from loadtests.records.vocabulary import KNOWN

ENGINE = "postgres"
_OLDEST = 13
_SQL = Path(__file__).parent / "sql"
_OPEN_S = 2.0
_CLOCK_READINGS = 15


@dataclass(frozen=True)
class ClockOffset:
    """How far the database's clock is ahead of ours, and at most how far that is wrong."""

    offset_ns: int
    error_ns: int


class PostgresProbe:
    """One connection, opened before the load on a slot reserved for superusers, so that a full server still has it."""

    name = ENGINE

    def __init__(self, dsn: str, clock: Clock, period_s: float = 0.05) -> None:
        self.period_s, self.deadline_s = period_s, 5 * period_s
        self.offset: ClockOffset | None = None
        self._dsn, self._clock = dsn, clock
        self._connection: Any = None
        self._sessions: Any = None
        self._locks: Any = None
        self._waits = Waits(int(period_s * 1e9))
        self._numbers = count()

    async def open(self) -> None:
        async with asyncio.timeout(_OPEN_S):
            await self._open()

    async def _open(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            server_settings={
                "application_name": "loadtests observer",
                "statement_timeout": str(int(self.period_s * 800)),  # ms: four fifths of a period
                "jit": "off",
            },
        )
        self._connection = connection
        version = connection.get_server_version().major
        if version < _OLDEST:
            raise RuntimeError(f"PostgreSQL {version} is older than {_OLDEST}, the oldest that can be watched")
        self._sessions = await connection.prepare((_SQL / "sessions.sql").read_text())
        self._locks = await connection.prepare((_SQL / f"locks-{14 if version >= 14 else 13}.sql").read_text())
        self.offset = await _clock_offset(connection)

    async def sample(self) -> Rows:
        """Lock rows are asked for only when a session waits: the quiet server is asked one cheap question."""
        try:
            now_ns = self._clock()
            sessions = await self._sessions.fetch()
            asked_ns = self._clock()
            waiting = any(r["wait_class"] == "lock" for r in sessions)
            locks = await self._locks.fetch() if waiting else []
        except asyncpg.QueryCanceledError as error:
            raise BlindError("the server took longer than the statement timeout") from error
        # The ages were read somewhere between question and answer: in the middle, give or take half of that.
        half_ns = (self._clock() - asked_ns) // 2
        over = self._waits.observe(asked_ns + half_ns, half_ns, waits_in([_lock(r) for r in locks]))
        return {"sessions": _session_rows(now_ns, sessions), "lock_waits": self._rows(over)}

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def rest(self) -> Rows:
        return {"lock_waits": self._rows(self._waits.rest())}

    def _rows(self, waits: Sequence[Wait]) -> list[tuple[Any, ...]]:
        return [_wait_row(next(self._numbers), wait) for wait in waits]


async def _clock_offset(connection: Any) -> ClockOffset:
    """The reading with the shortest round trip is the best one."""
    best: ClockOffset | None = None
    for _ in range(_CLOCK_READINGS):
        before_ns = time.time_ns()
        theirs = await connection.fetchval("SELECT (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint")
        half_ns = (time.time_ns() - before_ns) // 2
        reading = ClockOffset(theirs * 1000 - before_ns - half_ns, half_ns)
        best = reading if best is None or reading.error_ns < best.error_ns else best
    assert best is not None
    return best


def _lock(row: Any) -> Lock:
    return Lock(
        session=row["pid"],
        tag=row["tag"],
        kind=row["locktype"],
        mode=row["mode"],
        granted=row["granted"],
        relation=row["relation"],
        detail=row["detail"],
        since=row["since"],
        age_ns=row["age_ns"],
        operation=naming.operation(row["application_name"], row["comment"], row["backend_type"]),
        pod=naming.pod(row["application_name"]),
        statement=naming.fingerprint(row["statement"]),
    )


def _session_rows(t_ns: int, rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Sessions by class and operation; several pods and statements may share both."""
    totals: Counter[tuple[str, str | None]] = Counter()
    for row in rows:
        name = naming.operation(row["application_name"], row["comment"], row["backend_type"])
        totals[row["wait_class"], name] += row["sessions"]
    return [(t_ns, ENGINE, wait_class, name, sessions) for (wait_class, name), sessions in totals.items()]


def _wait_row(number: int, wait: Wait) -> tuple[Any, ...]:
    """A row of `lock_waits`, in the order of its columns."""
    lock, chain = wait.lock, wait.chain
    blocker, root = (chain.blocker, chain.root) if chain else (None, None)
    return (
        number,
        wait.started_ns,
        wait.ended_ns,
        KNOWN.index("sampled"),
        ENGINE,
        lock.pod,
        lock.session,
        lock.operation,
        blocker and blocker.session,
        blocker and blocker.operation,
        root and root.session,
        root and root.operation,
        chain.depth if chain else 0,
        wait.object,
        lock.mode,
        lock.statement,
        wait.hits,
    )
