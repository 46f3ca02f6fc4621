"""Which rows are still there: counted in a run's files, and compared with what its end says was written."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import read_batches
from loadtests.records.tables import TABLES


class Short(NamedTuple):
    """A table file that has fewer rows than were written, or other ones: `found` of `written`."""

    file: str
    found: int
    written: int

    def __str__(self) -> str:
        return f"{self.file} has {self.found} of the {self.written} rows that were written; was the run copied whole?"


def count_rows(directory: RunDirectory) -> dict[str, int]:
    """Table file's name without its ending → rows in it that can be read."""
    files = [path for table in TABLES for path in directory.table_files(table)]
    return {path.stem: sum(batch.num_rows for batch in read_batches(path)) for path in sorted(files)}


def short_files(directory: RunDirectory, end: Mapping[str, Any]) -> list[Short]:
    """The files whose rows are not as many as `rows` of end.json says; none when it does not say."""
    written, found = end.get("rows"), count_rows(directory)
    told = written.items() if isinstance(written, Mapping) else ()
    return [Short(f"{name}.arrows", found.get(name, 0), rows) for name, rows in told if found.get(name, 0) != rows]
