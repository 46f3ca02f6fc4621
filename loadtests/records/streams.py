"""Arrow IPC streams: appended in batches, readable up to the last full batch however they ended."""

import io
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa

from loadtests import readers
from loadtests.records.conformity import Conformity, table_of
from loadtests.records.files import UnreadableError, open_regular, shown
from loadtests.records.messages import CheckedStream
from loadtests.sanitize import sanitize_error

_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC

BATCH_INTERVAL_S = 0.25
"""Writers flush at least this often: packing one huge batch would stall a worker for tens of milliseconds."""

MOST_ROWS: Final = 1 << 18
"""Rows of a piece that is read; those of a larger batch come in several."""

_GATHERED_ROWS = 1 << 14
_GATHERED_BATCHES = 1 << 10
_GATHERED_BYTES = 16 << 20


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


def read_schema(path: Path) -> pa.Schema | None:
    """The schema of a table file, of the columns that this version knows; None when the file was cut before its schema
    was whole. Raises UnreadableError when the file is none of its table."""
    with open_regular(path) as file:
        conformity = _conformity(CheckedStream(file, shown(path)), path)
        return None if conformity is None else conformity.schema


def row_count(path: Path) -> int:
    """How many rows the full batches of a table file have by their headers: its columns are not read. Raises
    UnreadableError when the file is none of its table."""
    with open_regular(path) as file:
        if _conformity(CheckedStream(file, shown(path)), path) is None:
            return 0
        file.seek(0)
        return sum(header.rows for header in CheckedStream(file, shown(path)).headers())


def read_batches(path: Path, columns: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
    """Every full batch of a table file in pieces of at most `MOST_ROWS` rows; a cut stream simply ends early.

    `columns`: only these, without any all that this version knows. Raises UnreadableError when a batch is not as its
    table is documented, or the file is larger than it may be.
    """
    with open_regular(path) as file:
        conformity = _conformity(CheckedStream(file, shown(path)), path, columns)
        if conformity is None:
            return
        file.seek(0)
        source = CheckedStream(file, shown(path))
        options = pa.ipc.IpcReadOptions(included_fields=conformity.included, use_threads=False)
        with _decoding(path), pa.ipc.open_stream(pa.PythonFile(source, "r"), options=options) as stream:
            for batch in _gathered(stream):
                conformity.check(batch, source.budget)
                yield from (batch.slice(start, MOST_ROWS) for start in range(0, batch.num_rows, MOST_ROWS))


def _gathered(stream: Any) -> Iterator[pa.RecordBatch]:
    """Small batches joined: a check takes 0.2 ms, and a long run has hundreds of thousands of batches."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in stream:
        batch.validate()  # lengths against buffers, without which nothing may be joined
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _GATHERED_ROWS or size >= _GATHERED_BYTES or len(waiting) >= _GATHERED_BATCHES:
            yield pa.concat_batches(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.concat_batches(waiting)


def _conformity(source: CheckedStream, path: Path, columns: Collection[str] = ()) -> Conformity | None:
    with _decoding(path):
        try:
            with pa.ipc.open_stream(pa.PythonFile(source, "r")) as stream:
                schema = stream.schema
        except pa.ArrowInvalid:
            if source.begun:
                raise
            return None
        return Conformity(table_of(path.stem), schema, shown(path), columns)


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turns what Arrow says of bytes that it cannot decode into an UnreadableError."""
    try:
        yield
    except UnreadableError:
        raise
    except (pa.ArrowException, UnicodeDecodeError, OverflowError) as error:
        raise UnreadableError(f"{shown(path)} is damaged: {sanitize_error(error)}") from None
    except OSError as error:
        raise UnreadableError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
