"""Locks held in a MariaDB."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from asyncmy.errors import MySQLError

from loadtests.calibration.holding import KEYS, Refused, Session, Silent, in_time, until
from loadtests.calibration.plan import Hold
from loadtests.drivers import engines, mariadb
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
"""As long as it must."""


class MariadbSession:
    """One session; it names itself in a comment of every statement."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.number: int = connection.thread_id()
        self._name, self._patience_s = "", _LONG_S

    async def begin(self, name: str, patience_s: float | None) -> None:
        """The server counts its patience in whole seconds."""
        self._name, self._patience_s = name, max(round(patience_s), 1) if patience_s else _LONG_S
        await self._run(_SQL["patience"].format(patience_s=self._patience_s))
        await self._run("BEGIN")

    async def take(self, lock: str, key: int, place: int) -> None:
        text = _SQL[(_FIRST if place == 1 else _OTHERS)[lock]]
        statement = text.format(key=key, hold=key // KEYS, patience_s=self._patience_s)
        try:
            taken = await self._run(statement)
        except MySQLError as error:
            if outcome := _OUTCOMES.get(error.args[0] if error.args else 0):
                raise Refused(outcome) from error
            raise
        if lock == "user lock" and not taken:
            raise Refused("timed_out")

    async def end(self, *, keep: bool) -> None:
        await self._run("COMMIT" if keep else "ROLLBACK")
        await self._run(_SQL["release"])

    async def _run(self, statement: str) -> Any:
        async with self._connection.cursor() as cursor:
            await cursor.execute(f"/* {self._name}@calibration */ {statement}")
            row = await cursor.fetchone() if cursor.description else None
            return row and row[0]


class MariadbHolds:
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

    async def open(self, sessions: int, holds: Sequence[Hold]) -> Sequence[Session]:
        changed = {0, *(hold.number for hold in holds if hold.lock == "metadata")}
        self._tables = [ROWS, *(f"{ROWS}_{number}" for number in sorted(changed))]
        await self._drop(self._control)
        async with self._control.cursor() as cursor:
            for table in self._tables:
                await cursor.execute(_SQL["scratch"].format(table=table))
            await cursor.execute(_SQL["rows"].format(keys=KEYS * len(holds)))
        self._connections = await asyncio.gather(*(self._connect() for _ in range(sessions)))
        return [MariadbSession(connection) for connection in self._connections]

    async def _drop(self, connection: Any) -> None:
        async with connection.cursor() as cursor:
            await cursor.execute("SET lock_wait_timeout = 5, sql_notes = 0")
            await cursor.execute(_SQL["drop"].format(tables=", ".join(self._tables)))

    async def _connect(self) -> Any:
        return await mariadb.connect(
            engines.parse("mariadb", self._dsn),
            "calibration",
            ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",),
            timeout_s=5,
        )

    async def waiting(self, session: Session) -> None:
        """Of a wait for a row only InnoDB's own tables tell, which nobody but the observer may read: here the statement
        has begun, and most likely waits. Who waits first for a row is of no account."""

        async def is_waiting() -> bool:
            async with self._asking, self._control.cursor() as cursor:
                await cursor.execute(_SQL["waiting"], (session.number,))
                return bool((await cursor.fetchone())[0])

        await until(is_waiting)

    async def close(self) -> None:
        """By a session of its own: one that was called off in the middle of a question is of no use any more."""
        if self._control is None:
            return
        for connection in (self._control, *self._connections):
            connection.close()
        self._control, self._connections = None, []
        with suppress(Silent):
            async with in_time():
                connection = await self._connect()
            await self._drop(connection)
            connection.close()
