"""Connections to SQLite files: the only place that opens one."""

from typing import Any

import apsw


def connect(path: str, busy: float | Any, *, read_only: bool = False) -> Any:
    """A connection. `busy`: seconds to wait for a lock, or a busy handler (number of calls → whether to retry).

    A file that does not exist is created, unless `read_only`. Raises apsw.Error.
    """
    made = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY) if read_only else apsw.Connection(path)
    if callable(busy):
        made.set_busy_handler(busy)
    else:
        made.set_busy_timeout(round(busy * 1000))
    return made
