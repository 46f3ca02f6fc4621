"""Where a run's files are: `runs/<utc>-<scenario>/<nn>-<storage>/`.

A study may come from anywhere. Its files are read through this module only, and what is not as
`docs/run-directory.md` says raises UnreadableError.
"""

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from loadtests.records.documents import MOST_BYTES, read_document, write_document
from loadtests.records.files import UnreadableError, entries, read_bytes, shown
from loadtests.records.streams import TableWriter, read_batches, row_count
from loadtests.records.tables import TABLES

MOST_RUNS: Final = 1_000
"""Runs that a study may have."""

MOST_WRITERS: Final = 1_024
"""Files that a table of several writers may have in a run."""

_RUN = re.compile(r"[0-9]{2,}-.+", re.DOTALL)


def safe_name(name: str) -> str:
    """`dual(mariadb,postgres)` → `dual-mariadb-postgres`: letters, digits and single dashes only."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def is_run_name(name: str) -> bool:
    return _RUN.fullmatch(name) is not None


@dataclass(frozen=True)
class RunDirectory:
    """One run's files. Knows names only; what is in them is the tables' and documents' own business."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def number(self) -> int:
        """Its place in the order in which the study's runs were made, from 1."""
        return int(self.name.partition("-")[0])

    def table_path(self, table: str, writer: str | None = None) -> Path:
        """The file of a table; `writer` (a worker's number, a pod's name) names one of a per-writer table's."""
        suffix = f"-{safe_name(writer)}" if writer is not None else ""
        return self.path / f"{table}{suffix}.arrows"

    def table_files(self, table: str) -> list[Path]:
        """The files that a table has in this run, in order of name; none when it was never written."""
        file = rf"{table}-.*\.arrows" if TABLES[table].per_writer else rf"{table}\.arrows"
        names = [name for name, _ in entries(self.path) if re.fullmatch(file, name, re.DOTALL)]
        if len(names) > MOST_WRITERS:
            raise UnreadableError(
                f"{shown(self.path)} has {len(names):,} files of {table}; the most is {MOST_WRITERS:,}"
            )
        return [self.path / name for name in sorted(names)]

    def reservation_path(self, writer: str) -> Path:
        """Where a worker that has not drained keeps how many operations it may have begun."""
        return self.table_path("operations", writer).with_suffix(".reserved")

    def create_table(self, table: str, writer: str | None = None, **codes: list[str]) -> TableWriter:
        return TableWriter(self.table_path(table, writer), TABLES[table].schema(codes))

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """Every full batch of a table, all writers one after another."""
        for path in self.table_files(table):
            yield from read_batches(path)

    def write(self, document: str, content: Any) -> None:
        write_document(self.path / f"{document}.json", content)

    def read(self, document: str) -> Any | None:
        """The document; None when it was never written. Raises UnreadableError."""
        content = read_document(self.path / f"{document}.json")
        if content is not None:
            from loadtests.records.shapes import check_shape  # pydantic: only readers need it

            check_shape(document, content, shown(self.path / f"{document}.json"))
        return content

    def read_text(self, file: str) -> str | None:
        """The text of another file of the run; None when there is none. Raises UnreadableError."""
        try:
            return read_bytes(self.path / file, MOST_BYTES).decode("utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise UnreadableError(f"{shown(self.path / file)} is not UTF-8 text") from None


def run_directories(study: Path) -> list[RunDirectory]:
    """The runs of a study, in the order they were made. Raises FileNotFoundError when the study is not there.

    A link with the name of a run is one that cannot be read. Raises UnreadableError when there are too many runs.
    """
    if not study.is_dir():
        raise FileNotFoundError(study)
    runs = [
        RunDirectory(study / name)
        for name, status in entries(study.resolve())
        if is_run_name(name) and stat.S_IFMT(status.st_mode) in (stat.S_IFDIR, stat.S_IFLNK)
    ]
    if len(runs) > MOST_RUNS:
        raise UnreadableError(f"{shown(study)} has {len(runs):,} runs; the most is {MOST_RUNS:,}")
    return sorted(runs, key=lambda run: (run.number, run.name))


class Short(NamedTuple):
    """A table file that has fewer rows than were written, or other ones: `found` of `written`."""

    file: str
    found: int
    written: int

    def __str__(self) -> str:
        return f"{self.file} has {self.found} of the {self.written} rows that were written; was the run copied whole?"


def count_rows(directory: RunDirectory) -> dict[str, int]:
    """Table file's name without its ending → rows of its full batches."""
    files = [path for table in TABLES for path in directory.table_files(table)]
    return {path.stem: row_count(path) for path in sorted(files)}


def short_files(directory: RunDirectory, end: Mapping[str, Any]) -> list[Short]:
    """The files with more or fewer rows than end.json states; none without such a number."""
    written, found = [end.get("rows"), end.get("later_rows")], count_rows(directory)
    expected = [pair for rows in written if isinstance(rows, Mapping) for pair in rows.items()]
    return [Short(f"{name}.arrows", found.get(name, 0), rows) for name, rows in expected if found.get(name, 0) != rows]
