"""SLIs of pods: attempts and bad attempts a second → the times in which too many of them were bad."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loadtests.records.files import UnreadableError
from loadtests.records.vocabulary import OUTCOMES
from reports.data.arrays import Codes, Floats, Ints
from reports.findings.slis import BREACH_RULE, SLIS, BreachRule

MOST_POD_SECONDS = 8_000_000
"""Enough for 200 pods over 11 hours; the counts take 48 bytes for each."""

_OK, _REFUSED = OUTCOMES.index("ok"), OUTCOMES.index("refused")


class SliCounts:
    """Attempts of one run, counted where they were planned. A refusal is an answer, not an attempt."""

    def __init__(self, pods: int, span_s: float, limits_s: Mapping[str, float]) -> None:
        if pods * span_s > MOST_POD_SECONDS:
            raise UnreadableError(f"{pods:,} pods for {span_s:,.0f} s are more than are counted second by second")
        self.limits_s = limits_s
        self.attempts = {name: np.zeros((pods, int(np.ceil(span_s)) or 1), dtype=np.int64) for name in SLIS}
        """By SLI: [pod, second since the load began]."""
        self.bad = {name: np.zeros_like(counts) for name, counts in self.attempts.items()}
        """Attempts that failed, are unknown, or took longer than the limit."""

    def add(self, sli: str, at_ns: Ints, response_ns: Ints, outcome: Codes, pod: Codes) -> None:
        """Counts rows that were due `at_ns` since the load began."""
        pods, seconds = self.attempts[sli].shape
        second = at_ns // 1_000_000_000
        counted = (outcome != _REFUSED) & (pod < pods) & (second >= 0) & (second < seconds)
        bad = counted & ((outcome != _OK) | (response_ns > round(self.limits_s[sli] * 1e9)))
        place = pod.astype(np.int64) * seconds + second
        for counts, mask in ((self.attempts, counted), (self.bad, bad)):
            found = np.bincount(place[mask], minlength=pods * seconds)
            counts[sli] += found.reshape(pods, seconds)


WIDTHS_S: tuple[int, ...] = (1, 2, 5)
_MOSTLY = 0.9
"""Share of bins that must hold enough attempts to be known; otherwise the next width is used."""


@dataclass(frozen=True)
class Breach:
    """Bins from `first` up to `past` (exclusive), and the worst share of bad attempts among them. `past` None: the
    breach had not ended at the end of the load."""

    first: int
    past: int | None
    worst: float


def shares(attempts: Ints, bad: Ints, rule: BreachRule = BREACH_RULE) -> Floats:
    """The share of bad attempts in each bin; NaN where it is unknown."""
    known = attempts >= rule.least
    return np.where(known, bad / np.maximum(attempts, 1), np.nan)


def breaches(share: Floats, rule: BreachRule = BREACH_RULE) -> list[Breach]:
    """The breaches of one SLI of one pod, in order; no two of them touch."""
    known = np.flatnonzero(~np.isnan(share))
    found: list[Breach] = []
    since: int | None = None
    streak: list[int] = []
    for place in known.tolist():
        crossed = share[place] > rule.starts if since is None else share[place] <= rule.ends
        streak = [*streak, place] if crossed else []
        if len(streak) < rule.in_a_row:
            continue
        if since is None:
            since = streak[0]
        else:
            found.append(_breach(share, since, streak[0]))
            since = None
        streak = []
    return found if since is None else [*found, _breach(share, since, None)]


def _breach(share: Floats, first: int, past: int | None) -> Breach:
    return Breach(first, past, float(np.nanmax(share[first:past])))


def width_for(attempts: Ints, rule: BreachRule = BREACH_RULE) -> int:
    """The narrowest of `WIDTHS_S` in which most bins of all pods are known, else the widest.

    `attempts`: [pod, second].
    """
    for width in WIDTHS_S:
        counts = widened(attempts, width)
        if counts.size and np.mean(counts >= rule.least) >= _MOSTLY:
            return width
    return WIDTHS_S[-1]


def widened(counts: Ints, width: int) -> Ints:
    """[pod, second] → [pod, bin of `width` seconds]."""
    pods, seconds = counts.shape
    padded = np.pad(counts, ((0, 0), (0, -seconds % width)))
    return np.asarray(padded.reshape(pods, padded.shape[1] // width, width).sum(axis=2), dtype=np.int64)
