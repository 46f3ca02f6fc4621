"""Sessions with MariaDB for actions. The one module that knows asyncmy here."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncmy
from asyncmy.errors import MySQLError

from loadtests.timeline.surroundings import ActionFailed

_CONNECT_S = 10
_ERRORS = (OSError, MySQLError)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["MariadbSession"]:
    """Raises ActionFailed."""
    parts = urlsplit(dsn)
    with _told():
        connection = await asyncmy.connect(
            host=parts.hostname,
            port=parts.port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=parts.path.lstrip("/"),
            connect_timeout=_CONNECT_S,
            autocommit=True,
        )
    try:
        yield MariadbSession(connection)
    finally:
        connection.close()  # in whatever state it is: the server rolls back what is open


class MariadbSession:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._name = ""

    async def begin(self, name: str) -> None:
        self._name = name
        await self.execute("BEGIN")

    async def select(self, statement: str, value: str) -> int:
        with _told():
            async with self._connection.cursor() as cursor:
                await cursor.execute(f"/* {self._name} */ {statement}".replace("?", "%s"), (value,))
                return len(await cursor.fetchall())

    async def execute(self, statements: str) -> None:
        for statement in filter(None, map(str.strip, statements.split(";"))):
            with _told():
                async with self._connection.cursor() as cursor:
                    await cursor.execute(statement)
                    await cursor.fetchall()

    async def rollback(self) -> None:
        with suppress(*_ERRORS):
            await self.execute("ROLLBACK")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        words = error.args[-1] if error.args else type(error).__name__
        raise ActionFailed(f"MariaDB: {str(words).splitlines()[0] if words else type(error).__name__}") from error
