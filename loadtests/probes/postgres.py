"""PostgreSQL as a probe sees it: who waits for whom, and what sessions do. The one module that knows asyncpg here."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.probes import naming
from loadtests.probes.clocks import clock_offset
from loadtests.probes.contract import BlindError, Clock, ClockOffset, Rows, Source
from loadtests.probes.databases import Database
from loadtests.probes.rows import session_rows, wait_rows
from loadtests.probes.waits import Lock, Waits, waits_in

_OLDEST = 13
_SQL = Path(__file__).parent / "sql"
_OPEN_S = 2.0
_CLOCK = "SELECT (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint"


class PostgresProbe:
    """One connection, opened before the load on a slot reserved for superusers, so that a full server still has it."""

    def __init__(self, database: Database, dsn: str, clock: Clock, period_s: float = 0.05) -> None:
        self.name = database.probe
        self._database = database
        self.period_s, self.deadline_s = period_s, 5 * period_s
        self.offset: ClockOffset | None = None
        self.source = Source(("sampled",), int(period_s * 1e9))
        self._dsn, self._clock = dsn, clock
        self._connection: Any = None
        self._sessions: Any = None
        self._locks: Any = None
        self._waits = Waits(int(period_s * 1e9))
        self._numbers = count()
        self._life: Any = None

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
        self.offset = await clock_offset(lambda: connection.fetchval(_CLOCK))
        self._begin_life(await connection.fetchval("SELECT pg_postmaster_start_time()"))

    def _begin_life(self, life: Any) -> None:
        """A server that was started anew, or made anew, gives old process ids to new sessions."""
        if life != self._life:
            self._life = life
            self._waits.cut()

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
        return {
            "sessions": session_rows(now_ns, self._database, _sessions(sessions)),
            "lock_waits": wait_rows(self._database, self._numbers, over),
        }

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def rest(self) -> Rows:
        return {"lock_waits": wait_rows(self._database, self._numbers, self._waits.rest())}


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


def _sessions(rows: Sequence[Any]) -> Counter[tuple[str, str | None]]:
    """Sessions by class and operation; several pods and statements may share both."""
    totals: Counter[tuple[str, str | None]] = Counter()
    for row in rows:
        name = naming.operation(row["application_name"], row["comment"], row["backend_type"])
        totals[row["wait_class"], name] += row["sessions"]
    return totals
