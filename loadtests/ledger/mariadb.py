"""Reads a MariaDB database. The one module that knows asyncmy here."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import asyncmy
from asyncmy.cursors import SSCursor
from asyncmy.errors import MySQLError

from loadtests.ledger.stored import Read, Row, UnreadableError, sql

_CONNECT_S = 5.0
_ROWS = 10_000


@asynccontextmanager
async def reading(dsn: str, silent_since_ns: int) -> AsyncIterator[Read]:
    """Raises UnreadableError."""
    try:
        connection = await asyncio.wait_for(_connect(dsn), _CONNECT_S)
        try:
            async with connection.cursor() as cursor:
                await cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")  # one moment

            async def read(table: str) -> AsyncIterator[Sequence[Row]]:
                async with connection.cursor(SSCursor) as cursor:
                    await cursor.execute(sql(table, silent_since_ns))
                    while rows := await cursor.fetchmany(_ROWS):
                        yield rows

            yield read
        finally:
            connection.close()
    except (OSError, MySQLError) as error:
        raise UnreadableError(f"MariaDB: {error or type(error).__name__}") from error


async def _connect(dsn: str):  # type: ignore[no-untyped-def]
    at = urlsplit(dsn)
    return await asyncmy.connect(
        host=at.hostname or "127.0.0.1",
        port=at.port or 3306,
        user=unquote(at.username or ""),
        password=unquote(at.password or ""),
        database=at.path.lstrip("/"),
    )
