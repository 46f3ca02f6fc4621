"""What a run tells of lock waits: the rows, who held what they waited for, how each database is known."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.vocabulary import KNOWN
from reports.calibration import doubted
from reports.charges import Charged, charged
from reports.density import pieces
from reports.frames import Run, table
from reports.lockrows import LockRows, observed_rows, pod_rows
from reports.looks import sampling, ticks_of, too_blind
from reports.queues import Held, held_by_writers, held_in_queues
from reports.transactions import Transactions, engine, read_transactions

_WITHOUT_LOCKS = frozenset({"redis"})


@dataclass(frozen=True)
class Sight:
    """How the lock waits of a database are known: words, or None when nothing could see them; the sampling's period."""

    known: str | None
    period_s: float | None = None


@dataclass(frozen=True)
class Part:
    """Waits that are known in one way: those that the pod timed, or those that the observer saw."""

    rows: LockRows
    held: Held

    def charged(self) -> Charged:
        return charged(self.rows, self.held)

    def holders(self) -> npt.NDArray[np.int16]:
        """Who held the lock in the middle of each wait."""
        rows, held = self.rows, self.held
        found = rows.blocker.copy()
        for some in pieces(len(rows) if len(held.direct) else 0):
            middle = rows.starts[some] + (rows.ends[some] - rows.starts[some]) // 2
            at = held.lanes.at(held.queue[some], middle)
            found[some] = np.where(at >= 0, held.direct[at], found[some])
        return found


@dataclass(frozen=True)
class LockLedger:
    run: Run
    transactions: Transactions
    parts: tuple[Part, ...]
    sights: Mapping[str, Sight]
    """By database."""

    @property
    def known(self) -> str | None:
        """None when one of the databases could not be seen."""
        words = [sight.known for sight in self.sights.values()]
        return together_known([w for w in words if w]) if words and all(words) else None


def together_known(words: list[str]) -> str:
    return " and ".join(sorted({one for word in words for one in word.split(" and ")}))


def read_ledger(run: Run) -> LockLedger:
    """What the pod timed where it waited for the write lock itself; of the other databases what the observer saw."""
    transactions = read_transactions(run)
    timed = transactions.timed
    parts = []
    if timed.any():
        mine = transactions if timed.all() else transactions.where(timed)
        rows = pod_rows(run, mine, np.flatnonzero(timed))
        parts.append(Part(rows, held_by_writers(rows, mine)))
    rows = observed_rows(run, transactions)
    if len(rows):
        parts.append(Part(rows, held_in_queues(rows, transactions)))
    pods = {transactions.databases[code] for code in np.unique(transactions.database[timed])}
    return LockLedger(run, transactions, tuple(parts), _sights(run, pods, rows))


def _sights(run: Run, pods: set[str], rows: LockRows) -> dict[str, Sight]:
    sights = {name: Sight("pod") for name in sorted(pods)}
    ticks = table(run.directory, "ticks")
    others = [name for name in _databases(run, rows) if name not in pods]
    for name in others or ([] if pods else [engine(run)]):
        sights[name] = _observed(run, name, rows, ticks_of(ticks, name))
    return {name: Sight(None) if doubted(run, name) else sight for name, sight in sights.items()}


def _databases(run: Run, rows: LockRows) -> list[str]:
    watched = table(run.directory, "resources").filter(pc.field("role") == "database")["name"]
    seen = {rows.databases[code] for code in np.unique(rows.database)}
    looked_into = run.manifest.get("lock_sources") or {}
    return sorted({*seen, *looked_into, *(str(name) for name in pc.unique(watched).to_pylist())})


def _observed(run: Run, name: str, rows: LockRows, ticks: pa.Table) -> Sight:
    period_s, seeing = sampling(ticks)
    mine = rows.database == rows.databases.index(name) if name in rows.databases else np.zeros(len(rows), np.bool_)
    if (not seeing and not mine.any()) or too_blind(run, ticks):
        return Sight(None)
    source = ((run.manifest.get("lock_sources") or {}).get(name) or {}).get("known")
    if source == ["counter"] and not mine.any():
        # Totals alone do not say who waited; where there are no locks at all, there is nothing else to say.
        return Sight("counter", period_s) if _without_locks(ticks) else Sight(None)
    words = {*(KNOWN[code] for code in np.unique(rows.known[mine])), *(source or ())} - {"counter"}
    return Sight(together_known(list(words)) if words else "sampled", period_s)


def _without_locks(ticks: pa.Table) -> bool:
    probes = {str(probe).partition(":")[0] for probe in pc.unique(ticks["probe"]).to_pylist()}
    return bool(probes & _WITHOUT_LOCKS)
