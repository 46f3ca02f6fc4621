"""A row of the operations table on its way from a user to Arrow: packed when the operation ends, columns when flushed.

Packed bytes are not tracked by the garbage collector and cost a fifth of what converting Python integers does.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.tables import OPERATIONS_TABLE

Rows = npt.NDArray[Any]
"""Rows as a structured array with the columns of the operations table; `NO_TIME` and `NO_KEY` stand for null."""

NO_TIME: Final = -(1 << 63)
NO_KEY: Final = (1 << 64) - 1

_NULLS: Final = {
    "chat": NO_KEY,
    "planned_ns": NO_TIME,
    "started_ns": NO_TIME,
    "published_ns": NO_TIME,
    "sequence": NO_TIME,
}
_LATEST_NS: Final = 1 << 62

_FORMATS: Final = {"uint8": ("B", "<u1"), "int32": ("i", "<i4"), "uint64": ("Q", "<u8"), "int64": ("q", "<i8")}

_STRUCT: Final = struct.Struct("<" + "".join(_FORMATS[str(c.type)][0] for c in OPERATIONS_TABLE.columns))
_DTYPE: Final = np.dtype([(c.name, _FORMATS[str(c.type)][1]) for c in OPERATIONS_TABLE.columns])

pack = _STRUCT.pack
"""The values of one row, in column order → bytes. Raises struct.error when one does not fit its column."""


def unpack(packed: Sequence[bytes]) -> Rows:
    """Packed rows, in their order → one structured array."""
    return np.frombuffer(b"".join(packed), _DTYPE)


def of_bytes(data: bytes) -> Rows:
    """Rows that another process sent. Raises ValueError when they are none of the operations table."""
    if not data or len(data) % _DTYPE.itemsize:
        raise ValueError(f"{len(data)} bytes of rows, expected a multiple of {_DTYPE.itemsize}")
    return np.frombuffer(data, _DTYPE)


def check(rows: Rows, pods: int) -> None:
    """Raises ValueError when a value is none that its column may have."""
    codes = {c.name: len(c.codes or ()) or pods for c in OPERATIONS_TABLE.columns if c.codes is not None}
    for name, count in codes.items():
        if (highest := int(rows[name].max())) >= count:
            raise ValueError(f"{name} {highest} of {count}")
    for name in ("account", "user", "connection"):
        if (lowest := int(rows[name].min())) < 0:
            raise ValueError(f"{name} {lowest}, expected 0 or more")
    for name in ("planned_ns", "started_ns", "ended_ns", "published_ns"):
        known = rows[name][rows[name] != NO_TIME] if name in _NULLS else rows[name]
        if known.size and not -_LATEST_NS <= int(known.min()) <= int(known.max()) <= _LATEST_NS:
            raise ValueError(f"{name} beyond ±{_LATEST_NS} ns")


def to_batch(rows: Rows, schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([_column(rows, field) for field in schema], schema=schema)


def _column(rows: Rows, field: pa.Field) -> pa.Array:
    # Not pa.array: with numpy's values it imports pandas first, and the load stood still for 250 ms (measured).
    values, valid = np.ascontiguousarray(rows[field.name]), None
    if field.name in _NULLS and not (known := values != _NULLS[field.name]).all():
        valid = pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(field.type, len(values), [valid, pa.py_buffer(values)])
