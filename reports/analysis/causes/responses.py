"""Attribution of the response of each operation to its causes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reports.analysis.causes.client_backlog import earlier_calls
from reports.analysis.causes.pools import Pools
from reports.analysis.causes.request_states import States, over_time
from reports.analysis.causes.splits import Sums
from reports.analysis.locks.attribution import Asked, attribute_time
from reports.analysis.locks.ledger import Attribution, LockLedger, SourceWaits
from reports.analysis.locks.sampled import sampled
from reports.analysis.operations.columns import Exemplars, OperationResponses
from reports.data.arrays import Ints
from reports.data.judged_time import inside
from reports.data.requests import Requests, by_operation, requests
from reports.findings.causes import CLIENT_BACKLOG, FIGURES, Split
from reports.findings.operations import Axis


@dataclass(frozen=True)
class RunCauses:
    """One run's part: sums by operation and figure (`mean`: without the figures of the operations' own rows), and the
    number of requests that the pod was processing, by operation and cause."""

    sums: Mapping[str, Mapping[str, Sums]]
    over_time: States


def run_causes(
    ledger: LockLedger,
    attributions: Sequence[Attribution],
    axis: Axis,
    exemplars: Mapping[str, Mapping[str, Exemplars]],
) -> RunCauses:
    """`exemplars`: operation → figure → exemplars."""
    served = requests(ledger.transactions)
    sums = {name: {"mean": total} for name, total in _totals(ledger, attributions, served).items()}
    flat = {(name, figure): group for name, figures in exemplars.items() for figure, group in figures.items()}
    earlier = earlier_calls(ledger.run, flat)
    measured = [_without_locks(served, group) for group in (*flat.values(), *earlier.values())]
    _add_lock_time([found for found, _ in measured], _joined([spans for _, spans in measured]), ledger)
    found = {place: entry for place, (entry, _) in zip(flat, measured, strict=False)}
    for place, (before, _) in zip(earlier, measured[len(flat) :], strict=True):
        found[place].through[CLIENT_BACKLOG] = before.felt()
    for (name, figure), entry in found.items():
        figures = sums.setdefault(name, {})
        if figure == "mean":  # the totals cover the rest; exemplars add the locks felt through other causes
            figures.setdefault(figure, Sums()).through = entry.felt_times(flat[name, figure].worth)
        else:
            figures[figure] = entry
    return RunCauses(sums, over_time(ledger.run, served, axis))


def _totals(ledger: LockLedger, attributions: Sequence[Attribution], served: Requests) -> dict[str, Sums]:
    """Sums over all transactions of judged stages, by operation."""
    found: dict[str, Sums] = defaultdict(Sums)
    judged = inside(served.since, ledger.run.judged)
    new = np.append(True, served.key[1:] != served.key[:-1])[: len(served)]
    for name, entry in by_operation(served):
        selected = entry & judged
        found[name].joined = int((selected & new).sum())
        found[name].session = float((served.had - served.asked)[selected].sum())
        found[name].pod = float((served.asked - served.since)[selected].sum())
        found[name].own = float((served.ended - served.had)[selected].sum())
    for rows in (part.rows for part in ledger.parts):
        selected = rows.judged & (rows.hits > 0)
        for code in np.unique(rows.waiter[selected]):
            if rows.names.all[code] in found:
                found[rows.names.all[code]].sampled += sampled(rows, selected & (rows.waiter == code))
    for attribution in attributions:
        for (kind, holder), seconds in attribution.direct.items():
            if kind.waiter in found:
                found[kind.waiter].locks[holder, kind.object] += seconds * 1e9
    return found


class _Spans(NamedTuple):
    """Transactions by their rows in the table, and the parts that a client waited for; `place` numbers the
    exemplars."""

    place: Ints
    row: Ints
    asked: Ints
    since: Ints
    until: Ints


def _without_locks(served: Requests, group: Exemplars) -> tuple[Sums, _Spans]:
    """Sums of these operations without locks, limited to the time that the client waited for each; their spans."""
    first, past = (np.searchsorted(served.key, group.key, side=side) for side in ("left", "right"))
    owner, index = _expanded(first, past)
    since, asked, had, ended = (
        np.clip(moments[index], group.started[owner], group.ended[owner])
        for moments in (served.since, served.asked, served.had, served.ended)
    )
    found = Sums(
        len(group.key),
        int((past > first).sum()),
        float((group.ended - group.planned).sum()),
        float((group.started - group.planned).sum()),
        float((had - asked).sum()),
        float((asked - since).sum()),
        float((ended - had).sum()),
    )
    return found, _Spans(np.zeros(len(index), dtype=np.int64), served.row[index], asked, had, ended)


def _joined(parts: Sequence[_Spans]) -> _Spans:
    numbered = [spans._replace(place=spans.place + place) for place, spans in enumerate(parts)]
    none = np.zeros(0, dtype=np.int64)
    return (
        _Spans(*(np.concatenate(columns) for columns in zip(*numbered, strict=True))) if parts else _Spans(*[none] * 5)
    )


def _expanded(first: Ints, past: Ints) -> tuple[Ints, Ints]:
    """Expand ranges [first, past) to (number of the range, position), one entry for each position."""
    counts = past - first
    owner = np.repeat(np.arange(len(first)), counts)
    return owner, first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _add_lock_time(sums: Sequence[Sums], spans: _Spans, ledger: LockLedger) -> None:
    """Add lock waits inside the transactions, and those of the sessions that the transactions waited for."""
    for part in ledger.parts:
        _add_locks(sums, spans, part)
    if not (spans.since > spans.asked).any():
        return
    pools, pool = Pools(ledger), ledger.transactions.pool[spans.row]
    for one in np.unique(pool):
        selected = pool == one
        for pair, ns in pools.behind(int(one), spans.asked[selected], spans.since[selected]).items():
            for place, waited in enumerate(np.bincount(spans.place[selected], ns, len(sums))):
                if waited > 0:
                    through = sums[place].through.setdefault("session", {})
                    through[pair] = through.get(pair, 0.0) + float(waited)


def _add_locks(sums: Sequence[Sums], spans: _Spans, part: SourceWaits) -> None:
    """Add the waits inside these spans to the sums of their exemplars: in one call, because the index is large."""
    rows = part.rows
    order = np.argsort(rows.transaction, kind="stable")
    first, past = (np.searchsorted(rows.transaction, spans.row, side=side, sorter=order) for side in ("left", "right"))
    owner, place = _expanded(first, past)
    index = order[place]
    # A sampled wait counts as a whole: cutting it would make the total too small.
    timed = rows.hits[index] < 0
    starts = np.where(timed, np.maximum(rows.starts[index], spans.since[owner]), rows.starts[index])
    ends = np.where(timed, np.minimum(rows.ends[index], spans.until[owner]), rows.ends[index])
    for number, found in enumerate(sums):
        found.sampled += sampled(rows, index[~timed & (spans.place[owner] == number)])
    objects = len(rows.objects.all)
    group = spans.place[owner] * objects + rows.object[index]
    for (code, label), ns in attribute_time(
        rows, part.held, Asked(index, starts, np.maximum(ends, starts), group), "direct"
    ).items():
        sums[code // objects].locks[rows.names.all[label], rows.objects.all[code % objects]] += ns


def splits_together(
    responses: Mapping[str, OperationResponses], rounds: Sequence[RunCauses], period_s: float | None
) -> dict[str, dict[str, Split]]:
    """Splits of each operation, rounds pooled. `period_s` is the sampling period, None without sampling."""
    found: dict[str, dict[str, Split]] = {}
    for name, entry in responses.items():
        for figure in FIGURES:
            sums = sum((one.sums.get(name, {}).get(figure, Sums()) for one in rounds), Sums())
            if figure == "mean":
                sums.n, sums.response, sums.client_backlog = entry.n, entry.response, entry.client_backlog
            value = (
                (entry.response / entry.n, entry.at_least) if figure == "mean" and entry.n else entry.values.get(figure)
            )
            split = sums.split(*value, period_s) if value is not None else None
            if split is not None:
                found.setdefault(name, {})[figure] = split
    return found
