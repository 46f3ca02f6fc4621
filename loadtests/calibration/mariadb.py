"""Locks held in a MariaDB. The one module that knows asyncmy here."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncmy
from asyncmy.errors import MySQLError

from loadtests.calibration.holding import KEYS, Refused, Session, until
from loadtests.calibration.plan import Hold

ROWS = "loadtests_calibration"
"""The scratch table; those for changes of a table are called after it."""

_OUTCOMES: Mapping[int, str] = {1205: "timed_out", 1213: "deadlock", 1317: "cancelled"}
"""Error → how the wait ended."""

_ROW = f"UPDATE {ROWS} SET n = n + 1 WHERE id = {{key}}"  # noqa: S608  numbers of our own
_USER = f"SELECT GET_LOCK('{ROWS}_{{key}}', {{patience_s}})"
_READ = f"SELECT count(*) FROM {ROWS}_{{hold}}"  # noqa: S608
_TAKES: Mapping[tuple[str, int], str] = {
    ("row", 0): _ROW,
    ("row", 1): _ROW,
    ("row", 2): _ROW,
    ("user lock", 0): _USER,
    ("user lock", 1): _USER,
    ("user lock", 2): _USER,
    # A reader's transaction, a change of the table behind it, and readers behind that one.
    ("metadata", 0): _READ,
    ("metadata", 1): f"ALTER TABLE {ROWS}_{{hold}} COMMENT 'calibration'",
    ("metadata", 2): _READ,
}
"""Lock and place (2: every later one) → the statement that takes it."""

_LONG_S = 50
_WAITING = (
    "SELECT EXISTS (SELECT 1 FROM information_schema.processlist WHERE id = %s"
    " AND (state LIKE 'Waiting for %% lock' OR state IN ('User lock', 'Updating')))"
)


class MariadbSession:
    """One session; it names itself in a comment of every statement."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.number: int = connection.thread_id()
        self._name, self._patience_s = "", _LONG_S

    async def begin(self, name: str, patience_s: float | None) -> None:
        """The server counts its patience in whole seconds."""
        self._name, self._patience_s = name, max(round(patience_s), 1) if patience_s else _LONG_S
        await self._run(f"SET innodb_lock_wait_timeout = {self._patience_s}, lock_wait_timeout = {self._patience_s}")
        await self._run("BEGIN")

    async def take(self, lock: str, key: int, place: int) -> None:
        statement = _TAKES[lock, min(place, 2)].format(key=key, hold=key // KEYS, patience_s=self._patience_s)
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
        await self._run("DO RELEASE_ALL_LOCKS()")

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
        self._tables: list[str] = []

    async def open(self, sessions: int, holds: Sequence[Hold]) -> Sequence[Session]:
        self._control = await self._connect()
        changed = {0, *(hold.number for hold in holds if hold.lock == "metadata")}
        self._tables = [ROWS, *(f"{ROWS}_{number}" for number in sorted(changed))]
        await self._drop()
        async with self._control.cursor() as cursor:
            for table in self._tables:
                await cursor.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB")
            rows = ", ".join(f"({key}, 0)" for key in range(KEYS * (len(holds) + 1)))
            await cursor.execute(f"INSERT INTO {ROWS} VALUES {rows}")  # noqa: S608
        self._connections = await asyncio.gather(*(self._connect() for _ in range(sessions)))
        return [MariadbSession(connection) for connection in self._connections]

    async def _drop(self) -> None:
        async with self._control.cursor() as cursor:
            await cursor.execute("SET lock_wait_timeout = 5, sql_notes = 0")
            await cursor.execute(f"DROP TABLE IF EXISTS {', '.join(self._tables)}")

    async def _connect(self) -> Any:
        url = urlsplit(self._dsn)
        return await asyncmy.connect(
            host=url.hostname or "127.0.0.1",
            port=url.port or 3306,
            user=unquote(url.username or ""),
            password=unquote(url.password or ""),
            db=url.path.lstrip("/"),
            autocommit=True,
            connect_timeout=5,
            init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        )

    async def waiting(self, session: Session) -> None:
        """Of a wait for a row only InnoDB's own tables tell, which nobody but the observer may read: here the statement
        has begun, and most likely waits. Who waits first for a row is of no account."""

        async def is_waiting() -> bool:
            async with self._asking, self._control.cursor() as cursor:
                await cursor.execute(_WAITING, (session.number,))
                return bool((await cursor.fetchone())[0])

        await until(is_waiting)

    async def close(self) -> None:
        for connection in self._connections:
            connection.close()
        control, self._connections = self._control, []
        if control is not None:
            await self._drop()
            self._control = None
            control.close()
