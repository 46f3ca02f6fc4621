"""Locks held in a PostgreSQL. The one module that knows asyncpg here."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from loadtests.calibration.holding import KEYS, Refused, Session, until
from loadtests.calibration.plan import Hold

SCHEMA = "loadtests_calibration"
_OUTCOMES: Mapping[str, str] = {"55P03": "timed_out", "40P01": "deadlock", "57014": "cancelled"}
"""SQLSTATE → how the wait ended."""

_ROW = f"UPDATE {SCHEMA}.rows SET n = n + 1 WHERE id = {{key}}"  # noqa: S608  numbers of our own
_ADVISORY = "SELECT pg_advisory_xact_lock(711, {key})"
_TAKES: Mapping[tuple[str, int], str] = {
    ("row", 0): _ROW,
    ("row", 1): _ROW,
    ("row", 2): _ROW,
    ("advisory", 0): _ADVISORY,
    ("advisory", 1): _ADVISORY,
    ("advisory", 2): _ADVISORY,
    # A reader, a change of the table behind it, and readers behind that one.
    ("relation", 0): f"LOCK TABLE {SCHEMA}.relation_{{hold}} IN ACCESS SHARE MODE",
    ("relation", 1): f"LOCK TABLE {SCHEMA}.relation_{{hold}} IN ACCESS EXCLUSIVE MODE",
    ("relation", 2): f"LOCK TABLE {SCHEMA}.relation_{{hold}} IN ACCESS SHARE MODE",
}
"""Lock and place (2: every later one) → the statement that takes it."""


class PostgresSession:
    """One backend."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.number: int = connection.get_server_pid()

    async def begin(self, name: str, patience_s: float | None) -> None:
        patience = f"SET LOCAL lock_timeout = '{patience_s * 1000:.0f}ms';" if patience_s else ""
        await self._connection.execute(f"BEGIN; SET LOCAL application_name = '{name}@calibration'; {patience}")

    async def take(self, lock: str, key: int, place: int) -> None:
        try:
            await self._connection.execute(_TAKES[lock, min(place, 2)].format(key=key, hold=key // KEYS))
        except asyncpg.PostgresError as error:
            if outcome := _OUTCOMES.get(error.sqlstate):
                raise Refused(outcome) from error
            raise

    async def end(self, *, keep: bool) -> None:
        await self._connection.execute("COMMIT" if keep else "ROLLBACK")


class PostgresHolds:
    """Scratch objects in a schema of their own in the pod's database, made and dropped by the pod's role."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._control: Any = None
        self._asking = asyncio.Lock()
        self._connections: list[Any] = []

    async def open(self, sessions: int, holds: Sequence[Hold]) -> Sequence[Session]:
        self._control = await self._connect("calibration")
        relations = {0, *(hold.number for hold in holds if hold.lock == "relation")}
        await self._control.execute(
            f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA};"
            f"CREATE TABLE {SCHEMA}.rows (id int PRIMARY KEY, n int NOT NULL);"
            f"INSERT INTO {SCHEMA}.rows SELECT id, 0 FROM generate_series(0, {KEYS * len(holds)}) AS id;"
            + "".join(f"CREATE TABLE {SCHEMA}.relation_{n} ();" for n in relations)
        )
        self._connections = await asyncio.gather(*(self._connect("idle@calibration") for _ in range(sessions)))
        return [PostgresSession(connection) for connection in self._connections]

    async def _connect(self, name: str) -> Any:
        return await asyncpg.connect(self._dsn, timeout=5, server_settings={"application_name": name, "jit": "off"})

    async def waiting(self, session: Session) -> None:
        async def is_waiting() -> bool:
            asked = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
            async with self._asking:
                return bool(await self._control.fetchval(asked, session.number))

        await until(is_waiting)

    async def close(self) -> None:
        for connection in self._connections:
            connection.terminate()
        control, self._control, self._connections = self._control, None, []
        if control is not None and not control.is_closed():
            await control.execute(f"SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            await control.close()
