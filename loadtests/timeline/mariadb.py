"""Sessions with MariaDB for actions."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from asyncmy.errors import MySQLError

from loadtests.drivers import mariadb
from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.contract import AddressError
from loadtests.sanitize import sanitize
from loadtests.timeline.context import ActionFailed
from loadtests.timeline.db_sessions import ActionSession

_CONNECT_S = 10
_ERRORS = (AddressError, OSError, MySQLError)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["MariadbSession"]:
    """Raises ActionFailed."""
    connection = await _connect(dsn)
    try:
        session = MariadbSession(connection, dsn)
        # As pods have it: by the server's default a locking read would keep others from inserting, too.
        await session.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        yield session
    finally:
        connection.close()  # in any state: the server rolls back an open transaction


async def _connect(dsn: str) -> Any:
    with _as_action_failure():
        return await mariadb.connect(parse_address("mariadb", dsn), "timeline", timeout_s=_CONNECT_S)


class MariadbSession(ActionSession):
    def __init__(self, connection: Any, dsn: str) -> None:
        self._connection, self._dsn = connection, dsn
        self._name = ""

    async def begin(self, name: str) -> None:
        self._name = name
        await self.execute("BEGIN")

    async def select(self, statement: str, value: str) -> int:
        with _as_action_failure():
            async with self._connection.cursor() as cursor:
                await cursor.execute(f"/* {self._name} */ {statement}".replace("?", "%s"), (value,))
                return len(await cursor.fetchall())

    async def _run(self, statement: str) -> None:
        with _as_action_failure():
            async with self._connection.cursor() as cursor:
                await cursor.execute(statement)
                await cursor.fetchall()

    async def _end_on_server(self) -> None:
        with suppress(*_ERRORS, ActionFailed, TimeoutError):
            async with asyncio.timeout(_CONNECT_S):
                other = await _connect(self._dsn)
                async with other.cursor() as cursor:
                    await cursor.execute(f"KILL {int(self._connection.thread_id())}")
                other.close()

    async def rollback(self) -> None:
        with suppress(*_ERRORS, ActionFailed):
            await self.execute("ROLLBACK")


@contextmanager
def _as_action_failure() -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        text = str(error.args[-1]) if error.args else ""
        raise ActionFailed(f"MariaDB: {sanitize((text.splitlines() or [type(error).__name__])[0], 240)}") from error
