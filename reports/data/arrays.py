"""Types of arrays, and the value that stands for null."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    ColumnsT = TypeVar("ColumnsT", bound=DataclassInstance)

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MISSING: int = int(np.iinfo(np.int64).min)
"""Stands for null in an int64 array."""


def rows_of(columns: "ColumnsT", where: Mask | Ints | slice) -> "ColumnsT":
    """Some rows of a dataclass that has one array per column."""
    return type(columns)(*(getattr(columns, field.name)[where] for field in fields(columns)))


def concatenated(pieces: Sequence["ColumnsT"]) -> "ColumnsT":
    """Pieces of a dataclass that has one array per column, at least one, one after another."""
    if len(pieces) == 1:
        return pieces[0]
    names = [field.name for field in fields(pieces[0])]
    return type(pieces[0])(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in names))


OTHERS = "others"

MOST = 1_000
"""Number of distinct names: more are unreadable, and these fit into small integers."""


class Names:
    """Names ↔ small numbers, in order of appearance; after `MOST` names, all further ones become OTHERS.

    Sessions or locks with names such as `GET /chats/17` would have as many names as there are customers.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.all = list(names)
        self._codes = {name: code for code, name in enumerate(self.all)}

    def code(self, name: str) -> int:
        if name not in self._codes:
            if len(self.all) >= MOST and name != OTHERS:
                return self.code(OTHERS)
            self._codes[name] = len(self.all)
            self.all.append(name)
        return self._codes[name]

    def add(self, *columns: pa.ChunkedArray) -> None:
        """Add the names in these columns, the most frequent first, so that rare names become OTHERS."""
        words = pc.value_counts(pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string()))
        counts = {one["values"]: one["counts"] for one in words.to_pylist() if one["values"] is not None}
        for name in sorted(counts, key=lambda name: -counts[name]):
            self.code(name)

    def codes(self, column: pa.ChunkedArray, null: str) -> Ints:
        words = pc.fill_null(column, null).combine_chunks().dictionary_encode()
        places = np.array([self.code(word) for word in words.dictionary.to_pylist()] or [0], dtype=np.int64)
        return places[np.asarray(words.indices, dtype=np.int64)]
