"""Arrow IPC streams: appended in batches, readable up to the last full batch however they ended."""

import io
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from loadtests import readers

_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC

BATCH_INTERVAL_S = 0.25
"""Writers flush at least this often: packing one huge batch would stall a worker for tens of milliseconds."""


class TableWriter:
    """The one writer of one table file. Raises FileExistsError when the file is there, OSError when it cannot write."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows = 0
        self._file = _File(os.open(path, _CREATE, readers.file_mode()), "wb")
        self._stream = pa.ipc.new_stream(self._file, schema)
        pa.array([], pa.int8())  # the first array imports pandas, if there: half a second that no run may stand still

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Appends the rows (each in column order) as one batch; no rows, no batch."""
        if rows:
            columns = zip(zip(*rows, strict=True), self.schema, strict=True)
            arrays = [pa.array(values, field.type) for values, field in columns]
            self.write_batch(pa.record_batch(arrays, schema=self.schema))

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._stream.write_batch(batch)
        self.rows += batch.num_rows

    def close(self) -> None:
        """Ends the stream. Closing twice is harmless."""
        if not self._file.closed:
            try:
                self._stream.close()
            finally:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _File(io.FileIO):
    """Opened by us, because pyarrow takes no path that is not UTF-8. Writes everything or raises OSError."""

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = rest.nbytes
        while rest:
            rest = rest[super().write(rest) :]
        return size


@contextmanager
def opened(path: Path) -> Iterator[tuple[pa.NativeFile, mmap.mmap | None]]:
    """A file of at least one byte for reading: mapped into memory, or read whole where the file system maps none.

    The map is closed when nothing refers to its pages any more.
    """
    with path.open("rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError:  # ENODEV: some network and FUSE mounts
            yield pa.BufferReader(file.read()), None
            return
    yield pa.BufferReader(pa.py_buffer(mapped)), mapped


def read_schema(path: Path) -> pa.Schema | None:
    """The schema of a table file; None when the file was cut before its schema was whole."""
    try:
        with opened(path) as (source, _), pa.ipc.open_stream(source) as stream:
            return stream.schema
    except (pa.ArrowInvalid, OSError, ValueError):  # ValueError: an empty file has no map
        return None


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Every full batch of a table file, without copying it into memory; a cut stream simply ends early."""
    if path.stat().st_size == 0:
        return
    with opened(path) as (source, _):
        try:
            stream = pa.ipc.open_stream(source)
        except (pa.ArrowInvalid, OSError):
            return
        while True:
            try:
                batch = stream.read_next_batch()
            except (StopIteration, pa.ArrowInvalid, OSError):
                return
            yield batch
