"""What the sessions of a pool were waiting for while somebody waited for one of them.

Who waits for a free session waits for no lock, but the sessions are taken by those who do. How much of that time is
theirs is told by what all sessions of that pod's pool were at meanwhile: the share of their time that they waited for
locks, behind whom and on what, in steps of a tenth of a second.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from reports.density import density
from reports.frames import MISSING, Floats, Ints, Mask
from reports.lockledger import LockLedger, Part
from reports.transactions import Transactions

STEP_NS = 100_000_000

Pair = tuple[str, str]
"""Who held the lock, and what it was on."""


class Pools:
    """A run's pools: of each pod and database one."""

    def __init__(self, ledger: LockLedger) -> None:
        run, rows = ledger.run, ledger.transactions
        self._edges: Ints = np.arange(run.started_ns, run.ended_ns + 2 * STEP_NS, STEP_NS)
        pools = rows.pool
        self._busy = {int(pool): self._summed(rows, pools == pool) for pool in np.unique(pools)}
        self._locked: dict[int, dict[Pair, Floats]] = defaultdict(dict)
        for part in ledger.parts:
            for pool, pair, waiting in self._waiting(part, pools):
                before = self._locked[pool].get(pair, np.zeros(len(self._edges)))
                self._locked[pool][pair] = before + waiting

    def _summed(self, rows: Transactions, mine: Mask) -> Floats:
        had = np.where(rows.waiting != MISSING, rows.waiting, rows.begun)
        return self._over_time(had[mine], rows.ended[mine], None)

    def _over_time(self, starts: Ints, ends: Ints, weights: Floats | None) -> Floats:
        """Session-nanoseconds up to each edge."""
        mean = density(self._edges, starts, np.maximum(starts, ends), weights)
        return np.concatenate(([0.0], np.cumsum(mean * STEP_NS)))

    def _waiting(self, part: Part, pools: npt.NDArray[np.int32]) -> Iterator[tuple[int, Pair, Floats]]:
        rows = part.rows
        mine = np.flatnonzero(rows.transaction >= 0)  # strangers' sessions are in no pool
        if not len(mine):
            return
        columns = pools[rows.transaction[mine]].astype(np.int64), part.holders()[mine], rows.object[mine]
        shape = int(pools.max()) + 1, len(rows.names.all), len(rows.objects.all)
        kinds = np.ravel_multi_index(columns, shape)
        for kind in np.unique(kinds):
            its = mine[kinds == kind]
            pool, holder, what = map(int, np.unravel_index(kind, shape))
            waiting = self._over_time(rows.starts[its], rows.ends[its], rows.weight[its])
            yield pool, (rows.names.all[holder], rows.objects.all[what]), waiting

    def behind(self, pool: int, starts: Ints, ends: Ints) -> Mapping[Pair, Floats]:
        """How much of each span of time, in ns, a session of the pool on average waited behind whom."""
        busy = self._between(self._busy[pool], starts, ends)
        share = np.divide(ends - starts, busy, out=np.zeros(len(starts)), where=busy > 0)
        found = {pair: self._between(waiting, starts, ends) * share for pair, waiting in self._locked[pool].items()}
        whole = sum(found.values(), np.zeros(len(starts)))
        most = np.divide(ends - starts, whole, out=np.ones(len(starts)), where=whole > ends - starts)
        return {pair: ns * most for pair, ns in found.items()}

    def _between(self, summed: Floats, starts: Ints, ends: Ints) -> Floats:
        edges = self._edges.astype(np.float64)
        return np.asarray(np.interp(ends, edges, summed) - np.interp(starts, edges, summed), dtype=np.float64)
