"""Row lock waits as counted by MariaDB, compared with the sampled waits of the same time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.analysis.locks.ledger import LockLedger
from reports.analysis.locks.sampled import Sampled, sampled
from reports.data.arrays import Mask
from reports.data.counters import CounterGrowth
from reports.data.judged_time import inside
from reports.data.lock_rows import LockRows

_ROW = "row of "
"""InnoDB's totals cover row locks only: no table, metadata or user-level locks."""
_MATTERS = 0.1
"""Difference, as a share of the larger figure, from which on a doubt is reported."""


@dataclass(frozen=True)
class SampledRows:
    """Sampled row lock waits that ended while totals were read. `edge_s`: the part that ended so near to the first or
    last reading that the server may have counted it on the other side."""

    total: Sampled
    period_s: float
    edge_s: float

    @property
    def seconds(self) -> float:
        return self.total.seconds

    @property
    def interval_s(self) -> tuple[float, float]:
        """The 95 % interval."""
        low, high = self.total.interval_s(self.period_s)
        return max(low - self.edge_s, 0.0), high + self.edge_s


def sampled_rows(ledger: LockLedger, counted: Mapping[str, CounterGrowth]) -> dict[str, SampledRows]:
    """By database, of those that have totals of waits and were sampled."""
    return {
        name: _sampled(ledger, name, entry, source.period_s)
        for name, entry in _with_wait_totals(counted).items()
        if (source := ledger.sources.get(name)) is not None and source.period_s is not None
        if "sampled" in (source.known or "")
    }


def _with_wait_totals(counted: Mapping[str, CounterGrowth]) -> dict[str, CounterGrowth]:
    """Databases with totals of waits."""
    return {name: entry for name, entry in counted.items() if "lock_wait_ms" in entry.grown}


def _sampled(ledger: LockLedger, name: str, counted: CounterGrowth, period_s: float) -> SampledRows:
    total, edge_s = Sampled(), 0.0
    for rows in (part.rows for part in ledger.parts if name in part.rows.databases):
        selected = (rows.database == rows.databases.index(name)) & (rows.hits >= 0) & ~rows.open & _of_rows(rows)
        total += sampled(rows, selected & inside(rows.ends, counted.spans))
        edge_s += sampled(rows, selected & _near(rows, counted, round(period_s * 1e9))).seconds
    return SampledRows(total, period_s, edge_s)


def _of_rows(rows: LockRows) -> Mask:
    named = np.array([name.startswith(_ROW) for name in rows.objects.all] or [False], dtype=np.bool_)
    return np.asarray(named[rows.object])


def _near(rows: LockRows, counted: CounterGrowth, by_ns: int) -> Mask:
    return inside(rows.ends, [(at - by_ns, at + by_ns) for span in counted.spans for at in span])


def sampled_together(
    rounds: Sequence[Mapping[str, SampledRows]], totals: Sequence[Mapping[str, CounterGrowth]]
) -> dict[str, SampledRows]:
    """The sum of the rounds, without databases of which a round has only totals."""
    alone = {
        name
        for found, entry in zip(rounds, totals, strict=True)
        for name in _with_wait_totals(entry)
        if name not in found
    }
    whole: dict[str, SampledRows] = {}
    for name, entry in (one for found in rounds for one in found.items() if one[0] not in alone):
        before = whole.get(name, SampledRows(Sampled(), 0.0, 0.0))
        longest_s = max(before.period_s, entry.period_s)
        whole[name] = SampledRows(before.total + entry.total, longest_s, before.edge_s + entry.edge_s)
    return whole


def counted_wait_s(counted: CounterGrowth) -> tuple[float, float] | None:
    """Lower and upper bound: the server truncates each wait to whole milliseconds. None: not counted."""
    waited_ms, waits = (counted.grown.get(name) for name in ("lock_wait_ms", "lock_waits"))
    return None if waited_ms is None or waits is None else (waited_ms / 1e3, (waited_ms + waits) / 1e3)


def disagree(counted: CounterGrowth, sampled: SampledRows) -> bool:
    """Whether the two differ by more than their errors and chance explain, and by enough to matter."""
    total_s = counted_wait_s(counted)
    if total_s is None:
        return False
    (least, most), (low, high) = total_s, sampled.interval_s
    return (low > most or high < least) and abs(sampled.seconds - most) > _MATTERS * max(sampled.seconds, most)
