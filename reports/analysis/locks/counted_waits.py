"""Row lock waits as counted by MariaDB, compared with the sampled waits of the same time."""

from collections.abc import Mapping, Sequence

import numpy as np

from reports.analysis.locks.ledger import LockLedger
from reports.analysis.locks.sampled import sampled
from reports.data.arrays import Mask
from reports.data.contract import CounterGrowth
from reports.data.judged_time import inside
from reports.data.lock_rows import LockRows
from reports.findings.locks import Sampled, SampledRows
from reports.findings.pooling import summed

_ROW = "row of "
"""InnoDB's totals cover row locks only: no table, metadata or user-level locks."""


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
    return {name: entry for name, entry in summed(rounds).items() if name not in alone}
