"""How long waits for locks lasted: timed ones by length, those below the threshold as a total."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reports.frames import Floats
from reports.lockledger import LockLedger, together_known
from reports.waits import sampled_interval_s

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
    hits: int = 0
    """Ticks behind what was sampled."""
    period_s: float | None = None


def durations_of(ledger: LockLedger) -> WaitDurations:
    """Of one run."""
    if ledger.known is None:
        return WaitDurations()
    counts, sampled_s, hits, unended = np.zeros(len(EDGES_S) - 1), 0.0, 0, 0
    for rows in (part.rows for part in ledger.parts):
        sampled = rows.judged & (rows.hits >= 0)
        lasted = (rows.ends - rows.starts)[rows.judged & rows.noticed & (rows.hits < 0)]
        counts += np.histogram(np.clip(lasted / 1e9, EDGES_S[0], EDGES_S[-1]), EDGES_S)[0]
        sampled_s += float(rows.weight[sampled].sum()) / 1e9
        hits += int(rows.hits[sampled].sum())
        unended += int((rows.judged & rows.open).sum())
    period_s = next((sight.period_s for sight in ledger.sights.values() if sight.period_s is not None), None)
    interval = _interval(ledger.known, hits, sampled_s, period_s)
    return WaitDurations(
        ledger.known, _threshold_s(ledger), EDGES_S, counts, sampled_s, interval, unended, hits, period_s
    )


def durations_together(rounds: Sequence[WaitDurations]) -> WaitDurations:
    """Rounds added; unknown when one of them is. Above the highest threshold all was timed everywhere."""
    words = [found.known for found in rounds if found.known is not None]
    if not rounds or len(words) < len(rounds):
        return WaitDurations()
    known, sampled_s, hits = together_known(words), sum(r.sampled_s for r in rounds), sum(r.hits for r in rounds)
    period_s = next((r.period_s for r in rounds if r.period_s is not None), None)
    return WaitDurations(
        known,
        max((r.threshold_s for r in rounds if r.threshold_s is not None), default=None),
        EDGES_S,
        np.sum([r.counts for r in rounds], axis=0),
        sampled_s,
        _interval(known, hits, sampled_s, period_s),
        sum(r.open for r in rounds),
        hits,
        period_s,
    )


def _interval(known: str, hits: int, sampled_s: float, period_s: float | None) -> tuple[float, float] | None:
    return sampled_interval_s(hits, sampled_s, period_s) if "sampled" in known and period_s is not None else None


def _threshold_s(ledger: LockLedger) -> float | None:
    sources = ledger.run.manifest.get("lock_sources") or {}
    told = [s.get("threshold_ns") for name, s in sources.items() if name in ledger.sights and isinstance(s, dict)]
    return max((float(ns) / 1e9 for ns in told if isinstance(ns, int | float)), default=None)
