"""What a run tells of lock waits: the rows, who held what they waited for, how each database is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.engines import is_single_threaded
from loadtests.records.probe_coverage import Tick
from loadtests.records.vocabulary import KNOWN
from reports.calibration import doubted
from reports.charges import Charged, charged
from reports.density import pieces
from reports.frames import Run, table
from reports.judged_time import Window, inside, merged, overlap_ns
from reports.lockrows import LockRows, observed_rows, pod_rows
from reports.looks import deaf_times, log_looks, sampling, ticks_of, too_blind
from reports.queues import Held, held_by_writers, held_in_queues
from reports.transactions import Transactions, engine, read_transactions


@dataclass(frozen=True)
class Log:
    """A server's log in which waits longer than the threshold are, but for the times when it told nothing."""

    threshold_s: float | None
    deaf: tuple[Window, ...]

    def tells_all(self, run: Run) -> bool:
        """Whether it told something in all of the judged time."""
        return not overlap_ns(self.deaf, merged(run.judged))


@dataclass(frozen=True)
class Sight:
    """How the lock waits of a database are known: words, or None when nothing could see them; the sampling's period;
    its server's log, where that told of any in judged time."""

    known: str | None
    period_s: float | None = None
    log: Log | None = None


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
        sights[name] = _observed(run, name, rows, ticks)
    return {name: Sight(None) if doubted(run, name) else sight for name, sight in sights.items()}


def _databases(run: Run, rows: LockRows) -> list[str]:
    watched = table(run.directory, "resources").filter(pc.field("role") == "database")["name"]
    seen = {rows.databases[code] for code in np.unique(rows.database)}
    looked_into = run.manifest.get("lock_sources") or {}
    return sorted({*seen, *looked_into, *(str(name) for name in pc.unique(watched).to_pylist())})


def _observed(run: Run, name: str, rows: LockRows, all_ticks: pa.Table) -> Sight:
    ticks = ticks_of(all_ticks, name)
    period_s, seeing = sampling(ticks)
    mine = rows.database == rows.databases.index(name) if name in rows.databases else np.zeros(len(rows), np.bool_)
    if (not seeing and not mine.any()) or too_blind(run, ticks):
        return Sight(None)
    source = (run.manifest.get("lock_sources") or {}).get(name) or {}
    told = set(source.get("known") or ())
    if told == {"counter"} and not mine.any():
        # Totals alone do not say who waited; where there are no locks at all, there is nothing else to say.
        return Sight("counter", period_s) if _without_locks(ticks) else Sight(None)
    log = _log(run, source.get("threshold_ns"), log_looks(all_ticks, name)) if "event" in told else None
    # What a source was to tell it told only where it was heard in the time that is judged.
    seen = mine & rows.judged if told else mine
    words = {*(KNOWN[code] for code in np.unique(rows.known[seen])), *(told - {"event"}), *(["event"] if log else [])}
    return Sight(together_known(list(words - {"counter"})) or "sampled", period_s, log)


def _log(run: Run, threshold_ns: object, looks: Sequence[Tick]) -> Log | None:
    heard = np.array([look.started_ns for look in looks if look.error is None], dtype=np.int64)
    if not inside(heard, run.judged).any():
        return None
    threshold_s = threshold_ns / 1e9 if isinstance(threshold_ns, int | float) else None
    return Log(threshold_s, deaf_times(looks, run.ended_ns))


def _without_locks(ticks: pa.Table) -> bool:
    names = {str(probe).partition(":")[0] for probe in pc.unique(ticks["probe"]).to_pylist()}
    return any(is_single_threaded(name) for name in names)
