"""A run's lock waits: the rows, the holders of the locks, and the source of each database's waits."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.engines import is_single_threaded
from loadtests.records.probe_coverage import Tick
from loadtests.records.vocabulary import KNOWN
from reports.analysis.locks.holders import queued_lock_holders, writer_lock_holders
from reports.analysis.locks.ledger import LockLedger, Log, SourceWaits, WaitSource
from reports.data.calibration import doubted
from reports.data.contract import StudyRun
from reports.data.judged_time import inside
from reports.data.lock_rows import LockRows
from reports.data.lock_waits import observed_rows, pod_rows
from reports.data.probe_samples import log_gaps, log_samples, sampling, ticks_of, too_blind
from reports.data.tables import table
from reports.data.transactions import engine, read_transactions
from reports.findings.pooling import together_known


def read_ledger(run: StudyRun) -> LockLedger:
    """Waits for the write lock as timed by the pod; for other databases, waits seen by the observer."""
    transactions = read_transactions(run)
    timed = transactions.timed
    parts = []
    if timed.any():
        selected = transactions if timed.all() else transactions.where(timed)
        rows = pod_rows(run, selected, np.flatnonzero(timed))
        parts.append(SourceWaits(rows, writer_lock_holders(rows, selected)))
    rows = observed_rows(run, transactions)
    if len(rows):
        parts.append(SourceWaits(rows, queued_lock_holders(rows, transactions)))
    pods = {transactions.databases[code] for code in np.unique(transactions.database[timed])}
    return LockLedger(run, transactions, tuple(parts), _sources(run, pods, rows))


def _sources(run: StudyRun, pods: set[str], rows: LockRows) -> dict[str, WaitSource]:
    sources = {name: WaitSource("pod") for name in sorted(pods)}
    ticks = table(run.directory, "ticks")
    others = [name for name in _databases(run, rows) if name not in pods]
    for name in others or ([] if pods else [engine(run)]):
        sources[name] = _observed(run, name, rows, ticks)
    return {name: WaitSource(None) if doubted(run, name) else source for name, source in sources.items()}


def _databases(run: StudyRun, rows: LockRows) -> list[str]:
    watched = table(run.directory, "resources").filter(pc.field("role") == "database")["name"]
    seen = {rows.databases[code] for code in np.unique(rows.database)}
    probed = run.manifest.get("lock_sources") or {}
    return sorted({*seen, *probed, *(str(name) for name in pc.unique(watched).to_pylist())})


def _observed(run: StudyRun, name: str, rows: LockRows, all_ticks: pa.Table) -> WaitSource:
    ticks = ticks_of(all_ticks, name)
    period_s, seeing = sampling(ticks)
    selected = rows.database == rows.databases.index(name) if name in rows.databases else np.zeros(len(rows), np.bool_)
    if (not seeing and not selected.any()) or too_blind(run, ticks):
        return WaitSource(None)
    source = (run.manifest.get("lock_sources") or {}).get(name) or {}
    declared = set(source.get("known") or ())
    if declared == {"counter"} and not selected.any():
        # Totals do not identify the waiters. An engine without locks needs nothing else.
        return WaitSource("counter", period_s) if _without_locks(ticks) else WaitSource(None)
    log = _log(run, source.get("threshold_ns"), log_samples(all_ticks, name)) if "event" in declared else None
    # A declared source counts only where it was read in judged time.
    seen = selected & rows.judged if declared else selected
    words = {
        *(KNOWN[code] for code in np.unique(rows.known[seen])),
        *(declared - {"event"}),
        *(["event"] if log else []),
    }
    return WaitSource(together_known(words - {"counter"}) or "sampled", period_s, log)


def _log(run: StudyRun, threshold_ns: object, samples: Sequence[Tick]) -> Log | None:
    read_ns = np.array([sample.started_ns for sample in samples if sample.error is None], dtype=np.int64)
    if not inside(read_ns, run.judged).any():
        return None
    threshold_s = threshold_ns / 1e9 if isinstance(threshold_ns, int | float) else None
    return Log(threshold_s, log_gaps(samples, run.ended_ns))


def _without_locks(ticks: pa.Table) -> bool:
    names = {str(probe).partition(":")[0] for probe in pc.unique(ticks["probe"]).to_pylist()}
    return any(is_single_threaded(name) for name in names)
