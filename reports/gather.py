"""One run's rows, sorted by what they measure: durations with the little that figures need to know of each."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES, PUSHES
from reports.frames import MISSING, Codes, Floats, Ints, Mask, Rows, Run, operations
from reports.judged_time import inside

FROM_CAUSE = "event.deliver"
FROM_STAMP = "event.deliver from stamp"
MEASURES: tuple[str, ...] = (*OPERATIONS, FROM_STAMP)
"""What is measured, in the order shown: operations, and deliveries a second time, from the server's own stamp."""

_DELIVER = OPERATIONS.index("event.deliver")
_OK = OUTCOMES.index("ok")
_WIDTHS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)
_BINS = 72


@dataclass(frozen=True)
class Axis:
    """The time axis that all runs of a study share: bins of `width_ns`, 0 being the start of a run's first stage."""

    width_ns: int
    count: int

    @property
    def width_s(self) -> float:
        return self.width_ns / 1e9

    @property
    def centres_s(self) -> Floats:
        return np.asarray((np.arange(self.count) + 0.5) * self.width_s, dtype=np.float64)

    def edges_ns(self, run: Run) -> Ints:
        return run.started_ns + np.arange(self.count + 1, dtype=np.int64) * self.width_ns

    def bins(self, times: Ints, run: Run) -> npt.NDArray[np.int16]:
        """The bin of each time; -1 for one outside the axis."""
        places = (times - run.started_ns) // self.width_ns
        return np.where((places >= 0) & (places < self.count), places, -1).astype(np.int16)


def axis_for(runs: list[Run]) -> Axis:
    """Bins of a round width, at most some seventy of them over the longest run."""
    span_s = max((run.ended_ns - run.started_ns for run in runs), default=0) / 1e9 or 1.0
    width_s = next((w for w in _WIDTHS_S if span_s / w <= _BINS), span_s / _BINS)
    return Axis(round(width_s * 1e9), int(np.ceil(span_s / width_s - 1e-9)))


@dataclass
class Column:
    """One measure's rows of a run: durations in ns, and for each its outcome, its bin, and whether it counts."""

    response: Ints
    service: Ints
    outcome: Codes
    bin: npt.NDArray[np.int16]
    judged: Mask


@dataclass
class Gathered:
    """A run's rows by measure; errors and outcomes counted; requests planned and ended in each bin of the axis."""

    columns: dict[str, Column]
    errors: npt.NDArray[np.int64]
    """Judged rows, [operation, error]."""
    planned: npt.NDArray[np.int64]
    """Requests planned, [bin]."""
    ended: npt.NDArray[np.int64]
    """Requests ended, [bin, outcome]."""


@dataclass
class _Gathering:
    run: Run
    axis: Axis
    pieces: dict[str, list[Column]] = field(default_factory=dict)
    loose: list[tuple[npt.NDArray[np.uint64], Ints, Codes]] = field(default_factory=list)
    causes: list[tuple[npt.NDArray[np.uint64], Ints]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.errors = np.zeros((len(OPERATIONS), len(ERRORS)), dtype=np.int64)
        self.planned = np.zeros(self.axis.count, dtype=np.int64)
        self.ended = np.zeros((self.axis.count, len(OUTCOMES)), dtype=np.int64)

    def add(self, measure: str, at: Ints, since: Ints, served: Ints, ended: Ints, outcome: Codes) -> Mask:  # noqa: PLR0913, PLR0917
        """Files rows that were due at `at`, waited `since` and were served from `served`; says which are judged."""
        judged = inside(at, self.run.judged)
        column = Column(ended - since, ended - served, outcome, self.axis.bins(at, self.run), judged)
        self.pieces.setdefault(measure, []).append(column)
        return judged

    def count(self, bins: npt.NDArray[np.int16], into: npt.NDArray[np.int64]) -> None:
        into += np.bincount(bins[bins >= 0], minlength=self.axis.count)


def gather(run: Run, axis: Axis) -> Gathered:
    """Reads the run's operations once."""
    state = _Gathering(run, axis)
    for rows in operations(run):
        for code, picked in _by_operation(rows):
            (_add_deliveries if code == _DELIVER else _add_requests)(state, code, picked)
    _join_loose(state)
    columns = {name: _whole(state.pieces.pop(name)) for name in MEASURES if name in state.pieces}
    return Gathered(columns, state.errors, state.planned, state.ended)


def _by_operation(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Rows of one operation at a time; those of operations that we do not know are left out."""
    order = np.argsort(rows.operation, kind="stable")
    ordered = [getattr(rows, name)[order] for name in Rows.__dataclass_fields__]
    edges = np.searchsorted(ordered[0], np.arange(len(OPERATIONS) + 1))
    for code, (start, end) in enumerate(pairwise(edges)):
        if end > start:
            yield code, Rows(*(column[start:end] for column in ordered))


def _add_requests(state: _Gathering, code: int, rows: Rows) -> None:
    started = _first(rows.started_ns, rows.planned_ns, rows.ended_ns)
    planned = _first(rows.planned_ns, started)
    judged = state.add(OPERATIONS[code], planned, planned, started, rows.ended_ns, rows.outcome)
    _count_errors(state, code, rows, judged)
    if OPERATIONS[code] in PUSHES:
        return
    state.causes.append((rows.key, started))
    state.count(state.axis.bins(planned, state.run), state.planned)
    ended = state.axis.bins(rows.ended_ns, state.run)
    for outcome in range(len(OUTCOMES)):
        state.count(ended[rows.outcome == outcome], state.ended[:, outcome])


def _add_deliveries(state: _Gathering, code: int, rows: Rows) -> None:
    known = rows.started_ns != MISSING
    at = _first(rows.published_ns, rows.ended_ns)
    _count_errors(state, code, rows, inside(at, state.run.judged))
    _add_where(state, FROM_CAUSE, rows, rows.started_ns, known)
    _add_where(state, FROM_STAMP, rows, rows.published_ns, rows.published_ns != MISSING)
    state.loose.append((rows.key[~known], rows.ended_ns[~known], rows.outcome[~known]))


def _add_where(state: _Gathering, measure: str, rows: Rows, since: Ints, where: Mask) -> None:
    if where.any():
        begun, ended = since[where], rows.ended_ns[where]
        state.add(measure, begun, begun, begun, ended, rows.outcome[where])


def _join_loose(state: _Gathering) -> None:
    """Deliveries whose cause another worker made: joined by key. Without a known cause they keep only the stamp."""
    if not state.loose or not state.causes:
        return
    key, ended, outcome = (np.concatenate(parts) for parts in zip(*state.loose, strict=True))
    if not len(key):
        return
    causes, started = (np.concatenate(parts) for parts in zip(*state.causes, strict=True))
    order = np.argsort(causes)
    places = np.minimum(np.searchsorted(causes, key, sorter=order), len(causes) - 1)
    found = causes[order[places]] == key
    begun = started[order[places[found]]]
    state.add(FROM_CAUSE, begun, begun, begun, ended[found], outcome[found])


def _count_errors(state: _Gathering, code: int, rows: Rows, judged: Mask) -> None:
    wrong = rows.error[judged & (rows.outcome != _OK)]
    state.errors[code] += np.bincount(wrong[wrong < len(ERRORS)], minlength=len(ERRORS))


def _first(*times: Ints) -> Ints:
    """The first of these that is not missing, row by row."""
    chosen = times[0]
    for other in times[1:]:
        missing = chosen == MISSING
        if not missing.any():
            break
        chosen = np.where(missing, other, chosen)
    return chosen


def _whole(pieces: list[Column]) -> Column:
    return Column(*(np.concatenate([getattr(p, name) for p in pieces]) for name in Column.__dataclass_fields__))
