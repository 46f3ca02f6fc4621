"""Reads a SQLite file, read-only."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import apsw

from loadtests.drivers.sqlite import connect
from loadtests.ledger.stored import Read, Row, StorageUnreadableError, sql

_BUSY_S = 5.0
_ROWS = 10_000


def _open(path: str) -> Any:
    if not Path(path).is_file():
        raise StorageUnreadableError(f"there is no file {Path(path).name}")
    return connect(path, _BUSY_S, read_only=True)


@asynccontextmanager
async def reading(path: str, silent_since_ns: int) -> AsyncIterator[Read]:
    """Raises UnreadableError."""
    try:
        connection = _open(path)
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
        raise StorageUnreadableError(f"SQLite: {error}") from error
