"""Locks held in a PostgreSQL.

NOTIFY's lock is one of the whole server. A transaction takes it when it commits, after its last deferred trigger, and
releases it at the end of its commit: no statement can hold it. But a commit can wait for a standby; for one that does
not exist, until it is cancelled. So during the holds the server is configured with the name of such a standby. Only the
holders wait for it: the other sessions have `synchronous_commit = local`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.calibration.contract import (
    EngineCalibration,
    Tolerances,
    connect_once,
    hold_by_sessions,
)
from loadtests.calibration.plan import PlannedHold, S
from loadtests.calibration.sessionholds import KEYS, HoldSession, LockRefused, ServerSilent, in_time, until
from loadtests.drivers import postgres
from loadtests.drivers.addresses import parse_address
from loadtests.pod.storage.statements import load

_OUTCOMES: Mapping[str, str] = {"55P03": "timed_out", "40P01": "deadlock", "57014": "cancelled"}
"""SQLSTATE → how the wait ended."""

_SETTINGS = {"jit": "off", "synchronous_commit": "local"}
_SQL = load(Path(__file__).parent / "sql" / "postgres.sql")
_FIRST = {"row": "row", "advisory": "advisory", "relation": "change_relation", "notify": "notifying_commit"}
_OTHERS = {"row": "row", "advisory": "advisory", "relation": "read_relation", "notify": "notifying_commit"}
"""Lock → the statement that takes it: the first waiter's, and that of the holder and of later ones. A relation has a
reader, a change behind it, and readers behind that one."""


class PostgresHoldSession:
    """One backend."""

    def __init__(self, connection: Any, ask: Callable[..., Awaitable[Any]]) -> None:
        """`ask` runs a query in the control session."""
        self._connection, self._ask = connection, ask
        self._blocked_commit: asyncio.Task[Any] | None = None
        self.number: int = connection.get_server_pid()

    async def begin(self, name: str, patience_s: float | None) -> None:
        patience_ms = round((patience_s or 0) * 1000)  # 0: as long as it must
        await self._connection.execute(_SQL["begin"].format(name=name, patience_ms=patience_ms))

    async def take(self, lock: str, key: int, position: int) -> None:
        if (lock, position) == ("notify", 0):
            await self._block_commit(key)
            return
        statement = _SQL[(_FIRST if position == 1 else _OTHERS)[lock]].format(key=key, hold=key // KEYS)
        try:
            await self._connection.execute(statement)
        except asyncpg.PostgresError as error:
            if outcome := _OUTCOMES.get(error.sqlstate):
                raise LockRefused(outcome) from error
            raise

    async def _block_commit(self, key: int) -> None:
        """Returns when the server shows the commit's lock, and that it waits for the standby."""
        await self._connection.execute(_SQL["before_stuck_commit"].format(key=key))
        self._blocked_commit = asyncio.create_task(self._connection.execute("COMMIT"))
        await until(lambda: self._ask(_SQL["stuck"], self.number))

    async def end(self, *, keep: bool) -> None:
        if self._blocked_commit is not None:
            await self._ask("SELECT pg_cancel_backend($1)", self.number)
            await self._blocked_commit
        elif self._connection.is_in_transaction():
            await self._connection.execute("COMMIT" if keep else "ROLLBACK")
        self._blocked_commit = None

    async def abandon(self) -> None:
        self._connection.terminate()
        if self._blocked_commit is not None:
            await asyncio.wait([self._blocked_commit])
            self._blocked_commit.exception()  # retrieved, so that asyncio does not log it


class PostgresHoldServer:
    """Scratch objects in a schema of their own in the pod's database, made and dropped by the pod's role."""

    def __init__(self, dsn: str, server_dsn: str) -> None:
        """`server_dsn` is a superuser's, needed for NOTIFY's lock only."""
        self._dsn, self._server_dsn = dsn, server_dsn
        self._control: Any = None
        self._server: Any = None
        self._asking = asyncio.Lock()
        self._sessions: list[PostgresHoldSession] = []

    async def connect(self) -> None:
        self._control = await self._connect(self._dsn, "calibration")

    async def answer(self) -> None:
        await self._ask("SELECT 1")

    async def _ask(self, question: str, *about: object) -> Any:
        async with self._asking:
            return await self._control.fetchval(question, *about)

    async def open(self, sessions: int, holds: Sequence[PlannedHold]) -> Sequence[HoldSession]:
        relations = {0, *(hold.number for hold in holds if hold.lock == "relation")}
        await self._control.execute(_SQL["scratch"].format(keys=KEYS * len(holds)))
        await self._control.execute(";".join(_SQL["scratch_relation"].format(hold=hold) for hold in relations))
        if any(hold.lock == "notify" for hold in holds):
            self._server = await self._connect(self._server_dsn, "calibration")
            await self._name_standby("set")
        connections = await asyncio.gather(*(self._connect(self._dsn, "idle@calibration") for _ in range(sessions)))
        self._sessions = [PostgresHoldSession(connection, self._ask) for connection in connections]
        return self._sessions

    async def _name_standby(self, action: str) -> None:
        await self._server.execute(_SQL[f"{action}_standby"])
        await self._server.execute("SELECT pg_reload_conf()")

    async def _connect(self, dsn: str, name: str) -> Any:
        address = parse_address("postgres", dsn)
        return await postgres.connect(address, name, _SETTINGS, timeout_s=5, names_itself=True)

    async def waiting(self, session: HoldSession) -> None:
        await until(lambda: self._ask(_SQL["waiting"], session.number))

    async def close(self) -> None:
        for session in self._sessions:
            await session.abandon()
        try:
            await self._clear_up()
        except ServerSilent:
            pass
        finally:
            for connection in (self._server, self._control):
                if connection is not None:
                    connection.terminate()
            self._control, self._server, self._sessions = None, None, []

    async def _clear_up(self) -> None:
        """Raises ServerSilent."""
        if self._control is None:
            return
        async with in_time():
            await self.answer()
        if self._server is not None:
            await self._name_standby("reset")
        await self._control.execute(_SQL["drop"])


_LOCKS = ("row", "advisory", "relation")

CALIBRATION = EngineCalibration(
    plans={
        "short": (
            S(1, "row", 0.35, 3, "chain"),
            S(1, "row", 0.35, 3),
            S(1, "relation", 0.25, 2),
            S(1, "relation", 0.3, holders=2),
            S(1, "row", 0.2, ending="timed_out"),
            S(1, "advisory", 0.2),
            S(2, "advisory", 0.1),
            S(4, "row", 0.05),
            S(8, "row", 0.02),
            S(1, "row", 0.02, ending="deadlock"),
            S(1, "row", 0.005),
            S(1, "advisory", 0.002),
            S(1, "advisory", 0.0005),
        ),
        "full": (
            S(2, "row", 5.0),
            S(1, "advisory", 5.0),
            S(1, "relation", 5.0),
            *(S(2, lock, 2.0) for lock in _LOCKS),
            *(S(2, "row", seconds, depth, "chain") for seconds in (0.1, 0.5, 1.0) for depth in (2, 3, 4)),
            *(S(3, lock, seconds, 3) for lock in ("row", "relation", "advisory") for seconds in (0.05, 0.3, 1.0)),
            *(S(3, "relation", seconds, holders=2) for seconds in (0.3, 1.0)),
            *(S(2, lock, seconds, ending="timed_out") for lock in _LOCKS for seconds in (0.1, 0.5)),
            *(S(3, "row", seconds, ending="deadlock") for seconds in (0.02, 0.1, 0.5)),
            *(S(20, lock, seconds) for lock in _LOCKS for seconds in (0.015, 0.025, 0.05, 0.1)),
            *(S(6, lock, 0.3) for lock in _LOCKS),
            S(1, "notify", 2.0),
            S(2, "notify", 0.3, 3),
            S(2, "notify", 0.1, ending="timed_out"),
            *(S(6, "notify", seconds) for seconds in (0.2, 0.1, 0.02)),
            *(S(20, lock, seconds) for lock in ("row", "advisory") for seconds in (0.0005, 0.002, 0.005)),
        ),
    },
    hold=lambda context, holds: hold_by_sessions(PostgresHoldServer(context.dsn, context.server_dsn), context, holds),
    connect=lambda dsn: connect_once(PostgresHoldServer(dsn, "")),
    tolerances={
        "event": Tolerances(from_ms=None, found=0.995, total=0.02, error_ms=5),
        # Waits that several samples see for certain. The period is 50 ms: no end is known more exactly than that.
        "sampled": Tolerances(from_ms=150, found=0.995, total=0.05, error_ms=50),
    },
    # A row's queue in PostgreSQL is that of the first waiter; readers behind a change of the table conflict with it.
    behind_first={"row", "relation"},
    as_pod=True,
)
