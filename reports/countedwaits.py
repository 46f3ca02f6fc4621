"""What MariaDB counted of waits for rows, beside what was sampled of the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.counters import Counted
from reports.frames import Mask
from reports.judged_time import inside
from reports.lockledger import LockLedger
from reports.lockrows import LockRows
from reports.sampled import Sampled, sampled

_ROW = "row of "
"""What InnoDB's own totals are of: neither tables nor metadata nor user-level locks."""
_MATTERS = 0.1
"""A smaller difference, of the larger one, is not worth a doubt."""


@dataclass(frozen=True)
class SampledRows:
    """Waits for rows that sampling saw end while totals were read. `edge_s`: what of them ended so near to the first or
    last reading that the server may have counted it on the other side."""

    looks: Sampled
    period_s: float
    edge_s: float

    @property
    def seconds(self) -> float:
        return self.looks.seconds

    @property
    def interval_s(self) -> tuple[float, float]:
        """95 %."""
        low, high = self.looks.interval_s(self.period_s)
        return max(low - self.edge_s, 0.0), high + self.edge_s


def sampled_rows(ledger: LockLedger, counted: Mapping[str, Counted]) -> dict[str, SampledRows]:
    """By database, of those whose totals tell of waits and that were sampled."""
    return {
        name: _sampled(ledger, name, its, sight.period_s)
        for name, its in _telling(counted).items()
        if (sight := ledger.sights.get(name)) is not None and sight.period_s is not None
        if "sampled" in (sight.known or "")
    }


def _telling(counted: Mapping[str, Counted]) -> dict[str, Counted]:
    """Those whose totals tell of waits."""
    return {name: its for name, its in counted.items() if "lock_wait_ms" in its.grown}


def _sampled(ledger: LockLedger, name: str, counted: Counted, period_s: float) -> SampledRows:
    looks, edge_s = Sampled(), 0.0
    for rows in (part.rows for part in ledger.parts if name in part.rows.databases):
        mine = (rows.database == rows.databases.index(name)) & (rows.hits >= 0) & ~rows.open & _of_rows(rows)
        looks += sampled(rows, mine & inside(rows.ends, counted.spans))
        edge_s += sampled(rows, mine & _near(rows, counted, round(period_s * 1e9))).seconds
    return SampledRows(looks, period_s, edge_s)


def _of_rows(rows: LockRows) -> Mask:
    named = np.array([name.startswith(_ROW) for name in rows.objects.all] or [False], dtype=np.bool_)
    return np.asarray(named[rows.object])


def _near(rows: LockRows, counted: Counted, by_ns: int) -> Mask:
    return inside(rows.ends, [(at - by_ns, at + by_ns) for span in counted.spans for at in span])


def sampled_together(
    rounds: Sequence[Mapping[str, SampledRows]], totals: Sequence[Mapping[str, Counted]]
) -> dict[str, SampledRows]:
    """Rounds added; not of a database of which some round has totals alone."""
    alone = {name for found, its in zip(rounds, totals, strict=True) for name in _telling(its) if name not in found}
    whole: dict[str, SampledRows] = {}
    for name, its in (one for found in rounds for one in found.items() if one[0] not in alone):
        before = whole.get(name, SampledRows(Sampled(), 0.0, 0.0))
        longest_s = max(before.period_s, its.period_s)
        whole[name] = SampledRows(before.looks + its.looks, longest_s, before.edge_s + its.edge_s)
    return whole


def counted_wait_s(counted: Counted) -> tuple[float, float] | None:
    """At least and at most: each wait is counted in whole milliseconds, the rest of it cut off. None: not counted."""
    waited_ms, waits = (counted.grown.get(name) for name in ("lock_wait_ms", "lock_waits"))
    return None if waited_ms is None or waits is None else (waited_ms / 1e3, (waited_ms + waits) / 1e3)


def disagree(counted: Counted, sampled: SampledRows) -> bool:
    """Whether the two are further apart than their errors and chance explain, and by enough to matter."""
    told = counted_wait_s(counted)
    if told is None:
        return False
    (least, most), (low, high) = told, sampled.interval_s
    return (low > most or high < least) and abs(sampled.seconds - most) > _MATTERS * max(sampled.seconds, most)
