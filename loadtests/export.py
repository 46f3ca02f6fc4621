"""A run's tables as Parquet or CSV: one file a table, workers merged, codes as names."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from loadtests.commandline import EX_UNAVAILABLE, EX_USAGE, complain
from loadtests.records.documents import create_draft
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import read_batches, read_schema
from loadtests.records.tables import TABLES, Table, codes_of
from loadtests.standardstreams import print_path


class Sink(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...
    def close(self) -> None: ...


def export_run(run: Path, format: str, to: Path) -> int:
    """Writes `to/TABLE.FORMAT` for every table that the run has, and names each. Returns the exit code."""
    directory = RunDirectory(run)
    tables = [table for table in TABLES.values() if directory.table_files(table.name)]
    if not tables:
        complain("loadtests export", f"{run} is not a run directory: there is no table in it")
        return EX_USAGE
    try:
        to.mkdir(parents=True, exist_ok=True)
        for table in tables:
            _tell_of(missing_columns(directory, table), table, run)
            print_path(export_table(directory, table, format, to))
    except OSError as error:
        complain("loadtests export", f"cannot write to {to}: {error.strerror or error}")
        return EX_UNAVAILABLE
    return 0


def _tell_of(missing: set[str], table: Table, run: Path) -> None:
    if missing:
        columns = " and ".join(sorted(missing))
        told = f"{run}: {table.name} was written without {columns}, by an older version: left empty"
        complain("loadtests export", told)


def export_table(directory: RunDirectory, table: Table, format: str, to: Path) -> Path:
    """One table, batch by batch: memory stays flat. A file of that name is replaced when the new one is whole."""
    path = to / f"{table.name}.{format}"
    schema = exported_schema(table, missing_columns(directory, table))
    descriptor, draft = create_draft(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            sink = _sink(format, file, schema)
            try:
                for batch in exported_batches(directory, table, schema):
                    sink.write_batch(batch)
            finally:
                sink.close()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _sink(format: str, file: BinaryIO, schema: pa.Schema) -> Sink:
    if format == "csv":
        return pa.csv.CSVWriter(file, schema)  # type: ignore[no-any-return]
    return pa.parquet.ParquetWriter(file, schema, compression="zstd")  # type: ignore[no-any-return]


def missing_columns(directory: RunDirectory, table: Table) -> set[str]:
    """Columns that some file of the table does not have: they came after it was written."""
    schemas = [schema for path in directory.table_files(table.name) if (schema := read_schema(path)) is not None]
    return {column.name for column in table.columns for schema in schemas if column.name not in schema.names}


def exported_schema(table: Table, missing: Collection[str] = ()) -> pa.Schema:
    """Codes become names; a table of several writers says which one wrote a row. Missing columns may be null."""
    writer = [pa.field("writer", pa.string(), nullable=False)] if table.per_writer else []
    columns = [
        pa.field(c.name, pa.string() if c.codes is not None else c.type, nullable=c.nullable or c.name in missing)
        for c in table.columns
    ]
    return pa.schema([*writer, *columns])


def exported_batches(directory: RunDirectory, table: Table, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for path in directory.table_files(table.name):
        stored = read_schema(path)
        names = codes_of(stored) if stored is not None else {}
        writer = path.stem.removeprefix(f"{table.name}-")
        for batch in read_batches(path):
            yield _exported(batch, names, writer, schema)


def _exported(batch: pa.RecordBatch, names: dict[str, list[str]], writer: str, schema: pa.Schema) -> pa.RecordBatch:
    columns = {
        name: pa.array(names[name], pa.string()).take(column) if name in names else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    columns["writer"] = pa.array([writer] * batch.num_rows, pa.string())
    empty = {f.name: pa.nulls(batch.num_rows, f.type) for f in schema if f.name not in columns}
    return pa.record_batch([(columns | empty)[name] for name in schema.names], schema=schema)
