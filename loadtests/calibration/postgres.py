"""Locks held in a PostgreSQL. The one module that knows asyncpg here."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.calibration.holding import KEYS, Refused, Session, Silent, in_time, until
from loadtests.calibration.plan import Hold
from loadtests.pod.storage.statements import load

_OUTCOMES: Mapping[str, str] = {"55P03": "timed_out", "40P01": "deadlock", "57014": "cancelled"}
"""SQLSTATE → how the wait ended."""

_SQL = load(Path(__file__).parent / "sql" / "postgres.sql")
_FIRST = {"row": "row", "advisory": "advisory", "relation": "change_relation"}
_OTHERS = {"row": "row", "advisory": "advisory", "relation": "read_relation"}
"""Lock → the statement that takes it: the first waiter's, and that of the holder and of later ones. A relation has a
reader, a change behind it, and readers behind that one."""


class PostgresSession:
    """One backend."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.number: int = connection.get_server_pid()

    async def begin(self, name: str, patience_s: float | None) -> None:
        patience_ms = round((patience_s or 0) * 1000)  # 0: as long as it must
        await self._connection.execute(_SQL["begin"].format(name=name, patience_ms=patience_ms))

    async def take(self, lock: str, key: int, place: int) -> None:
        statement = _SQL[(_FIRST if place == 1 else _OTHERS)[lock]].format(key=key, hold=key // KEYS)
        try:
            await self._connection.execute(statement)
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

    async def connect(self) -> None:
        self._control = await self._connect("calibration")

    async def answer(self) -> None:
        async with self._asking:
            await self._control.execute("SELECT 1")

    async def open(self, sessions: int, holds: Sequence[Hold]) -> Sequence[Session]:
        relations = {0, *(hold.number for hold in holds if hold.lock == "relation")}
        await self._control.execute(_SQL["scratch"].format(keys=KEYS * len(holds)))
        await self._control.execute(";".join(_SQL["scratch_relation"].format(hold=hold) for hold in relations))
        self._connections = await asyncio.gather(*(self._connect("idle@calibration") for _ in range(sessions)))
        return [PostgresSession(connection) for connection in self._connections]

    async def _connect(self, name: str) -> Any:
        return await asyncpg.connect(self._dsn, timeout=5, server_settings={"application_name": name, "jit": "off"})

    async def waiting(self, session: Session) -> None:
        async def is_waiting() -> bool:
            async with self._asking:
                return bool(await self._control.fetchval(_SQL["waiting"], session.number))

        await until(is_waiting)

    async def close(self) -> None:
        for connection in self._connections:
            connection.terminate()
        control, self._control, self._connections = self._control, None, []
        if control is not None and not control.is_closed():
            with suppress(Silent):
                async with in_time():
                    await control.execute(_SQL["drop"])
            control.terminate()
