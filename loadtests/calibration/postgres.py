"""Locks held in a PostgreSQL.

NOTIFY's lock is one of the whole server. A transaction takes it when it commits, after its last deferred trigger, and
lets go of it when its commit is done: no statement can hold it. But a commit may have to wait for a standby; for one
that there is not, until somebody cancels that. So the server is given the name of such a standby for as long as holds
go on. No session here waits for it (their `synchronous_commit` is `local`) but those that hold.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.calibration.holding import KEYS, Refused, Session, Silent, in_time, until
from loadtests.calibration.plan import Hold
from loadtests.drivers import engines, postgres
from loadtests.pod.storage.statements import load

_OUTCOMES: Mapping[str, str] = {"55P03": "timed_out", "40P01": "deadlock", "57014": "cancelled"}
"""SQLSTATE → how the wait ended."""

_SETTINGS = {"jit": "off", "synchronous_commit": "local"}
_SQL = load(Path(__file__).parent / "sql" / "postgres.sql")
_FIRST = {"row": "row", "advisory": "advisory", "relation": "change_relation", "notify": "notifying_commit"}
_OTHERS = {"row": "row", "advisory": "advisory", "relation": "read_relation", "notify": "notifying_commit"}
"""Lock → the statement that takes it: the first waiter's, and that of the holder and of later ones. A relation has a
reader, a change behind it, and readers behind that one."""


class PostgresSession:
    """One backend."""

    def __init__(self, connection: Any, ask: Callable[..., Awaitable[Any]]) -> None:
        """`ask` has another session's answer to a question."""
        self._connection, self._ask = connection, ask
        self._stuck: asyncio.Task[Any] | None = None
        self.number: int = connection.get_server_pid()

    async def begin(self, name: str, patience_s: float | None) -> None:
        patience_ms = round((patience_s or 0) * 1000)  # 0: as long as it must
        await self._connection.execute(_SQL["begin"].format(name=name, patience_ms=patience_ms))

    async def take(self, lock: str, key: int, place: int) -> None:
        if (lock, place) == ("notify", 0):
            await self._get_stuck(key)
            return
        statement = _SQL[(_FIRST if place == 1 else _OTHERS)[lock]].format(key=key, hold=key // KEYS)
        try:
            await self._connection.execute(statement)
        except asyncpg.PostgresError as error:
            if outcome := _OUTCOMES.get(error.sqlstate):
                raise Refused(outcome) from error
            raise

    async def _get_stuck(self, key: int) -> None:
        """Returns when the server shows the commit's lock, and that it waits for the standby."""
        await self._connection.execute(_SQL["before_stuck_commit"].format(key=key))
        self._stuck = asyncio.create_task(self._connection.execute("COMMIT"))
        await until(lambda: self._ask(_SQL["stuck"], self.number))

    async def end(self, *, keep: bool) -> None:
        if self._stuck is not None:
            await self._ask("SELECT pg_cancel_backend($1)", self.number)
            await self._stuck
        elif self._connection.is_in_transaction():
            await self._connection.execute("COMMIT" if keep else "ROLLBACK")
        self._stuck = None

    async def abandon(self) -> None:
        self._connection.terminate()
        if self._stuck is not None:
            await asyncio.wait([self._stuck])
            self._stuck.exception()  # that it is gone, which nobody needs to be told


class PostgresHolds:
    """Scratch objects in a schema of their own in the pod's database, made and dropped by the pod's role."""

    def __init__(self, dsn: str, server_dsn: str) -> None:
        """`server_dsn` is a superuser's, who is needed for NOTIFY's lock only."""
        self._dsn, self._server_dsn = dsn, server_dsn
        self._control: Any = None
        self._server: Any = None
        self._asking = asyncio.Lock()
        self._sessions: list[PostgresSession] = []

    async def connect(self) -> None:
        self._control = await self._connect(self._dsn, "calibration")

    async def answer(self) -> None:
        await self._ask("SELECT 1")

    async def _ask(self, question: str, *about: object) -> Any:
        async with self._asking:
            return await self._control.fetchval(question, *about)

    async def open(self, sessions: int, holds: Sequence[Hold]) -> Sequence[Session]:
        relations = {0, *(hold.number for hold in holds if hold.lock == "relation")}
        await self._control.execute(_SQL["scratch"].format(keys=KEYS * len(holds)))
        await self._control.execute(";".join(_SQL["scratch_relation"].format(hold=hold) for hold in relations))
        if any(hold.lock == "notify" for hold in holds):
            self._server = await self._connect(self._server_dsn, "calibration")
            await self._name_standby("set")
        connections = await asyncio.gather(*(self._connect(self._dsn, "idle@calibration") for _ in range(sessions)))
        self._sessions = [PostgresSession(connection, self._ask) for connection in connections]
        return self._sessions

    async def _name_standby(self, action: str) -> None:
        await self._server.execute(_SQL[f"{action}_standby"])
        await self._server.execute("SELECT pg_reload_conf()")

    async def _connect(self, dsn: str, name: str) -> Any:
        address = engines.parse("postgres", dsn)
        return await postgres.connect(address, name, _SETTINGS, timeout_s=5, names_itself=True)

    async def waiting(self, session: Session) -> None:
        await until(lambda: self._ask(_SQL["waiting"], session.number))

    async def close(self) -> None:
        for session in self._sessions:
            await session.abandon()
        try:
            await self._clear_up()
        except Silent:
            pass
        finally:
            for connection in (self._server, self._control):
                if connection is not None:
                    connection.terminate()
            self._control, self._server, self._sessions = None, None, []

    async def _clear_up(self) -> None:
        """Raises Silent."""
        if self._control is None:
            return
        async with in_time():
            await self.answer()
        if self._server is not None:
            await self._name_standby("reset")
        await self._control.execute(_SQL["drop"])
