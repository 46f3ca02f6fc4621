"""Reads a PostgreSQL database. The one module that knows asyncpg here."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from loadtests.ledger.stored import Read, Row, UnreadableError, sql

_CONNECT_S = 5.0
_ROWS = 10_000


@asynccontextmanager
async def reading(dsn: str, silent_since_ns: int) -> AsyncIterator[Read]:
    """Raises UnreadableError."""
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_S, server_settings={"application_name": "ledger"})
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):  # one moment

                async def read(table: str) -> AsyncIterator[Sequence[Row]]:
                    cursor = await connection.cursor(sql(table, silent_since_ns))
                    while rows := await cursor.fetch(_ROWS):
                        yield rows

                yield read
        finally:
            connection.terminate()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableError(f"PostgreSQL: {said}") from error
