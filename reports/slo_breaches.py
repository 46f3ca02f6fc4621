"""SLO breaches of a pod: counts of attempts → the times in which too many of them were bad. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WIDTHS_S: tuple[int, ...] = (1, 2, 5)
_MOSTLY = 0.9
"""Share of bins that must hold enough attempts to be known; otherwise the next width is used."""


@dataclass(frozen=True)
class BreachRule:
    """When a breach begins and ends. A bin with fewer than `least` attempts is unknown and does neither."""

    least: int = 5
    starts: float = 0.2
    """A breach begins with the first of `in_a_row` known bins that each have a larger share of bad attempts ..."""
    ends: float = 0.1
    """... and ends with the first of `in_a_row` known bins that each have no larger share than this."""
    in_a_row: int = 2

    def __str__(self) -> str:
        return (
            f"a breach begins with the first of {self.in_a_row} bins in a row in each of which more than "
            f"{self.starts:.0%} of the attempts are bad, and ends with the first of {self.in_a_row} in a row in which "
            f"no more than {self.ends:.0%} are; a bin of fewer than {self.least} attempts is unknown and is skipped"
        )


BREACH_RULE = BreachRule()


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


def joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same time in spans that do not overlap."""
    out: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = out[-1][0], max(out[-1][1], end)
        else:
            out.append((begin, end))
    return out
