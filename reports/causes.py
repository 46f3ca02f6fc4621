"""Where the time went that people waited: for each operation, how much of its response each cause took."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from reports.charges import Asked, Charged, charge
from reports.earlier import earlier_calls
from reports.frames import Floats, Ints
from reports.gather import Axis
from reports.judged_time import inside
from reports.lockledger import LockLedger, Part
from reports.pools import Pools
from reports.requests import Requests, by_operation, requests
from reports.requeststates import States, over_time
from reports.sampled import sampled
from reports.splits import FIGURES, Split, Sums
from reports.tails import Tail, Tails


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


@dataclass(frozen=True)
class RunCauses:
    """One run's part: sums by operation and figure (`mean`: without what the operations' rows tell), and how many
    requests were in the pod's hands, by operation and cause."""

    sums: Mapping[str, Mapping[str, Sums]]
    over_time: States


def run_causes(
    ledger: LockLedger, charges: Sequence[Charged], axis: Axis, tails: Mapping[str, Mapping[str, Tail]]
) -> RunCauses:
    """`tails`: operation → figure → operations."""
    served = requests(ledger.transactions)
    sums = {name: {"mean": total} for name, total in _totals(ledger, charges, served).items()}
    flat = {(name, figure): tail for name, figures in tails.items() for figure, tail in figures.items()}
    earlier = earlier_calls(ledger.run, flat)
    looked = [_around(served, tail) for tail in (*flat.values(), *earlier.values())]
    _add_lock_time([found for found, _ in looked], _joined([spans for _, spans in looked]), ledger)
    found = {place: its for place, (its, _) in zip(flat, looked, strict=False)}
    for place, (before, _) in zip(earlier, looked[len(flat) :], strict=True):
        found[place].through["held back"] = before.felt()
    for (name, figure), its in found.items():
        figures = sums.setdefault(name, {})
        if figure == "mean":  # told in full by totals, but for what single operations were waiting for
            figures.setdefault(figure, Sums()).through = its.felt_times(flat[name, figure].worth)
        else:
            figures[figure] = its
    return RunCauses(sums, over_time(ledger.run, served, axis))


def _totals(ledger: LockLedger, charges: Sequence[Charged], served: Requests) -> dict[str, Sums]:
    """Of everything that the pod did in judged stages."""
    found: dict[str, Sums] = defaultdict(Sums)
    judged = inside(served.since, ledger.run.judged)
    new = np.append(True, served.key[1:] != served.key[:-1])[: len(served)]
    for name, its in by_operation(served):
        mine = its & judged
        found[name].joined = int((mine & new).sum())
        found[name].session = float((served.had - served.asked)[mine].sum())
        found[name].pod = float((served.asked - served.since)[mine].sum())
        found[name].own = float((served.ended - served.had)[mine].sum())
    for rows in (part.rows for part in ledger.parts):
        mine = rows.judged & (rows.hits > 0)
        for code in np.unique(rows.waiter[mine]):
            if rows.names.all[code] in found:
                found[rows.names.all[code]].sampled += sampled(rows, mine & (rows.waiter == code))
    for charged in charges:
        for (kind, holder), seconds in charged.direct.items():
            if kind.waiter in found:
                found[kind.waiter].locks[holder, kind.object] += seconds * 1e9
    return found


class _Spans(NamedTuple):
    """Transactions by their rows in the table, and what of them somebody waited for; `place` is among the tails."""

    place: Ints
    row: Ints
    asked: Ints
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
    return found, _Spans(np.zeros(len(which), dtype=np.int64), served.row[which], asked, had, ended)


def _joined(parts: Sequence[_Spans]) -> _Spans:
    numbered = [spans._replace(place=spans.place + place) for place, spans in enumerate(parts)]
    none = np.zeros(0, dtype=np.int64)
    return (
        _Spans(*(np.concatenate(columns) for columns in zip(*numbered, strict=True))) if parts else _Spans(*[none] * 5)
    )


def _expanded(first: Ints, past: Ints) -> tuple[Ints, Ints]:
    """Whose each is, and which, of several from one place to another."""
    counts = past - first
    whose = np.repeat(np.arange(len(first)), counts)
    return whose, first[whose] + np.arange(len(whose)) - np.repeat(np.cumsum(counts) - counts, counts)


def _add_lock_time(sums: Sequence[Sums], spans: _Spans, ledger: LockLedger) -> None:
    """What was waited for locks, inside the transactions and by the sessions that were waited for."""
    for part in ledger.parts:
        _add_locks(sums, spans, part)
    if not (spans.since > spans.asked).any():
        return
    pools, pool = Pools(ledger), ledger.transactions.pool[spans.row]
    for one in np.unique(pool):
        mine = pool == one
        for pair, ns in pools.behind(int(one), spans.asked[mine], spans.since[mine]).items():
            for place, waited in enumerate(np.bincount(spans.place[mine], ns, len(sums))):
                if waited > 0:
                    through = sums[place].through.setdefault("session", {})
                    through[pair] = through.get(pair, 0.0) + float(waited)


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
    for number, found in enumerate(sums):
        found.sampled += sampled(rows, which[~timed & (spans.place[whose] == number)])
    objects = len(rows.objects.all)
    group = spans.place[whose] * objects + rows.object[which]
    for (code, label), ns in charge(
        rows, part.held, Asked(which, starts, np.maximum(ends, starts), group), "direct"
    ).items():
        sums[code // objects].locks[rows.names.all[label], rows.objects.all[code % objects]] += ns


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


def splits_together(
    told: Mapping[str, Told], rounds: Sequence[RunCauses], period_s: float | None
) -> dict[str, dict[str, Split]]:
    """Of each operation, the rounds pooled. `period_s` is that of the sampling, None where there was none."""
    found: dict[str, dict[str, Split]] = {}
    for name, its in told.items():
        for figure in FIGURES:
            sums = Sums()
            for one in rounds:
                sums.add(one.sums.get(name, {}).get(figure, Sums()))
            if figure == "mean":
                sums.n, sums.response, sums.held_back = its.n, its.response, its.held_back
            value = (its.response / its.n, its.at_least) if figure == "mean" and its.n else its.values.get(figure)
            split = sums.split(*value, period_s) if value is not None else None
            if split is not None:
                found.setdefault(name, {})[figure] = split
    return found
