"""Lock time that was sampled, and how far off it may be: the one owner of its intervals.

Sessions that queue behind one lock are seen by the same look, or missed by it together: a look that saw twenty is one
stroke of luck, not twenty. So what counts is how much each look saw: looks are taken for a Poisson process whose
strokes have different weights, and the interval is that of Fay and Feuer (1997), exact where all weigh the same.
"""

from dataclasses import dataclass

import numpy as np

from reports.frames import Floats, Ints, Mask
from reports.lockrows import LockRows


@dataclass(frozen=True)
class Sampled:
    """A sum of sampled lock time in ns; of what single looks saw of it, the sum of squares and the largest."""

    ns: float = 0.0
    squares: float = 0.0
    largest: float = 0.0

    def __add__(self, other: "Sampled") -> "Sampled":
        """Together with what other looks saw."""
        return Sampled(self.ns + other.ns, self.squares + other.squares, max(self.largest, other.largest))

    @property
    def seconds(self) -> float:
        return self.ns / 1e9

    def interval_s(self, period_s: float) -> tuple[float, float]:
        """95 %. One look more would have seen at least one session, for a period of the sampling."""
        from scipy.special import chdtri

        one = max(self.largest, period_s * 1e9)
        ns, squares = self.ns + one, self.squares + one * one
        low = self.squares / self.ns * chdtri(2 * self.ns**2 / self.squares, 0.975) / 2 if self.ns > 0 else 0.0
        return float(low) / 1e9, float(squares / ns * chdtri(2 * ns**2 / squares, 0.025) / 2) / 1e9


def sampled(rows: LockRows, which: Mask | Ints) -> Sampled:
    """What of these waits was; nothing where all were timed."""
    places = np.flatnonzero(which) if which.dtype == np.bool_ else which
    mine = places[rows.hits[places] > 0]
    return of_looks(rows.look[mine], rows.hits[mine], rows.weight[mine])


def of_looks(first: Ints, hits: Ints, weight: Floats) -> Sampled:
    """Of waits that so many looks saw, one after another from the first on, and that count so much."""
    if not len(first):
        return Sampled()
    each = weight / hits
    moments, more = np.concatenate((first, first + hits)), np.concatenate((each, -each))
    order = np.argsort(moments)
    looks, seen = np.diff(moments[order]), np.cumsum(more[order])[:-1]
    return Sampled(float(weight.sum()), float(looks @ seen**2), float(seen[looks > 0].max()))
