"""A run's tables as Parquet or CSV: one file a table, workers merged, codes as names."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from loadtests.commandline import EX_UNAVAILABLE, EX_USAGE, complain
from loadtests.records.documents import create_draft
from loadtests.records.files import UnreadableError
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import read_batches, read_schema
from loadtests.records.tables import TABLES, Table, codes_of
from loadtests.sanitize import sanitize_lines, text_cell
from loadtests.standardstreams import print_path


def export_run(run: Path, format: str, to: Path) -> int:
    """Writes `to/TABLE.FORMAT` for every table that the run has, and names each. Returns the exit code.

    Files of these names are replaced when all tables have been written.
    """
    directory = RunDirectory(run.resolve())
    try:
        tables = [table for table in TABLES.values() if directory.table_files(table.name)]
        if not tables:
            complain("loadtests export", f"{run} is not a run directory: there is no table in it")
            return EX_USAGE
        to.mkdir(parents=True, exist_ok=True)
        for path in _export_tables(directory, tables, format, to):
            print_path(path)
    except UnreadableError as error:
        complain("loadtests export", f"{error}; nothing was written")
        return EX_USAGE
    except OSError as error:
        complain("loadtests export", f"cannot write to {to}: {error.strerror or error}")
        return EX_UNAVAILABLE
    return 0


def _export_tables(directory: RunDirectory, tables: Sequence[Table], format: str, to: Path) -> list[Path]:
    drafts: dict[Path, Path] = {}
    try:
        for table in tables:
            path = to / f"{table.name}.{format}"
            _warn_of_missing(missing_columns(directory, table), table, directory.path)
            descriptor, drafts[path] = create_draft(path)
            export_table(directory, table, format, descriptor)
        for path, draft in drafts.items():
            draft.replace(path)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    return list(drafts)


def _warn_of_missing(missing: set[str], table: Table, run: Path) -> None:
    if missing:
        columns = " and ".join(sorted(missing))
        warning = (
            f"{sanitize_lines(str(run))}: {table.name} was written without {columns}, by an older version: left empty"
        )
        complain("loadtests export", warning)


def export_table(directory: RunDirectory, table: Table, format: str, descriptor: int) -> None:
    """Writes one table to an open file, batch by batch: memory stays flat."""
    with os.fdopen(descriptor, "wb") as file:
        schema = exported_schema(table, missing_columns(directory, table))
        is_csv = format == "csv"
        sink = pa.csv.CSVWriter(file, schema) if is_csv else pa.parquet.ParquetWriter(file, schema, compression="zstd")
        with sink:
            for batch in exported_batches(directory, table, schema):
                sink.write_batch(_without_formulas(batch) if is_csv else batch)


def _without_formulas(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [_safe_cells(column) if column.type == pa.string() else column for column in batch.columns]
    return pa.record_batch(columns, schema=batch.schema)


def _safe_cells(column: pa.Array) -> pa.Array:
    words = column.dictionary_encode()
    return pa.array([text_cell(word) for word in words.dictionary.to_pylist()], pa.string()).take(words.indices)


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
