"""What a user was doing while its next operation was already due: its earlier calls, found by user and time."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.streams import read_batches
from loadtests.records.tables import codes_of
from loadtests.records.vocabulary import PUSHES
from reports.frames import CHUNK_ROWS, Ints, Run
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
    late = _joined(list(held.values()))
    if not len(late.key):
        return {}
    files = [_File(path, late) for path in run.directory.table_files("operations")]
    return {name: _calls(tail, files) for name, tail in held.items()}


def _joined(tails: Sequence[Tail]) -> Tail:
    """Each operation once."""
    none = np.zeros(0, dtype=np.int64)
    key = np.concatenate([none.astype(np.uint64), *(tail.key for tail in tails)])
    _, once = np.unique(key, return_index=True)
    planned, started, ended = (
        np.concatenate([none, *(getattr(tail, name) for tail in tails)])[once]
        for name in ("planned", "started", "ended")
    )
    return Tail(key[once], planned, started, ended)


def _late(tail: Tail) -> Tail:
    late = tail.started - tail.planned > HELD_BACK_NS
    return Tail(tail.key[late], tail.planned[late], tail.started[late], tail.ended[late])


class _File:
    """One worker's operations: whose the late ones are, and what those users did while they were due. Little of a big
    table is kept."""

    def __init__(self, path: Path, late: Tail) -> None:
        found = [
            (user[mine], key[mine]) for user, key in _columns(path, "user", "key") if (mine := _in(key, late.key)).any()
        ]
        user, key = _whole(found, np.int32, np.uint64)
        order = np.argsort(key, kind="stable")
        self._users, self._late = np.unique(user), key[order]
        self._lane = np.searchsorted(self._users, user[order])
        self.key, self._calls = self._meanwhile(path, late)

    def lanes(self, keys: _Keys) -> Ints:
        """Whose operation each is; -1 for none of this worker's."""
        if not len(self._late):
            return np.full(len(keys), -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(self._late, keys), len(self._late) - 1)
        return np.where(self._late[places] == keys, self._lane[places], -1).astype(np.int64)

    def _meanwhile(self, path: Path, late: Tail) -> tuple[_Keys, Lanes]:
        lane = self.lanes(late.key)
        mine = lane >= 0
        due = Lanes(lane[mine], late.planned[mine], late.started[mine], len(self._users))
        pieces = []
        for user, key, started, ended in _columns(path, "user", "key", "started_ns", "ended_ns") if mine.any() else ():
            theirs = np.minimum(np.searchsorted(self._users, user), len(self._users) - 1)
            some = (self._users[theirs] == user) & due.touched(theirs, started, ended)
            pieces.append((theirs[some], key[some], started[some], ended[some]))
        theirs, key, started, ended = _whole(pieces, np.int64, np.uint64, np.int64, np.int64)
        return key, Lanes(theirs, started, ended, len(self._users))

    def calls(self, tail: Tail) -> tuple[_Keys, Ints, Ints]:
        """Key, from, to."""
        lane = self.lanes(tail.key)
        mine = lane >= 0
        _, lo, hi, which = self._calls.cut(lane[mine], tail.planned[mine], tail.started[mine])
        some = which >= 0
        return self.key[self._calls.order[which[some]]], lo[some], hi[some]


def _in(keys: _Keys, wanted: _Keys) -> npt.NDArray[np.bool_]:
    """Which of the keys are wanted; those are sorted."""
    places = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
    return np.asarray(wanted[places] == keys)


def _whole(pieces: Sequence[Sequence[npt.NDArray[Any]]], *kinds: type[np.generic]) -> list[npt.NDArray[Any]]:
    """Columns from pieces of them."""
    return [np.concatenate([np.zeros(0, kind), *(p[place] for p in pieces)]) for place, kind in enumerate(kinds)]


def _columns(path: Path, *names: str) -> Iterator[list[npt.NDArray[Any]]]:
    """These columns, without pushes: nobody is kept by one. In big pieces, because a file has many small batches."""
    waiting: list[list[npt.NDArray[Any]]] = []
    held = 0
    for batch in read_batches(path):
        codes = codes_of(batch.schema).get("operation", [])
        request = np.ones(256, dtype=np.bool_)
        request[[code for code, name in enumerate(codes) if name in PUSHES]] = False
        requests = request[batch.column("operation").to_numpy(zero_copy_only=False)]
        waiting.append([_filled(batch.column(name))[requests] for name in names])
        held += batch.num_rows
        if held >= CHUNK_ROWS:
            yield [np.concatenate(column) for column in zip(*waiting, strict=True)]
            waiting, held = [], 0
    if waiting:
        yield [np.concatenate(column) for column in zip(*waiting, strict=True)]


def _filled(column: pa.Array) -> npt.NDArray[Any]:
    return np.asarray((column.fill_null(0) if column.null_count else column).to_numpy(zero_copy_only=False))


def _calls(tail: Tail, files: list[_File]) -> Tail:
    key, started, ended = (np.concatenate(parts) for parts in zip(*(f.calls(tail) for f in files), strict=True))
    return Tail(key, started, started, ended)
