"""Reads a SQLite file, read-only. The one module that knows apsw here."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import apsw

from loadtests.ledger.stored import Read, Row, UnreadableError, sql

_BUSY_MS = 5000
_ROWS = 10_000


def _opened(path: str) -> apsw.Connection:
    if not Path(path).is_file():
        raise UnreadableError(f"there is no file {Path(path).name}")
    return apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)


@asynccontextmanager
async def reading(path: str, silent_since_ns: int) -> AsyncIterator[Read]:
    """Raises UnreadableError."""
    try:
        connection = _opened(path)
        connection.set_busy_timeout(_BUSY_MS)
        try:
            connection.execute("BEGIN")  # one moment

            async def read(table: str) -> AsyncIterator[Sequence[Row]]:
                cursor = connection.execute(sql(table, silent_since_ns))
                while rows := list(islice(cursor, _ROWS)):
                    yield rows

            yield read
        finally:
            connection.close()
    except apsw.Error as error:
        raise UnreadableError(f"SQLite: {error}") from error
