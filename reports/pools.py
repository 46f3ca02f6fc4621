"""What the sessions of a database were waiting for while somebody waited for one of them.

Who waits for a free session waits for no lock, but the sessions are taken by those who do. How much of that time is
theirs is told by what all sessions of the database were at meanwhile: the share of their time that they waited for
locks, behind whom and on what, in steps of a tenth of a second.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from reports.density import density
from reports.frames import MISSING, Floats, Ints, Mask
from reports.lockledger import LockLedger, Part
from reports.transactions import Transactions

STEP_NS = 100_000_000

Pair = tuple[str, str]
"""Who held the lock, and what it was on."""


class Pools:
    """A run's databases."""

    def __init__(self, ledger: LockLedger) -> None:
        run, rows = ledger.run, ledger.transactions
        self._edges: Ints = np.arange(run.started_ns, run.ended_ns + 2 * STEP_NS, STEP_NS)
        self._busy = {code: self._summed(rows, rows.database == code) for code in range(len(rows.databases))}
        self._locked: dict[int, dict[Pair, Floats]] = defaultdict(dict)
        for part in ledger.parts:
            for database, pair, waiting in self._waiting(part, rows):
                before = self._locked[database].get(pair, np.zeros(len(self._edges)))
                self._locked[database][pair] = before + waiting

    def _summed(self, rows: Transactions, mine: Mask) -> Floats:
        had = np.where(rows.waiting != MISSING, rows.waiting, rows.begun)
        return self._over_time(had[mine], rows.ended[mine], None)

    def _over_time(self, starts: Ints, ends: Ints, weights: Floats | None) -> Floats:
        """Session-nanoseconds up to each edge."""
        mean = density(self._edges, starts, np.maximum(starts, ends), weights)
        return np.concatenate(([0.0], np.cumsum(mean * STEP_NS)))

    def _waiting(self, part: Part, transactions: Transactions) -> Iterator[tuple[int, Pair, Floats]]:
        rows = part.rows
        objects = max(len(rows.objects.all), 1)
        kinds = part.holders().astype(np.int64) * objects + rows.object
        for code, name in enumerate(rows.databases):
            if name not in transactions.databases:
                continue
            database, mine = transactions.databases.index(name), rows.database == code
            mine &= rows.transaction >= 0  # strangers' sessions are in no pool
            for kind in np.unique(kinds[mine]):
                its = mine & (kinds == kind)
                holder, what = divmod(int(kind), objects)
                waiting = self._over_time(rows.starts[its], rows.ends[its], rows.weight[its])
                yield database, (rows.names.all[holder], rows.objects.all[what]), waiting

    def behind(self, database: int, starts: Ints, ends: Ints) -> Mapping[Pair, Floats]:
        """How much of each span of time, in ns, a session of the database on average waited behind whom."""
        busy = self._between(self._busy[database], starts, ends)
        share = np.divide(ends - starts, busy, out=np.zeros(len(starts)), where=busy > 0)
        found = {pair: self._between(waiting, starts, ends) * share for pair, waiting in self._locked[database].items()}
        whole = sum(found.values(), np.zeros(len(starts)))
        most = np.divide(ends - starts, whole, out=np.ones(len(starts)), where=whole > ends - starts)
        return {pair: ns * most for pair, ns in found.items()}

    def _between(self, summed: Floats, starts: Ints, ends: Ints) -> Floats:
        edges = self._edges.astype(np.float64)
        return np.asarray(np.interp(ends, edges, summed) - np.interp(starts, edges, summed), dtype=np.float64)
