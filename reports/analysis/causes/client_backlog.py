"""The client backlog: earlier calls that were still running when the user's next operation was due."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.streams import read_batches
from loadtests.records.tables import codes_of
from loadtests.records.vocabulary import PUSHES
from reports.analysis.operations.columns import Exemplars
from reports.data.arrays import Ints
from reports.data.contract import StudyRun
from reports.data.interval_index import IntervalIndex
from reports.data.rows import CHUNK_ROWS

LEAST_BACKLOG_NS = 1_000_000
"""A shorter lag is the load generator's own and has no earlier call."""

K = TypeVar("K", bound=Hashable)
_Keys = npt.NDArray[np.uint64]


def earlier_calls(run: StudyRun, groups: Mapping[K, Exemplars]) -> dict[K, Exemplars]:
    """For each group of operations the earlier calls that delayed them, cut to the time between due and started.

    Reads the operations table again, for the users of those operations only."""
    held = {name: _late(group) for name, group in groups.items()}
    late = _joined(list(held.values()))
    if not len(late.key):
        return {}
    files = [_File(path, late) for path in run.directory.table_files("operations")]
    return {name: _calls(group, files) for name, group in held.items()}


def _joined(groups: Sequence[Exemplars]) -> Exemplars:
    """All operations of the groups, each once."""
    none = np.zeros(0, dtype=np.int64)
    key = np.concatenate([none.astype(np.uint64), *(group.key for group in groups)])
    _, once = np.unique(key, return_index=True)
    planned, started, ended = (
        np.concatenate([none, *(getattr(group, name) for group in groups)])[once]
        for name in ("planned", "started", "ended")
    )
    return Exemplars(key[once], planned, started, ended)


def _late(group: Exemplars) -> Exemplars:
    late = group.started - group.planned > LEAST_BACKLOG_NS
    return Exemplars(group.key[late], group.planned[late], group.started[late], group.ended[late])


class _File:
    """One worker's operations: the users of the late ones, and their calls meanwhile. Keeps few rows of a big table."""

    def __init__(self, path: Path, late: Exemplars) -> None:
        found = [
            (user[selected], key[selected])
            for user, key in _columns(path, "user", "key")
            if (selected := _in(key, late.key)).any()
        ]
        user, key = _whole(found, np.int32, np.uint64)
        order = np.argsort(key, kind="stable")
        self._users, self._late = np.unique(user), key[order]
        self._place = np.searchsorted(self._users, user[order])
        self.key, self._calls = self._meanwhile(path, late)

    def places(self, keys: _Keys) -> Ints:
        """The user's number for each operation; -1 for an operation of another worker."""
        if not len(self._late):
            return np.full(len(keys), -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(self._late, keys), len(self._late) - 1)
        return np.where(self._late[places] == keys, self._place[places], -1).astype(np.int64)

    def _meanwhile(self, path: Path, late: Exemplars) -> tuple[_Keys, IntervalIndex]:
        place = self.places(late.key)
        selected = place >= 0
        due = IntervalIndex(place[selected], late.planned[selected], late.started[selected], len(self._users))
        pieces = []
        for user, key, started, ended in (
            _columns(path, "user", "key", "started_ns", "ended_ns") if selected.any() else ()
        ):
            user_index = np.minimum(np.searchsorted(self._users, user), len(self._users) - 1)
            some = (self._users[user_index] == user) & due.touched(user_index, started, ended)
            pieces.append((user_index[some], key[some], started[some], ended[some]))
        user_index, key, started, ended = _whole(pieces, np.int64, np.uint64, np.int64, np.int64)
        return key, IntervalIndex(user_index, started, ended, len(self._users))

    def calls(self, group: Exemplars) -> tuple[_Keys, Ints, Ints]:
        """Key, beginning and end of each earlier call, cut to the time between due and started."""
        place = self.places(group.key)
        selected = place >= 0
        _, lo, hi, interval = self._calls.cut(place[selected], group.planned[selected], group.started[selected])
        some = interval >= 0
        return self.key[self._calls.order[interval[some]]], lo[some], hi[some]


def _in(keys: _Keys, wanted: _Keys) -> npt.NDArray[np.bool_]:
    """Which keys are in `wanted`, which is sorted."""
    places = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
    return np.asarray(wanted[places] == keys)


def _whole(pieces: Sequence[Sequence[npt.NDArray[Any]]], *kinds: type[np.generic]) -> list[npt.NDArray[Any]]:
    """Concatenate the pieces of each column."""
    return [np.concatenate([np.zeros(0, kind), *(p[place] for p in pieces)]) for place, kind in enumerate(kinds)]


def _columns(path: Path, *names: str) -> Iterator[list[npt.NDArray[Any]]]:
    """These columns in big pieces, because a file has many small batches. Excludes pushes, which never block a user."""
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


def _calls(group: Exemplars, files: list[_File]) -> Exemplars:
    key, started, ended = (np.concatenate(parts) for parts in zip(*(f.calls(group) for f in files), strict=True))
    return Exemplars(key, started, started, ended)
