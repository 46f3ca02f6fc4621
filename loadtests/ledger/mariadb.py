"""Reads a MariaDB database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from asyncmy.cursors import SSCursor
from asyncmy.errors import MySQLError

from loadtests.drivers import mariadb
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
        connection = await mariadb.connect(
            parse_address("mariadb", dsn), "ledger", timeout_s=_CONNECT_S, autocommit=False
        )
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
    except (AddressError, OSError, MySQLError) as error:
        raise StorageUnreadableError(f"MariaDB: {sanitize_error(error)}") from error
