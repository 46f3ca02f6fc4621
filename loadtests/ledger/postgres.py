"""Reads a PostgreSQL database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from loadtests.drivers import postgres
from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.contract import AddressError
from loadtests.ledger.stored import Read, Row, StorageUnreadableError, sql
from loadtests.sanitize import sanitize_error

_CONNECT_S = 5.0
_ROWS = 10_000


@asynccontextmanager
async def reading(dsn: str, silent_since_ns: int) -> AsyncIterator[Read]:
    """Raises UnreadableError."""
    try:
        connection = await postgres.connect(parse_address("postgres", dsn), "ledger", timeout_s=_CONNECT_S)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):  # one moment

                async def read(table: str) -> AsyncIterator[Sequence[Row]]:
                    cursor = await connection.cursor(sql(table, silent_since_ns))
                    while rows := await cursor.fetch(_ROWS):
                        yield rows

                yield read
        finally:
            connection.terminate()
    except (AddressError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise StorageUnreadableError(f"PostgreSQL: {sanitize_error(error)}") from error
