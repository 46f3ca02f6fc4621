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
from reports.data.contract import StudyRun
from reports.data.interval_index import IntervalIndex
from reports.data.rows import CHUNK_ROWS, users

LEAST_BACKLOG_NS = 1_000_000
"""A shorter lag is the load generator's own and has no earlier call."""

K = TypeVar("K", bound=Hashable)


def earlier_calls(run: StudyRun, groups: Mapping[K, Exemplars]) -> dict[K, Exemplars]:
    """For each group of operations the earlier calls that delayed them, cut to the time between due and started.

    Reads the operations table again, for the users of those operations only."""
    held = {name: _late(group) for name, group in groups.items()}
    if not any(len(group.key) for group in held.values()):
        return {}
    calls = _Calls(run, list(held.values()))
    return {name: calls.before(group) for name, group in held.items()}


def _late(group: Exemplars) -> Exemplars:
    """Those that began late, worker by worker."""
    late = np.flatnonzero(group.started - group.planned > LEAST_BACKLOG_NS)
    late = late[np.argsort(group.user[late] >> 32, kind="stable")]
    return Exemplars(*(getattr(group, name)[late] for name in ("key", "user", "planned", "started", "ended")))


class _Calls:
    """Calls of the users of late operations, while these waited. Keeps few rows of a big table."""

    def __init__(self, run: StudyRun, late: Sequence[Exemplars]) -> None:
        user, planned, started = (np.concatenate([getattr(g, n) for g in late]) for n in ("user", "planned", "started"))
        self._users = np.unique(user)
        due = IntervalIndex(np.searchsorted(self._users, user), planned, started, len(self._users))
        files = enumerate(run.directory.table_files("operations"))
        pieces = [piece for number, path in files for piece in self._read(path, number, due)]
        place, key, started, ended = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        self._key, self._intervals = key, IntervalIndex(place, started, ended, len(self._users))

    def _read(self, path: Path, number: int, due: IntervalIndex) -> Iterator[list[npt.NDArray[Any]]]:
        """The user's position, key, beginning and end of calls during any wait."""
        for users_here, *columns in _columns(path, "user", "key", "started_ns", "ended_ns"):
            user = users(users_here, number)
            place = np.minimum(np.searchsorted(self._users, user), len(self._users) - 1)
            known = np.flatnonzero(self._users[place] == user)
            _, started, ended = columns
            some = known[due.touched(place[known], started[known], ended[known])]
            yield [place[some], *(column[some] for column in columns)]

    def before(self, group: Exemplars) -> Exemplars:
        """The earlier calls, each cut to the time between due and started."""
        place = np.searchsorted(self._users, group.user)
        owner, started, ended, interval = self._intervals.cut(place, group.planned, group.started)
        some = interval >= 0
        key = self._key[self._intervals.order[interval[some]]]
        return Exemplars(key, group.user[owner[some]], started[some], started[some], ended[some])


def _columns(path: Path, *names: str) -> Iterator[list[npt.NDArray[Any]]]:
    """These columns in big pieces, because a file has many small batches. Excludes pushes, which never block a user."""
    waiting: list[list[npt.NDArray[Any]]] = []
    held = 0
    for batch in read_batches(path, ("operation", *names)):
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
