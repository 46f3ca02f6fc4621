"""Locks held in a MariaDB."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from asyncmy.errors import MySQLError

from loadtests.calibration.contract import (
    EngineCalibration,
    ServerCounter,
    Tolerances,
    connect_once,
    hold_by_sessions,
)
from loadtests.calibration.plan import PlannedHold, S
from loadtests.calibration.sessionholds import KEYS, HoldSession, LockRefused, ServerSilent, in_time, until
from loadtests.drivers import mariadb
from loadtests.drivers.addresses import parse_address
from loadtests.pod.storage.statements import load

ROWS = "loadtests_calibration"
"""The scratch table; those for changes of a table are called after it."""

_OUTCOMES: Mapping[int, str] = {1205: "timed_out", 1213: "deadlock", 1317: "cancelled"}
"""Error → how the wait ended."""

_SQL = load(Path(__file__).parent / "sql" / "mariadb.sql")
_FIRST = {"row": "row", "user lock": "user_lock", "metadata": "change_relation"}
_OTHERS = {"row": "row", "user lock": "user_lock", "metadata": "read_relation"}
"""Lock → the statement that takes it: the first waiter's, and that of the holder and of later ones. A table's metadata
have a reader's transaction, a change behind it, and readers behind that one."""

_LONG_S = 50
"""Longer than any hold."""


class MariadbHoldSession:
    """One session, named in a comment of every statement."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.number: int = connection.thread_id()
        self._name, self._patience_s = "", _LONG_S

    async def begin(self, name: str, patience_s: float | None) -> None:
        """The server takes its patience in whole seconds."""
        self._name, self._patience_s = name, max(round(patience_s), 1) if patience_s else _LONG_S
        await self._run(_SQL["patience"].format(patience_s=self._patience_s))
        await self._run("BEGIN")

    async def take(self, lock: str, key: int, position: int) -> None:
        text = _SQL[(_FIRST if position == 1 else _OTHERS)[lock]]
        statement = text.format(key=key, hold=key // KEYS, patience_s=self._patience_s)
        try:
            taken = await self._run(statement)
        except MySQLError as error:
            if outcome := _OUTCOMES.get(error.args[0] if error.args else 0):
                raise LockRefused(outcome) from error
            raise
        if lock == "user lock" and not taken:
            raise LockRefused("timed_out")

    async def end(self, *, keep: bool) -> None:
        await self._run("COMMIT" if keep else "ROLLBACK")
        await self._run(_SQL["release"])

    async def _run(self, statement: str) -> Any:
        async with self._connection.cursor() as cursor:
            await cursor.execute(f"/* {self._name}@calibration */ {statement}")
            row = await cursor.fetchone() if cursor.description else None
            return row and row[0]


class MariadbHoldServer:
    """Scratch tables in the pod's database, made and dropped by the pod's role."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._control: Any = None
        self._asking = asyncio.Lock()
        self._connections: list[Any] = []
        self._tables = [ROWS]

    async def connect(self) -> None:
        self._control = await self._connect()

    async def answer(self) -> None:
        async with self._asking, self._control.cursor() as cursor:
            await cursor.execute("SELECT 1")

    async def open(self, sessions: int, holds: Sequence[PlannedHold]) -> Sequence[HoldSession]:
        changed = {0, *(hold.number for hold in holds if hold.lock == "metadata")}
        self._tables = [ROWS, *(f"{ROWS}_{number}" for number in sorted(changed))]
        await self._drop(self._control)
        async with self._control.cursor() as cursor:
            for table in self._tables:
                await cursor.execute(_SQL["scratch"].format(table=table))
            await cursor.execute(_SQL["rows"].format(keys=KEYS * len(holds)))
        self._connections = await asyncio.gather(*(self._connect() for _ in range(sessions)))
        return [MariadbHoldSession(connection) for connection in self._connections]

    async def _drop(self, connection: Any) -> None:
        async with connection.cursor() as cursor:
            await cursor.execute("SET lock_wait_timeout = 5, sql_notes = 0")
            await cursor.execute(_SQL["drop"].format(tables=", ".join(self._tables)))

    async def _connect(self) -> Any:
        return await mariadb.connect(
            parse_address("mariadb", self._dsn),
            "calibration",
            ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",),
            timeout_s=5,
        )

    async def waiting(self, session: HoldSession) -> None:
        """Only InnoDB's own tables show a wait for a row, and only the observer may read them: here the statement has
        begun, and most likely waits. Which session waits first for a row does not matter."""

        async def is_waiting() -> bool:
            async with self._asking, self._control.cursor() as cursor:
                await cursor.execute(_SQL["waiting"], (session.number,))
                return bool((await cursor.fetchone())[0])

        await until(is_waiting)

    async def close(self) -> None:
        """With a new session: one that was cancelled in the middle of a query cannot be used again."""
        if self._control is None:
            return
        for connection in (self._control, *self._connections):
            connection.close()
        self._control, self._connections = None, []
        with suppress(ServerSilent):
            async with in_time():
                connection = await self._connect()
            await self._drop(connection)
            connection.close()


CALIBRATION = EngineCalibration(
    plans={
        "short": (
            S(1, "row", 0.85, 2, "chain"),
            S(1, "row", 0.8),
            S(1, "metadata", 0.65),
            S(1, "row", 0.2, ending="deadlock"),
            S(2, "row", 0.05),
        ),
        "full": (
            S(2, "row", 5.0),
            S(1, "metadata", 5.0),
            S(1, "user lock", 5.0),
            *(S(2, "row", 1.0, depth, "chain") for depth in (2, 3, 4)),
            *(S(2, "row", seconds, 3) for seconds in (0.6, 1.0)),
            *(S(2, lock, 1.0, ending="timed_out") for lock in ("row", "metadata", "user lock")),
            *(S(2, "row", seconds, ending="deadlock") for seconds in (0.1, 1.0)),
            S(4, "metadata", 0.7, 2),
            S(3, "metadata", 1.0, holders=2),
            S(6, "metadata", 0.7),
            S(6, "user lock", 0.7),
            S(20, "row", 0.6),
            S(10, "row", 2.0),
            *(S(15, "row", seconds) for seconds in (0.02, 0.1, 0.3)),
            *(S(10, "row", seconds) for seconds in (0.0005, 0.005)),
        ),
    },
    hold=lambda context, holds: hold_by_sessions(MariadbHoldServer(context.dsn), context, holds),
    connect=lambda dsn: connect_once(MariadbHoldServer(dsn)),
    tolerances={"sampled": Tolerances(from_ms=500, found=0.99, total=0.10, error_ms=250)},
    counter=ServerCounter("lock_wait_ms", per_ms=1.0, lock="row", tolerance=0.02, resolution_ms=1.0),
    behind_first={"metadata"},
)
