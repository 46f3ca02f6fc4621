"""Attribution of the time that requests waited for a pooled database session.

A request that waits for a free session holds up no lock, but the sessions in use may wait for locks. Its time is
attributed by the activity of all sessions of that pool meanwhile: the share of their time that they waited for locks,
by holder and object, in steps of a tenth of a second.
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from reports.analysis.locks.ledger import LockLedger
from reports.data.arrays import MISSING, Floats, Ints
from reports.data.density import density, pieces
from reports.data.lock_rows import LockRows
from reports.data.transactions import Pods, Transactions
from reports.findings.causes import Pair

STEP_NS = 100_000_000


class Pools:
    """A run's pools: one for each pod and database."""

    def __init__(self, ledger: LockLedger) -> None:
        run, rows = ledger.run, ledger.transactions
        self._edges: Ints = np.arange(run.started_ns, run.ended_ns + 2 * STEP_NS, STEP_NS)
        self._busy: dict[int, Floats] = defaultdict(self._none)
        self._locked: dict[int, dict[Pair, Floats]] = defaultdict(lambda: defaultdict(self._none))
        pools = rows.pool
        for some in pieces(len(rows)):
            self._add_busy(rows, pools[some], some)
        for part in ledger.parts:
            holders = part.holders()
            for some in pieces(len(holders)):
                self._add_locked(part.rows, holders[some], pools, some)

    def _none(self) -> Floats:
        return np.zeros(len(self._edges))

    def _add_busy(self, rows: Transactions, pools: Pods, some: slice) -> None:
        had = np.where(rows.waiting[some] != MISSING, rows.waiting[some], rows.begun[some])
        for pool in np.unique(pools):
            selected = pools == pool
            self._busy[int(pool)] += self._over_time(had[selected], rows.ended[some][selected], None)

    def _add_locked(self, rows: LockRows, holders: npt.NDArray[np.int16], pools: Pods, some: slice) -> None:
        selected = np.flatnonzero(rows.transaction[some] >= 0)  # sessions of other clients belong to no pool
        shape = int(pools.max(initial=0)) + 1, len(rows.names.all), len(rows.objects.all)
        columns = pools[rows.transaction[some][selected]], holders[selected], rows.object[some][selected]
        kinds = np.ravel_multi_index(columns, shape) if len(selected) else selected
        for kind in np.unique(kinds):
            indexes = selected[kinds == kind] + some.start
            pool, holder, lock_object = map(int, np.unravel_index(kind, shape))
            waiting = self._over_time(rows.starts[indexes], rows.ends[indexes], rows.weight[indexes])
            self._locked[pool][rows.names.all[holder], rows.objects.all[lock_object]] += waiting

    def _over_time(self, starts: Ints, ends: Ints, weights: Floats | None) -> Floats:
        """Session-nanoseconds up to each edge."""
        mean = density(self._edges, starts, np.maximum(starts, ends), weights)
        return np.concatenate(([0.0], np.cumsum(mean * STEP_NS)))

    def behind(self, pool: int, starts: Ints, ends: Ints) -> Mapping[Pair, Floats]:
        """By holder and object: the ns of each span that a session of the pool waited, on average."""
        busy = self._between(self._busy[pool], starts, ends)
        share = np.divide(ends - starts, busy, out=np.zeros(len(starts)), where=busy > 0)
        found = {pair: self._between(waiting, starts, ends) * share for pair, waiting in self._locked[pool].items()}
        whole = sum(found.values(), np.zeros(len(starts)))
        most = np.divide(ends - starts, whole, out=np.ones(len(starts)), where=whole > ends - starts)
        return {pair: ns * most for pair, ns in found.items()}

    def _between(self, summed: Floats, starts: Ints, ends: Ints) -> Floats:
        edges = self._edges.astype(np.float64)
        return np.asarray(np.interp(ends, edges, summed) - np.interp(starts, edges, summed), dtype=np.float64)
