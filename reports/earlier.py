"""What a user was doing while its next operation was already due: its earlier calls, found by user and time."""

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.tables import codes_of
from loadtests.records.vocabulary import PUSHES
from reports.frames import Ints, Run, flat_batches
from reports.lanes import Lanes
from reports.tails import Tail

HELD_BACK_NS = 1_000_000
"""A shorter time between due and begun is the generator's own, and nobody's call."""

K = TypeVar("K", bound=Hashable)
_Keys = npt.NDArray[np.uint64]


def earlier_calls(run: Run, tails: Mapping[K, Tail]) -> dict[K, Tail]:
    """For each group of operations the calls that held them back: `started` to `ended` is what of a call lay between
    due and begun. The operations table is read again, for the users of those operations only."""
    held = {name: _late(tail) for name, tail in tails.items()}
    wanted = np.unique(np.concatenate([tail.key for tail in held.values()] or [np.zeros(0, dtype=np.uint64)]))
    if not len(wanted):
        return {}
    files = [_File(path, wanted) for path in run.directory.table_files("operations")]
    return {name: _calls(tail, files) for name, tail in held.items()}


def _late(tail: Tail) -> Tail:
    late = tail.started - tail.planned > HELD_BACK_NS
    return Tail(tail.key[late], tail.planned[late], tail.started[late], tail.ended[late])


class _File:
    """One worker's operations, of the users who were late with any of the wanted ones."""

    def __init__(self, path: Path, wanted: _Keys) -> None:
        late = [user[np.isin(key, wanted)] for key, user in _columns(path, "key", "user")]
        users = np.unique(np.concatenate(late)) if late else np.zeros(0, dtype=np.int32)
        pieces = (
            [
                [column[np.isin(columns[0], users)] for column in columns]
                for columns in _columns(path, "user", "key", "started_ns", "ended_ns")
            ]
            if len(users)
            else []
        )
        user, key, started, ended = (
            (np.concatenate(parts) for parts in zip(*pieces, strict=True)) if pieces else [np.zeros(0, np.int64)] * 4
        )
        lane = np.searchsorted(users, user)
        self.key = key.astype(np.uint64)
        self._order = np.argsort(self.key, kind="stable")
        self._lane = lane
        self._calls = Lanes(lane, started, ended, len(users))

    def lanes(self, keys: _Keys) -> Ints:
        """Whose operation each is; -1 for none of this worker's."""
        if not len(self.key):
            return np.full(len(keys), -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.key, keys, sorter=self._order), len(self.key) - 1)
        found = self._order[places]
        return np.where(self.key[found] == keys, self._lane[found], -1).astype(np.int64)

    def calls(self, tail: Tail) -> tuple[_Keys, Ints, Ints]:
        """Key, from, to."""
        lane = self.lanes(tail.key)
        mine = lane >= 0
        _, lo, hi, which = self._calls.cut(lane[mine], tail.planned[mine], tail.started[mine])
        some = which >= 0
        return self.key[self._calls.order[which[some]]], lo[some], hi[some]


def _columns(path: Path, *names: str) -> Iterator[list[npt.NDArray[Any]]]:
    """These columns of each batch, without pushes: nobody is kept by one."""
    for batch in flat_batches(path):
        codes = codes_of(batch.schema).get("operation", [])
        pushes = [code for code, name in enumerate(codes) if name in PUSHES]
        requests = ~np.isin(batch.column("operation").to_numpy(zero_copy_only=False), pushes)
        yield [_filled(batch.column(name))[requests] for name in names]


def _filled(column: pa.Array) -> npt.NDArray[Any]:
    return np.asarray((column.fill_null(0) if column.null_count else column).to_numpy(zero_copy_only=False))


def _calls(tail: Tail, files: list[_File]) -> Tail:
    key, started, ended = (np.concatenate(parts) for parts in zip(*(f.calls(tail) for f in files), strict=True))
    return Tail(key, started, started, ended)
