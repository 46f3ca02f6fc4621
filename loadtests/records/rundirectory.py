"""Where a run's files are: `runs/<utc>-<scenario>/<nn>-<storage>/`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from loadtests.records.documents import read_document, write_document
from loadtests.records.streams import TableWriter, read_batches
from loadtests.records.tables import TABLES

_RUN = re.compile(r"\d{2,}-.+")


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
        """The files that a table has in this run, in order of name; none when nobody wrote it."""
        if not TABLES[table].per_writer:
            path = self.table_path(table)
            return [path] if path.exists() else []
        return sorted(self.path.glob(f"{table}-*.arrows"))

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
        return read_document(self.path / f"{document}.json")


def run_directories(study: Path) -> list[RunDirectory]:
    """The runs of a study, in the order they were made. Raises FileNotFoundError when the study is not there."""
    if not study.is_dir():
        raise FileNotFoundError(study)
    runs = [RunDirectory(p) for p in study.iterdir() if p.is_dir() and is_run_name(p.name)]
    return sorted(runs, key=lambda run: (run.number, run.name))
