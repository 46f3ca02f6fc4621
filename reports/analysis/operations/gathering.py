"""A run's operations, read once: rows by measure, counts by bin, SLIs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES, PUSHES
from reports.analysis.operations.columns import MeasureColumn, RequestIdentity
from reports.analysis.operations.slo_breaches import SliCounts
from reports.data.arrays import MISSING, Codes, Ints, Mask, concatenated, rows_of
from reports.data.contract import StudyRun
from reports.data.density import between, elapsed
from reports.data.judged_time import inside
from reports.data.rows import Rows, operations
from reports.findings.operations import FROM_CAUSE, FROM_STAMP, TOLERANCE_NS, Axis, StampClock
from reports.findings.slis import SLIS

_DELIVER = OPERATIONS.index("event.deliver")

_OK = OUTCOMES.index("ok")

_WIDTHS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)

_BINS = 72

_SLIVER = 0.2


def axis_for(runs: list[StudyRun]) -> Axis:
    """Bins of a round width, at most about seventy over the longest run. A very short last bin is merged into the one
    before: a rate over a few milliseconds is meaningless."""
    span_s = max((run.ended_ns - run.started_ns for run in runs), default=0) / 1e9 or 1.0
    width_s = next((w for w in _WIDTHS_S if span_s / w <= _BINS), span_s / _BINS)
    return Axis(round(width_s * 1e9), max(int(np.ceil(span_s / width_s - _SLIVER)), 1))


@dataclass
class _Timed:
    """Rows that were due at `at`, waited since `since` and were served from `served`."""

    at: Ints
    since: Ints
    served: Ints
    ended: Ints
    outcome: Codes
    pod: Codes


@dataclass
class _Loose:
    """Pushes whose cause their worker does not know."""

    key: npt.NDArray[np.uint64]
    published: Ints
    ended: Ints
    outcome: Codes
    pod: Codes


@dataclass
class Gathered:
    """A run's rows by measure; errors and outcomes counted; requests planned and ended in each bin of the axis."""

    run: StudyRun
    axis: Axis
    pods: Sequence[str]
    slis: SliCounts
    stamp_clock: StampClock
    columns: dict[str, list[MeasureColumn]] = field(default_factory=dict)
    """In pieces, which are joined when a measure is taken: all measures joined at once need twice the memory."""
    identities: dict[str, list[RequestIdentity]] = field(default_factory=dict)
    """Of requests: pushes have none."""
    loose: list[_Loose] = field(default_factory=list)
    under_way: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """Requests of each operation that were planned and not ended, mean number, [whole or not begun yet, bin]."""

    def __post_init__(self) -> None:
        self.errors = np.zeros((len(self.pods) + 1, len(OPERATIONS), len(ERRORS)), dtype=np.int64)
        """Judged rows, [pod, operation, error]; the last pod stands for all unnamed ones."""
        self.planned = np.zeros(self.axis.count, dtype=np.int64)
        """Requests planned, [bin]."""
        self.ended = np.zeros((self.axis.count, len(OUTCOMES)), dtype=np.int64)
        """Requests ended, [bin, outcome]."""

    def take(self, measure: str) -> MeasureColumn | None:
        """Remove the rows of a measure and return them; None without any."""
        return concatenated(self.columns.pop(measure)) if measure in self.columns else None

    def take_identity(self, operation: str) -> RequestIdentity | None:
        """Remove what the requests of an operation are joined by and return it; None without any."""
        return concatenated(self.identities.pop(operation)) if operation in self.identities else None

    def add(self, measure: str, rows: _Timed) -> Mask:
        """Add the rows; return which are judged."""
        judged, response = inside(rows.at, self.run.judged), rows.ended - rows.since
        bins, stages = self.axis.bins(rows.at, self.run), _stages(rows.at, self.run)
        column = MeasureColumn(response, rows.ended - rows.served, rows.outcome, bins, judged, stages, rows.pod)
        self.columns.setdefault(measure, []).append(column)
        if measure in SLIS:
            self.slis.add(measure, rows.at - self.run.started_ns, response, rows.outcome, rows.pod)
        return judged

    def identify(self, operation: str, rows: Rows, planned: Ints, started: Ints) -> None:
        """Keep what requests are joined by; copies, because a piece of an array keeps all of it in memory."""
        self.identities.setdefault(operation, []).append(
            RequestIdentity(rows.key.copy(), rows.user.copy(), planned.copy())
        )
        edges = self.axis.edges_ns(self.run)
        begun = elapsed(edges, planned)
        ends = (elapsed(edges, np.maximum(planned, moments)) for moments in (rows.ended_ns, started))
        lasting = np.stack([between(edges, begun, each) for each in ends])
        self.under_way[operation] = self.under_way.get(operation, 0.0) + lasting

    def count(self, bins: npt.NDArray[np.int16], into: npt.NDArray[np.int64]) -> None:
        into += np.bincount(bins[bins >= 0], minlength=self.axis.count)


def gather(run: StudyRun, axis: Axis, pods: Sequence[str], limits_s: Mapping[str, float]) -> Gathered:
    """Read the run's operations once. `pods` are the pods by which rows are split; `limits_s` is the time within which
    an attempt of each SLI is good."""
    slis = SliCounts(len(pods), (run.ended_ns - run.started_ns) / 1e9, limits_s)
    state = Gathered(run, axis, pods, slis, StampClock(tolerance_ns=tolerance_ns(run.manifest)))
    for rows in operations(run, pods):
        for code, picked in _by_operation(rows):
            (_add_deliveries if code == _DELIVER else _add_requests)(state, code, picked)
    _join_loose(state)
    return state


def _stages(at: Ints, run: StudyRun) -> npt.NDArray[np.int8]:
    """The place of the stage of each time; -1 between stages, before the first and after the last."""
    places = np.full(len(at), -1, dtype=np.int8)
    for place, stage in enumerate(run.stages):
        places[(at >= stage.started_ns) & (at < stage.ended_ns)] = place
    return places


def _by_operation(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Rows of one operation at a time; rows of unknown operations are left out."""
    ordered = rows_of(rows, np.argsort(rows.operation, kind="stable"))
    edges = np.searchsorted(ordered.operation, np.arange(len(OPERATIONS) + 1, dtype=np.uint8))
    for code, (start, end) in enumerate(pairwise(edges)):
        if end > start:
            yield code, rows_of(ordered, slice(start, end))


def _add_requests(state: Gathered, code: int, rows: Rows) -> None:
    started = _first(rows.started_ns, rows.planned_ns, rows.ended_ns)
    planned = _first(rows.planned_ns, started)
    timed = _Timed(planned, planned, started, rows.ended_ns, rows.outcome, rows.pod)
    _count_errors(state, code, rows, state.add(OPERATIONS[code], timed))
    if OPERATIONS[code] in PUSHES:
        return
    state.identify(OPERATIONS[code], rows, planned, started)
    state.count(state.axis.bins(planned, state.run), state.planned)
    ended = state.axis.bins(rows.ended_ns, state.run)
    for outcome in range(len(OUTCOMES)):
        state.count(ended[rows.outcome == outcome], state.ended[:, outcome])


def _add_deliveries(state: Gathered, code: int, rows: Rows) -> None:
    """Errors are counted at the arrival of a push: its stamp may come from another clock."""
    known, stamped = rows.started_ns != MISSING, rows.published_ns != MISSING
    _count_errors(state, code, rows, inside(rows.ended_ns, state.run.judged))
    _add_where(state, FROM_CAUSE, rows, rows.started_ns, known)
    _add_where(state, FROM_STAMP, rows, rows.published_ns, stamped)
    state.stamp_clock = state.stamp_clock.with_pushes(rows.published_ns[stamped], rows.ended_ns[stamped])
    both = known & stamped
    state.stamp_clock = state.stamp_clock.with_pushes(
        rows.published_ns[both], rows.ended_ns[both], rows.started_ns[both]
    )
    state.loose.append(
        rows_of(_Loose(rows.key, rows.published_ns, rows.ended_ns, rows.outcome, rows.pod), np.flatnonzero(~known))
    )


def _add_where(state: Gathered, measure: str, rows: Rows, since: Ints, where: Mask) -> None:
    """A push is placed at the start of its cause, by our clock; measured from its stamp, at its arrival."""
    if where.any():
        begun, ended = since[where], rows.ended_ns[where]
        at = ended if measure == FROM_STAMP else begun
        state.add(measure, _Timed(at, begun, begun, ended, rows.outcome[where], rows.pod[where]))


def _join_loose(state: Gathered) -> None:
    """Join deliveries caused by another worker by key. Without a known cause they keep only the stamp."""
    if not any(len(piece.key) for piece in state.loose):
        return
    loose, state.loose = concatenated(state.loose), []
    begun = _begun(state, loose.key)
    found = begun != MISSING
    if not found.any():
        return
    loose, begun = rows_of(loose, found), begun[found]
    stamped = loose.published != MISSING
    state.stamp_clock = state.stamp_clock.with_pushes(loose.published[stamped], loose.ended[stamped], begun[stamped])
    state.add(FROM_CAUSE, _Timed(begun, begun, begun, loose.ended, loose.outcome, loose.pod))


def _begun(state: Gathered, keys: npt.NDArray[np.uint64]) -> Ints:
    """When the first request with each key began; MISSING without one. Piece by piece of the many requests."""
    wanted, of_each = np.unique(keys, return_inverse=True)
    begun = np.full(len(wanted), MISSING)
    for name, identities in reversed(state.identities.items()):
        for identity, piece in zip(reversed(identities), reversed(state.columns[name]), strict=True):
            place = np.minimum(np.searchsorted(wanted, identity.key), len(wanted) - 1)
            same = np.flatnonzero(wanted[place] == identity.key)[::-1]  # of equal keys the last assignment counts
            begun[place[same]] = identity.planned[same] + piece.response[same] - piece.service[same]
    return begun[of_each]


def _count_errors(state: Gathered, code: int, rows: Rows, judged: Mask) -> None:
    wrong = judged & (rows.outcome != _OK) & (rows.error < len(ERRORS))
    pods, errors = np.minimum(rows.pod[wrong], len(state.pods)).astype(np.int64), rows.error[wrong]
    counts = np.bincount(pods * len(ERRORS) + errors, minlength=(len(state.pods) + 1) * len(ERRORS))
    state.errors[:, code] += counts.reshape(-1, len(ERRORS))


def _first(*times: Ints) -> Ints:
    """The first of these that is not missing, row by row."""
    chosen = times[0]
    for other in times[1:]:
        missing = chosen == MISSING
        if not missing.any():
            break
        chosen = np.where(missing, other, chosen)
    return chosen


def tolerance_ns(manifest: Mapping[str, Any]) -> int:
    """Tolerance of the run's clocks, with the clock error of workers on other hosts."""
    workers = (manifest.get("generator") or {}).get("workers") or ()
    errors = [worker.get("error_ns") for worker in workers if isinstance(worker, Mapping)]
    return TOLERANCE_NS + max((int(error) for error in errors if isinstance(error, int | float)), default=0)
