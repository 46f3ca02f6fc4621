"""How long waits for locks lasted: timed ones by length, those below the threshold as a total."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reports.frames import Floats
from reports.lockledger import LockLedger, together_known
from reports.sampled import Sampled, sampled

EDGES_S: Floats = np.geomspace(1e-4, 1e3, 71)
"""Ten bins for each power of ten; what is shorter or longer counts in the first or the last."""


@dataclass(frozen=True)
class WaitDurations:
    """Waits that began in the judged stages, all rounds together.

    `counts` are timed waits between the `edges_s` (one more than counts, evenly spread over the logarithm). Where there
    is a `threshold_s`, shorter ones were not timed: together they lasted `sampled_s`, by sampling, with its 95 %
    interval. Where nothing was timed, all is in `sampled_s`. `open` is how many were not seen to end. `known` None:
    nothing could see them.
    """

    known: str | None = None
    threshold_s: float | None = None
    edges_s: Floats = field(default_factory=lambda: EDGES_S)
    counts: Floats = field(default_factory=lambda: np.zeros(len(EDGES_S) - 1))
    sampled_s: float = 0.0
    sampled_interval_s: tuple[float, float] | None = None
    open: int = 0
    sampled: Sampled = field(default_factory=Sampled)
    """The same as `sampled_s`, by looks."""
    period_s: float | None = None


def durations_of(ledger: LockLedger) -> WaitDurations:
    """Of one run."""
    if ledger.known is None:
        return WaitDurations()
    counts, seen, unended = np.zeros(len(EDGES_S) - 1), Sampled(), 0
    for rows in (part.rows for part in ledger.parts):
        lasted = (rows.ends - rows.starts)[rows.judged & rows.noticed & (rows.hits < 0)]
        counts += np.histogram(np.clip(lasted / 1e9, EDGES_S[0], EDGES_S[-1]), EDGES_S)[0]
        seen += sampled(rows, rows.judged)
        unended += int((rows.judged & rows.open).sum())
    period_s = max((sight.period_s for sight in ledger.sights.values() if sight.period_s is not None), default=None)
    interval = _interval(ledger.known, seen, period_s)
    return WaitDurations(
        ledger.known, _threshold_s(ledger), EDGES_S, counts, seen.seconds, interval, unended, seen, period_s
    )


def durations_together(rounds: Sequence[WaitDurations]) -> WaitDurations:
    """Rounds added; unknown when one of them is. Above the highest threshold all was timed everywhere."""
    words = [found.known for found in rounds if found.known is not None]
    if not rounds or len(words) < len(rounds):
        return WaitDurations()
    known, seen = together_known(words), sum((r.sampled for r in rounds), Sampled())
    period_s = max((r.period_s for r in rounds if r.period_s is not None), default=None)
    return WaitDurations(
        known,
        max((r.threshold_s for r in rounds if r.threshold_s is not None), default=None),
        EDGES_S,
        np.sum([r.counts for r in rounds], axis=0),
        seen.seconds,
        _interval(known, seen, period_s),
        sum(r.open for r in rounds),
        seen,
        period_s,
    )


def _interval(known: str, seen: Sampled, period_s: float | None) -> tuple[float, float] | None:
    return seen.interval_s(period_s) if "sampled" in known and period_s is not None else None


def _threshold_s(ledger: LockLedger) -> float | None:
    sources = ledger.run.manifest.get("lock_sources") or {}
    told = [s.get("threshold_ns") for name, s in sources.items() if name in ledger.sights and isinstance(s, dict)]
    return max((float(ns) / 1e9 for ns in told if isinstance(ns, int | float)), default=None)
