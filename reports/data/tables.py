"""Small tables of a run, whole; and the memory of big ones."""

import ctypes
from contextlib import suppress

import pyarrow as pa

from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import TABLES


def table(directory: RunDirectory, name: str) -> pa.Table:
    """A small table whole, all writers together; empty when it was not written."""
    batches = list(directory.batches(name))
    if not batches:
        columns = TABLES[name].columns
        return pa.schema([pa.field(c.name, c.type) for c in columns]).empty_table()
    return pa.Table.from_batches([b.replace_schema_metadata(batches[0].schema.metadata) for b in batches])


def trim_memory() -> None:
    """Return freed memory to the system, where the C library supports it. Otherwise the memory freed by one step is
    fragmented by small arrays that remain, and the next step's big arrays do not fit in."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
