"""The observer's tables: opened before anything is observed, written in small batches."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from loadtests.probes.contract import Rows
from loadtests.records.rundirectory import RunDirectory
from loadtests.sanitize import sanitize

_LONGEST_CELL = 2000

TABLES = ("lock_waits", "sessions", "counters", "resources", "host", "ticks")


class TableRecorder:
    """Keeps rows until `flush`. Raises FileExistsError or OSError when a table cannot be made or written."""

    def __init__(self, directory: RunDirectory) -> None:
        self._writers = {name: directory.create_table(name) for name in TABLES}
        self._rows: dict[str, list[Sequence[Any]]] = defaultdict(list)

    def add(self, rows: Rows) -> int:
        """Returns how many rows these were."""
        for table, of_table in rows.items():
            self._rows[table] += map(_clean, of_table)
        return sum(len(of_table) for of_table in rows.values())

    def flush(self) -> None:
        pending, self._rows = self._rows, defaultdict(list)
        for table, rows in pending.items():
            self._writers[table].write(rows)

    def close(self) -> None:
        """Writes what is left and ends every table."""
        try:
            self.flush()
        finally:
            for writer in self._writers.values():
                writer.close()


def _clean(row: Sequence[Any]) -> Sequence[Any]:
    """The row; names and statements of other clients of a server may hold control characters."""
    if any(isinstance(cell, str) and not cell.isprintable() for cell in row):
        return [sanitize(cell, _LONGEST_CELL) if isinstance(cell, str) else cell for cell in row]
    return row
