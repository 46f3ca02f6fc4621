"""A run's lock waits: the rows, the holders of the locks, and the source of each database's waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reports.data.arrays import Ints
from reports.data.contract import StudyRun, Window, merged
from reports.data.density import pieces
from reports.data.interval_index import IntervalIndex
from reports.data.judged_time import overlap_ns
from reports.data.lock_rows import LockRows
from reports.data.transactions import Transactions
from reports.findings.pooling import together_known

Places = npt.NDArray[np.int16]


@dataclass(frozen=True)
class LockHolders:
    """The holders of the lock of each queue over time. `queue` is that of each wait. `intervals` are the times of
    holding; `direct` (the holder), `root` (its root blocker at that time) and `depth` are in their order. Parts of a
    wait without an interval use the wait's own row."""

    queue: Ints | Places
    intervals: IntervalIndex
    direct: Ints | Places
    root: Ints | Places
    depth: Ints


class WaitKind(NamedTuple):
    """The key by which waits are summed."""

    database: str
    waiter: str
    object: str


@dataclass(frozen=True)
class Attribution:
    """Seconds of waits of judged stages by kind and holder: `direct` by the holder of the lock at that moment,
    `root` by the root blocker; `depth` by database and length of the chain."""

    direct: Mapping[tuple[WaitKind, str], float]
    root: Mapping[tuple[WaitKind, str], float]
    depth: Mapping[tuple[str, int], float]


@dataclass(frozen=True)
class Log:
    """A server's log of waits longer than the threshold, with the gaps in it."""

    threshold_s: float | None
    gaps: tuple[Window, ...]

    def covers(self, run: StudyRun) -> bool:
        """Whether the log has no gap in the judged time."""
        return not overlap_ns(self.gaps, merged(run.judged))


@dataclass(frozen=True)
class WaitSource:
    """How the lock waits of a database are known. `known` None: not observed; `period_s`: sampling period; `log`: its
    server's log, where it was read in judged time."""

    known: str | None
    period_s: float | None = None
    log: Log | None = None


@dataclass(frozen=True)
class SourceWaits:
    """Waits from one source: timed by the pod, or observed by the observer."""

    rows: LockRows
    held: LockHolders

    def holders(self) -> npt.NDArray[np.int16]:
        """The holder of the lock in the middle of each wait."""
        rows, held = self.rows, self.held
        found = rows.blocker.copy()
        for some in pieces(len(rows) if len(held.direct) else 0):
            middle = rows.starts[some] + (rows.ends[some] - rows.starts[some]) // 2
            at = held.intervals.at(held.queue[some], middle)
            found[some] = np.where(at >= 0, held.direct[at], found[some])
        return found


@dataclass(frozen=True)
class LockLedger:
    run: StudyRun
    transactions: Transactions
    parts: tuple[SourceWaits, ...]
    sources: Mapping[str, WaitSource]
    """By database."""

    @property
    def known(self) -> str | None:
        """None when one of the databases was not observed."""
        return together_known(source.known for source in self.sources.values())
