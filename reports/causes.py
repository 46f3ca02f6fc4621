"""Where the time went that people waited: for each operation, how much of its response each cause took."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from reports.charges import Asked, Charged, charge
from reports.density import density
from reports.frames import Floats, Ints, Mask, Run
from reports.gather import Axis
from reports.judged_time import inside
from reports.lockledger import LockLedger, Part
from reports.requests import Requests, requests
from reports.tails import Tail, Tails
from reports.transactions import OPERATION_NAMES
from reports.waits import mean_over_time

CAUSES: tuple[str, ...] = ("held back", "lock", "session", "database", "pod", "rest")
"""In the order shown. `held back`: planned → started, its user still in an earlier call. `lock`: waits for locks inside
its transactions, and for SQLite's write lock before them. `session`: the pod asked its pool → had one. `database`: the
rest of its transactions: statements, commit, round trips between pod and database. `pod`: from taking the request up to
asking for a session, and between its transactions. `rest`: the network, the pod's socket before it took the request up,
the way back of the reply."""
FIGURES: tuple[str, ...] = ("mean", "p50", "p95", "p99")
"""The figures of a response that are split, in the order shown."""
JOINED = 0.5
"""Where fewer of the operations looked into had a transaction, nothing is said of where their time went."""


@dataclass(frozen=True)
class Split:
    """One figure of an operation's response, in ns, by cause: `parts` add up to `value_ns`.

    `n` operations were looked into. `locks` is `parts["lock"]` by who held the lock and what it was on.
    """

    value_ns: float
    n: int
    parts: Mapping[str, float]
    locks: Mapping[tuple[str, str], float]
    at_least: bool = False
    """The figure falls among waits whose end nobody saw."""


@dataclass(frozen=True)
class Causes:
    """`known` is how lock waits are known; None: nothing is known of causes, and `reason` says why. A reason beside
    what is known: the pods do not say when they took a request up and asked for a session; all that is in the rest.

    `splits`: operation → figure → split. The mean is of all judged operations, however they ended; a percentile of
    the operations around it (see `tails`). A figure for which too few rows could be joined is not there.
    `over_time`: operation → cause → mean number of requests in that state in each bin of the axis.
    """

    known: str | None = None
    reason: str = ""
    splits: Mapping[str, Mapping[str, Split]] = field(default_factory=dict)
    over_time: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)


@dataclass
class Sums:
    """Of several operations together, in ns: what a split is made of. `own` is the time of their transactions, with
    the lock waits inside; `joined` of `n` had any."""

    n: int = 0
    joined: int = 0
    response: float = 0.0
    held_back: float = 0.0
    session: float = 0.0
    pod: float = 0.0
    own: float = 0.0
    locks: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))

    def add(self, other: "Sums") -> None:
        for name in ("n", "joined", "response", "held_back", "session", "pod", "own"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for pair, ns in other.locks.items():
            self.locks[pair] += ns

    def split(self, value_ns: float, at_least: bool) -> Split | None:
        """Scaled to a figure; None where too few of them had a transaction."""
        if not self.n or self.joined < JOINED * self.n or self.response <= 0:
            return None
        lock = min(sum(self.locks.values()), self.own)
        parts = {"held back": self.held_back, "lock": lock, "session": self.session, "database": self.own - lock}
        parts["pod"] = self.pod
        parts["rest"] = max(self.response - sum(parts.values()), 0.0)
        scale, told = value_ns / sum(parts.values()), max(sum(self.locks.values()), 1e-9)
        locks = {pair: ns * lock / told * scale for pair, ns in self.locks.items() if ns > 0}
        return Split(value_ns, self.n, {cause: parts[cause] * scale for cause in CAUSES}, locks, at_least)


@dataclass(frozen=True)
class RunCauses:
    """One run's part: sums by operation and figure (`mean`: without what the operations' rows tell), and how many
    requests were in the pod's hands, by operation and cause."""

    sums: Mapping[str, Mapping[str, Sums]]
    over_time: Mapping[str, Mapping[str, Floats]]


def run_causes(
    ledger: LockLedger, charges: Sequence[Charged], axis: Axis, tails: Mapping[str, Mapping[str, Tail]]
) -> RunCauses:
    """`tails`: operation → figure → operations."""
    served = requests(ledger.transactions)
    sums = {name: {"mean": total} for name, total in _totals(ledger, charges, served).items()}
    flat = {(name, figure): tail for name, figures in tails.items() for figure, tail in figures.items()}
    looked = [_around(served, tail) for tail in flat.values()]
    for part in ledger.parts:
        _add_locks([found for found, _ in looked], _joined([spans for _, spans in looked]), part)
    for (name, figure), (found, _) in zip(flat, looked, strict=True):
        sums.setdefault(name, {})[figure] = found
    return RunCauses(sums, _over_time(ledger.run, served, axis))


def _operations(served: Requests) -> Iterable[tuple[str, Mask]]:
    for code in np.unique(served.operation):
        if code < len(OPERATION_NAMES):
            yield OPERATION_NAMES[code], served.operation == code


def _totals(ledger: LockLedger, charges: Sequence[Charged], served: Requests) -> dict[str, Sums]:
    """Of everything that the pod did in judged stages."""
    found: dict[str, Sums] = defaultdict(Sums)
    judged = inside(served.since, ledger.run.judged)
    new = np.append(True, served.key[1:] != served.key[:-1])[: len(served)]
    for name, its in _operations(served):
        mine = its & judged
        found[name].joined = int((mine & new).sum())
        found[name].session = float((served.had - served.asked)[mine].sum())
        found[name].pod = float((served.asked - served.since)[mine].sum())
        found[name].own = float((served.ended - served.had)[mine].sum())
    for charged in charges:
        for (kind, holder), seconds in charged.direct.items():
            if kind.waiter in found:
                found[kind.waiter].locks[holder, kind.object] += seconds * 1e9
    return found


def _over_time(run: Run, served: Requests, axis: Axis) -> dict[str, dict[str, Floats]]:
    edges = axis.edges_ns(run)
    spans = {"session": (served.asked, served.had), "pod": (served.since, served.asked)}
    spans["database"] = (served.had, served.ended)
    return {
        name: {cause: density(edges, start[mine], end[mine]) for cause, (start, end) in spans.items()}
        for name, mine in _operations(served)
    }


class _Spans(NamedTuple):
    """Transactions by their rows in the table, and what of them somebody waited for; `place` is among the tails."""

    place: Ints
    row: Ints
    since: Ints
    until: Ints


def _around(served: Requests, tail: Tail) -> tuple[Sums, _Spans]:
    """What these operations did, no longer than somebody waited for each; without the locks."""
    first, past = (np.searchsorted(served.key, tail.key, side=side) for side in ("left", "right"))
    whose, which = _expanded(first, past)
    since, asked, had, ended = (
        np.clip(moments[which], tail.started[whose], tail.ended[whose])
        for moments in (served.since, served.asked, served.had, served.ended)
    )
    found = Sums(
        len(tail.key),
        int((past > first).sum()),
        float((tail.ended - tail.planned).sum()),
        float((tail.started - tail.planned).sum()),
        float((had - asked).sum()),
        float((asked - since).sum()),
        float((ended - had).sum()),
    )
    return found, _Spans(np.zeros(len(which), dtype=np.int64), served.row[which], had, ended)


def _joined(parts: Sequence[_Spans]) -> _Spans:
    numbered = [spans._replace(place=spans.place + place) for place, spans in enumerate(parts)]
    none = np.zeros(0, dtype=np.int64)
    return (
        _Spans(*(np.concatenate(columns) for columns in zip(*numbered, strict=True))) if parts else _Spans(*[none] * 4)
    )


def _expanded(first: Ints, past: Ints) -> tuple[Ints, Ints]:
    """Whose each is, and which, of several from one place to another."""
    counts = past - first
    whose = np.repeat(np.arange(len(first)), counts)
    return whose, first[whose] + np.arange(len(whose)) - np.repeat(np.cumsum(counts) - counts, counts)


def _add_locks(sums: Sequence[Sums], spans: _Spans, part: Part) -> None:
    """The waits inside those spans, to the sums of their tails: all at once, because the line is a long one."""
    rows = part.rows
    order = np.argsort(rows.transaction, kind="stable")
    first, past = (np.searchsorted(rows.transaction, spans.row, side=side, sorter=order) for side in ("left", "right"))
    whose, place = _expanded(first, past)
    which = order[place]
    # What was sampled counts as a whole, or its total would be too small.
    timed = rows.hits[which] < 0
    starts = np.where(timed, np.maximum(rows.starts[which], spans.since[whose]), rows.starts[which])
    ends = np.where(timed, np.minimum(rows.ends[which], spans.until[whose]), rows.ends[which])
    objects = len(rows.objects.all)
    group = spans.place[whose] * objects + rows.object[which]
    for (code, label), ns in charge(
        rows, part.held, Asked(which, starts, np.maximum(ends, starts), group), "direct"
    ).items():
        sums[code // objects].locks[rows.names.all[label], rows.objects.all[code % objects]] += ns


@dataclass(frozen=True)
class OverTime:
    """What else is known of a run, by operation and bin: requests `under_way` ([whole, not begun yet]), and how many of
    them were `waiting` for locks."""

    run: Run
    under_way: Mapping[str, Floats]
    waiting: Mapping[str, Floats]


@dataclass(frozen=True)
class Told:
    """What an operation's own rows tell of it: how many, all responses and their time before they began (ns), whether
    the end of any was not seen; and its percentiles with what is around them, by run."""

    n: int
    response: float
    held_back: float
    at_least: bool
    values: Mapping[str, tuple[float, bool]]
    tails: Tails


def splits_together(told: Mapping[str, Told], rounds: Sequence[RunCauses]) -> dict[str, dict[str, Split]]:
    """Of each operation, the rounds pooled."""
    found: dict[str, dict[str, Split]] = {}
    for name, its in told.items():
        for figure in FIGURES:
            sums = Sums()
            for one in rounds:
                sums.add(one.sums.get(name, {}).get(figure, Sums()))
            if figure == "mean":
                sums.n, sums.response, sums.held_back = its.n, its.response, its.held_back
            value = (its.response / its.n, its.at_least) if figure == "mean" and its.n else its.values.get(figure)
            split = sums.split(*value) if value is not None else None
            if split is not None:
                found.setdefault(name, {})[figure] = split
    return found


def over_time_together(
    rounds: Sequence[RunCauses], told: Sequence[OverTime], axis: Axis
) -> dict[str, dict[str, Floats]]:
    """Mean number of requests by operation and cause, over the rounds."""
    found: dict[str, dict[str, Floats]] = {}
    named = {name for its in told for name in its.under_way}
    for name in dict.fromkeys(name for one in rounds for name in one.over_time if name in named):
        parts = [_states(name, one, its, axis) for one, its in zip(rounds, told, strict=True)]
        found[name] = mean_over_time([its.run for its in told], parts, axis)
    return found


def _states(name: str, one: RunCauses, its: OverTime, axis: Axis) -> dict[str, Floats]:
    none, served = np.zeros(axis.count), one.over_time.get(name, {})
    whole, held_back = its.under_way.get(name, np.zeros((2, axis.count)))
    own = served.get("database", none)
    lock = np.minimum(its.waiting.get(name, none), own)
    states = {"held back": held_back, "lock": lock, "session": served.get("session", none)}
    states |= {"database": own - lock, "pod": served.get("pod", none)}
    states["rest"] = np.maximum(whole - sum(states.values()), 0.0)
    return states
