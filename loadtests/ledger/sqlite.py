"""Reads a SQLite file, read-only. The one module that knows apsw here."""

from pathlib import Path
from typing import Any

import apsw

from loadtests.ledger.storage import Stored, UnreadableError, keys, orphan, sql

_BUSY_MS = 5000


def read(path: str, silent_since_ns: int) -> Stored:
    """Raises UnreadableError."""
    if not Path(path).is_file():
        raise UnreadableError(f"there is no file {Path(path).name}")
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(_BUSY_MS)
        try:
            return _read(connection, silent_since_ns)
        finally:
            connection.close()
    except apsw.Error as error:
        raise UnreadableError(f"SQLite: {error}") from error


def _read(connection: apsw.Connection, silent_since_ns: int) -> Stored:
    connection.execute("BEGIN")  # one moment
    found: list[Any] = connection.execute(sql("orphans"), (silent_since_ns,)).fetchall()
    return Stored(
        found[0][3] if found else 0,
        tuple(orphan(*row[:3]) for row in found),
        keys(str(row[0]) for row in connection.execute(sql("accepted_chats"))),
        keys(str(row[0]) for row in connection.execute(sql("messages"))),
    )
