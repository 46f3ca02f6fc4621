"""Durations of lock waits: timed waits by length, waits that could not be timed as a total."""

import numpy as np

from reports.analysis.locks.ledger import LockLedger, WaitSource
from reports.analysis.locks.sampled import sampled
from reports.data.arrays import Mask
from reports.data.judged_time import touching
from reports.data.lock_rows import LockRows
from reports.findings.locks import EDGES_S, Sampled, WaitDurations
from reports.findings.pooling import longest


def durations_of(ledger: LockLedger) -> WaitDurations:
    """The waits of one run."""
    if ledger.known is None:
        return WaitDurations()
    counts, below, others, unended = np.zeros(len(EDGES_S) - 1), Sampled(), Sampled(), 0
    for rows in (part.rows for part in ledger.parts):
        lasted = (rows.ends - rows.starts)[rows.judged & rows.noticed & (rows.hits < 0)]
        counts += np.histogram(np.clip(lasted / 1e9, EDGES_S[0], EDGES_S[-1]), EDGES_S)[0]
        short = _too_short(ledger, rows)
        below += sampled(rows, rows.judged & short)
        others += sampled(rows, rows.judged & ~short)
        unended += int((rows.judged & rows.open).sum())
    period_s = longest(source.period_s for source in ledger.sources.values()) if "sampled" in ledger.known else None
    threshold_s = longest(source.log.threshold_s for source in ledger.sources.values() if source.log)
    return WaitDurations(ledger.known, threshold_s, EDGES_S, counts, below, others, unended, _in_part(ledger), period_s)


def _too_short(ledger: LockLedger, rows: LockRows) -> Mask:
    """Waits that are not in the log because they were too short. Excludes waits in gaps of the log, and waits that were
    observed for longer than the threshold, as in a queue of holders that each hold the lock briefly."""
    short = np.zeros(len(rows), dtype=np.bool_)
    for code, name in enumerate(rows.databases):
        source = ledger.sources.get(name, WaitSource(None))
        if source.log and source.log.threshold_s is not None:
            selected = np.flatnonzero((rows.database == code) & (rows.hits > 0))
            starts, ends = rows.starts[selected], rows.ends[selected]
            seen_s = (ends - starts) / 1e9 - (source.period_s or 0.0) / 2
            short[selected] = ~touching(starts, ends, source.log.gaps) & (seen_s <= source.log.threshold_s)
    return short


def _in_part(ledger: LockLedger) -> bool:
    """Whether waits of some databases or times were only sampled while others were timed."""
    logs = [source.log for source in ledger.sources.values() if "sampled" in (source.known or "")]
    return any(logs) and not all(log and log.covers(ledger.run) for log in logs)
