"""How long waits for locks lasted: timed ones by length, what could not be timed as a total."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reports.frames import Floats, Mask
from reports.judged_time import touching
from reports.lockledger import LockLedger, Sight, together_known
from reports.lockrows import LockRows
from reports.sampled import Sampled, sampled

EDGES_S: Floats = np.geomspace(1e-4, 1e3, 71)
"""Ten bins for each power of ten; what is shorter or longer counts in the first or the last."""


@dataclass(frozen=True)
class WaitDurations:
    """Waits that began in the judged stages, all rounds together.

    `counts` are timed waits between the `edges_s` (one more than counts, evenly spread over the logarithm). Where there
    is a `threshold_s`, a server's log timed longer ones; `below` are those that were too short for it. `sampled` are
    all others that nothing timed, of any length: of databases without such a log, of times when it told nothing, which
    makes the threshold one `in_part`. `open` is how many were not seen to end. `known` None: nothing could see them.
    """

    known: str | None = None
    threshold_s: float | None = None
    edges_s: Floats = field(default_factory=lambda: EDGES_S)
    counts: Floats = field(default_factory=lambda: np.zeros(len(EDGES_S) - 1))
    below: Sampled = field(default_factory=Sampled)
    sampled: Sampled = field(default_factory=Sampled)
    open: int = 0
    in_part: bool = False
    period_s: float | None = None
    """That of the sampling; None where there was none."""

    def interval_s(self, part: Sampled) -> tuple[float, float] | None:
        return None if self.period_s is None else part.interval_s(self.period_s)


def durations_of(ledger: LockLedger) -> WaitDurations:
    """Of one run."""
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
    period_s = _longest([sight.period_s for sight in ledger.sights.values()]) if "sampled" in ledger.known else None
    threshold_s = _longest([sight.log.threshold_s for sight in ledger.sights.values() if sight.log])
    return WaitDurations(ledger.known, threshold_s, EDGES_S, counts, below, others, unended, _in_part(ledger), period_s)


def durations_together(rounds: Sequence[WaitDurations]) -> WaitDurations:
    """Rounds added; unknown when one of them is. Above the highest threshold all was timed where anything was."""
    words = [found.known for found in rounds if found.known is not None]
    if not rounds or len(words) < len(rounds):
        return WaitDurations()
    return WaitDurations(
        together_known(words),
        _longest([r.threshold_s for r in rounds]),
        EDGES_S,
        np.sum([r.counts for r in rounds], axis=0),
        sum((r.below for r in rounds), Sampled()),
        sum((r.sampled for r in rounds), Sampled()),
        sum(r.open for r in rounds),
        any(r.in_part for r in rounds) or len({r.threshold_s is None for r in rounds}) > 1,
        _longest([r.period_s for r in rounds]),
    )


def _too_short(ledger: LockLedger, rows: LockRows) -> Mask:
    """Which waits the log did not tell because they were too short: not those of times when it told nothing, nor those
    that were seen to last longer, as a queue of quick holders makes them."""
    short = np.zeros(len(rows), dtype=np.bool_)
    for code, name in enumerate(rows.databases):
        sight = ledger.sights.get(name, Sight(None))
        if sight.log and sight.log.threshold_s is not None:
            mine = np.flatnonzero((rows.database == code) & (rows.hits > 0))
            starts, ends = rows.starts[mine], rows.ends[mine]
            seen_s = (ends - starts) / 1e9 - (sight.period_s or 0.0) / 2
            short[mine] = ~touching(starts, ends, sight.log.deaf) & (seen_s <= sight.log.threshold_s)
    return short


def _in_part(ledger: LockLedger) -> bool:
    """Whether some databases' waits, or those of some time, were sampled only, and those of others timed."""
    logs = [sight.log for sight in ledger.sights.values() if "sampled" in (sight.known or "")]
    return any(logs) and not all(log and log.tells_all(ledger.run) for log in logs)


def _longest(seconds: Sequence[float | None]) -> float | None:
    return max((s for s in seconds if s is not None), default=None)
