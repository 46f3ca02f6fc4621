"""What MariaDB counted of waits for rows, beside what was sampled of the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.counters import Counted
from reports.frames import Mask
from reports.judged_time import inside
from reports.lockledger import LockLedger
from reports.lockrows import LockRows
from reports.waits import sampled_interval_s

_ROW = "row of "
"""What InnoDB's own totals are of: neither tables nor metadata nor user-level locks."""
_MATTERS = 0.1
"""A smaller difference, of the larger one, is not worth a doubt."""


@dataclass(frozen=True)
class Sampled:
    """Waits for rows that sampling saw end while totals were read. `edge_s`: what of them ended so near to the first or
    last reading that the server may have counted it on the other side."""

    seconds: float
    hits: int
    period_s: float
    edge_s: float

    @property
    def interval_s(self) -> tuple[float, float]:
        """95 %."""
        low, high = sampled_interval_s(self.hits, self.seconds, self.period_s)
        return max(low - self.edge_s, 0.0), high + self.edge_s


def sampled_waits(ledger: LockLedger, counted: Mapping[str, Counted]) -> dict[str, Sampled]:
    """By database, of those whose totals tell of waits and that were sampled."""
    return {
        name: _sampled(ledger, name, its, sight.period_s)
        for name, its in counted.items()
        if "lock_wait_ms" in its.grown and (sight := ledger.sights.get(name)) is not None
        if "sampled" in (sight.known or "") and sight.period_s is not None
    }


def _sampled(ledger: LockLedger, name: str, counted: Counted, period_s: float) -> Sampled:
    seconds, hits, edge_s = 0.0, 0, 0.0
    for rows in (part.rows for part in ledger.parts if name in part.rows.databases):
        mine = (rows.database == rows.databases.index(name)) & (rows.hits >= 0) & ~rows.open & _of_rows(rows)
        ended = mine & inside(rows.ends, counted.spans)
        near = mine & _near(rows, counted, round(period_s * 1e9))
        seconds += float(rows.weight[ended].sum()) / 1e9
        hits += int(rows.hits[ended].sum())
        edge_s += float(rows.weight[near].sum()) / 1e9
    return Sampled(seconds, hits, period_s, edge_s)


def _of_rows(rows: LockRows) -> Mask:
    named = np.array([name.startswith(_ROW) for name in rows.objects.all] or [False], dtype=np.bool_)
    return np.asarray(named[rows.object])


def _near(rows: LockRows, counted: Counted, by_ns: int) -> Mask:
    return inside(rows.ends, [(at - by_ns, at + by_ns) for span in counted.spans for at in span])


def sampled_together(rounds: Sequence[Mapping[str, Sampled]]) -> dict[str, Sampled]:
    """Rounds added. What is left out of one is left out of its totals as well."""
    names = dict.fromkeys(name for found in rounds for name in found)
    return {name: _added([found[name] for found in rounds if name in found]) for name in names}


def _added(parts: Sequence[Sampled]) -> Sampled:
    return Sampled(
        sum(part.seconds for part in parts),
        sum(part.hits for part in parts),
        parts[0].period_s,
        sum(part.edge_s for part in parts),
    )


def counted_wait_s(counted: Counted) -> tuple[float, float] | None:
    """At least and at most: each wait is counted in whole milliseconds, the rest of it cut off. None: not counted."""
    waited_ms, waits = (counted.grown.get(name) for name in ("lock_wait_ms", "lock_waits"))
    return None if waited_ms is None or waits is None else (waited_ms / 1e3, (waited_ms + waits) / 1e3)


def disagree(counted: Counted, sampled: Sampled) -> bool:
    """Whether the two are further apart than their errors and chance explain, and by enough to matter."""
    told = counted_wait_s(counted)
    if told is None:
        return False
    low, high = sampled.interval_s
    return max(low - told[1], told[0] - high) > 0 and abs(sampled.seconds - told[1]) > _MATTERS * max(
        sampled.seconds, told[1]
    )
