"""The messages of an Arrow IPC stream, each checked before Arrow reads it: kind, size, and size when decompressed.

Arrow allocates what a message announces. So lengths are compared with the file first, and the sizes of compressed
buffers, which are in front of each, are added up against a budget.
"""

import io
import os
import struct
from collections import deque
from collections.abc import Iterator
from io import FileIO
from typing import Final, NamedTuple

from loadtests.records.files import UnreadableError

MOST_RATIO: Final = 8
"""The columns of a table file may take this many times the bytes that the file has on disk."""

FREE_BYTES: Final = 256 << 10
"""Columns of so many bytes are read from a table file of any size."""

MOST_MESSAGE_BYTES: Final = 256 << 20
"""The largest record batch; writers append small ones."""

MOST_METADATA_BYTES: Final = 1 << 20
"""The largest description of a message: a schema, or where the buffers of a batch are."""

_SPARSE_FROM: Final = 64 << 20
_MOST_EXTENTS: Final = 10_000
_SCHEMA, _BATCH = 1, 3
_KINDS = {_SCHEMA: "a schema", 2: "a dictionary", _BATCH: "a record batch", 4: "a tensor", 5: "a sparse tensor"}
_OLDEST_VERSION: Final = 4
"""Of the format: V5, since Arrow 1.0. Batches of V4 may be compressed without a word in their header: Arrow checks for
a key of their metadata as well, and would allocate what no check has seen."""

_CONTINUED = b"\xff\xff\xff\xff"


class MessageBudget:
    """How many bytes the columns of a file may take."""

    def __init__(self, name: str, on_disk: int) -> None:
        self._name = name
        self._most = max(FREE_BYTES, MOST_RATIO * on_disk)

    def check(self, total: int) -> None:
        """Raises UnreadableError when `total` bytes are too many."""
        if total > self._most:
            raise UnreadableError(
                f"{self._name} takes more than {self._most:,} bytes in memory, which is the most for a file of its "
                "size; write it anew without compression"
            )


class CheckedStream(io.RawIOBase):
    """A file for `pyarrow.PythonFile`. It ends before the first message that is not whole."""

    def __init__(self, file: FileIO, name: str) -> None:
        super().__init__()
        self._file, self._name = file, name
        self._size = os.fstat(file.fileno()).st_size
        self.budget = MessageBudget(name, _bytes_on_disk(file.fileno(), self._size))
        self._chunks: deque[bytes] = deque()
        self._decoded = 0
        self._expected = _SCHEMA

    @property
    def begun(self) -> bool:
        """Whether a whole message was found."""
        return self._expected != _SCHEMA

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, `size` of them while the stream lasts; asked for all, those of the current message."""
        if not self._chunks:
            self._load()
        if self._chunks and (size < 0 or size == len(self._chunks[0])):
            return self._chunks.popleft()
        found = bytearray()
        while self._chunks and len(found) < size:
            chunk = self._chunks.popleft()
            found += chunk[: (wanted := size - len(found))]
            if len(chunk) > wanted:
                self._chunks.appendleft(chunk[wanted:])
            elif not self._chunks and len(found) < size:
                self._load()
        return bytes(found)

    def headers(self) -> Iterator["Header"]:
        """The header of each message that is whole. Reads no body."""
        while (begun := self._begin()) is not None:
            header = begun[1]
            if header.body_bytes > self._left():
                return
            self._file.seek(header.body_bytes, os.SEEK_CUR)
            yield header

    def _begin(self) -> tuple[bytes, "Header"] | None:
        """Reads the next message up to its body; None at the end of the stream, or when it was cut before that."""
        prefix = self._file.read(8)
        if len(prefix) < 8 or prefix[:4] == bytes(4):
            return None
        length = int.from_bytes(prefix[4:], "little", signed=True)
        if prefix[:4] != _CONTINUED or length < 0:
            damaged_at = self._file.tell() - 8
            raise UnreadableError(f"{self._name} is no Arrow IPC stream, or is damaged at byte {damaged_at:,}")
        if length == 0 or length > self._left():
            return None
        if length > MOST_METADATA_BYTES:
            raise UnreadableError(f"{self._name} describes a message in {length:,} bytes; the most is 1 MiB")
        metadata = self._file.read(length)
        return (prefix + metadata, self._header(metadata)) if len(metadata) == length else None

    def _load(self) -> None:
        """Reads the next message; nothing at the end of the stream, or when the message was cut."""
        begun = self._begin()
        if begun is None:
            return
        start, header = begun
        if header.body_bytes > self._left():
            return
        body = self._file.read(header.body_bytes)
        if len(body) < header.body_bytes:
            return
        decoded = _decoded_bytes(header.buffers, body) if header.compressed else len(body)
        if decoded > MOST_MESSAGE_BYTES:
            raise self._too_big(decoded)
        self._decoded += decoded
        self.budget.check(self._decoded)
        self._chunks.extend(chunk for chunk in (start[:4], start[4:8], start[8:], body) if chunk)

    def _header(self, metadata: bytes) -> "Header":
        try:
            header = read_header(metadata)
        except (struct.error, IndexError, ValueError):
            raise UnreadableError(f"{self._name} has a message that cannot be understood") from None
        if header.version < _OLDEST_VERSION:
            raise UnreadableError(f"{self._name} has a message of an Arrow before 1.0; write it anew with a later one")
        if header.kind != self._expected:
            kind, expected = (_KINDS.get(kind, "an unknown message") for kind in (header.kind, self._expected))
            raise UnreadableError(f"{self._name} has {kind} where {expected} was expected")
        if not 0 <= header.body_bytes <= MOST_MESSAGE_BYTES:
            raise self._too_big(header.body_bytes)
        self._expected = _BATCH
        return header

    def _too_big(self, size: int) -> UnreadableError:
        return UnreadableError(f"{self._name} has a record batch of {size:,} bytes; the most is 256 MiB")

    def _left(self) -> int:
        return self._size - self._file.tell()


def _bytes_on_disk(descriptor: int, size: int) -> int:
    """The size of the file; of a large one, without its holes."""
    if size < _SPARSE_FROM:
        return size
    found, at = 0, 0
    try:
        for _ in range(_MOST_EXTENTS):
            start = os.lseek(descriptor, at, os.SEEK_DATA)
            at = os.lseek(descriptor, start, os.SEEK_HOLE)
            found += at - start
            if at >= size:
                break
    except OSError:  # ENXIO: no data behind `at`; EINVAL: a file system that knows no holes
        found = found if at else size
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return min(found, size)


class Header(NamedTuple):
    """What a message says of itself. `rows` are those of a batch, `buffers` offset and length of each of its buffers in
    its body."""

    kind: int
    body_bytes: int
    version: int = 0
    rows: int = 0
    compressed: bool = False
    buffers: tuple[tuple[int, int], ...] = ()


def read_header(metadata: bytes) -> Header:
    """The flatbuffer `Message` of Arrow's format. Raises struct.error, IndexError or ValueError when it is none."""
    message = _Table(metadata, _unsigned(metadata, 0))
    kind = message.scalar(1, "<B")
    header = Header(kind, message.scalar(3, "<q"), message.scalar(0, "<h"))
    batch = message.table(2) if kind == _BATCH else None
    if batch is None:
        return header
    return header._replace(rows=batch.scalar(0, "<q"), compressed=batch.table(3) is not None, buffers=batch.pairs(2))


class _Table:
    """A table of a flatbuffer: fields by number, each at an offset that the table's vtable has."""

    def __init__(self, data: bytes, at: int) -> None:
        (back,) = struct.unpack_from("<i", data, at)
        self._data, self._at, self._vtable = data, at, at - back
        if self._vtable < 0:
            raise ValueError("a vtable outside the message")
        (self._vtable_bytes,) = struct.unpack_from("<H", data, self._vtable)

    def _place(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._vtable_bytes:
            return None
        (offset,) = struct.unpack_from("<H", self._data, self._vtable + slot)
        return self._at + offset if offset else None

    def scalar(self, field: int, form: str) -> int:
        place = self._place(field)
        return 0 if place is None else int(struct.unpack_from(form, self._data, place)[0])

    def table(self, field: int) -> "_Table | None":
        place = self._place(field)
        return None if place is None else _Table(self._data, place + _unsigned(self._data, place))

    def pairs(self, field: int) -> tuple[tuple[int, int], ...]:
        """A vector of structs of two int64."""
        place = self._place(field)
        if place is None:
            return ()
        start = place + _unsigned(self._data, place)
        count = _unsigned(self._data, start)
        return tuple(struct.iter_unpack("<qq", self._data[start + 4 : start + 4 + 16 * count]))


def _unsigned(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _decoded_bytes(buffers: tuple[tuple[int, int], ...], body: bytes) -> int:
    """How large compressed buffers are afterwards: each begins with that size, or with -1 when it is as it was."""
    total = 0
    for offset, length in buffers:
        if length > 0:
            size = int.from_bytes(body[offset : offset + 8], "little", signed=True) if offset >= 0 else 0
            total += length if size < 0 else size
    return total
