"""Sampled lock time and its confidence intervals.

Sessions in one lock queue appear in the same sample or are missed together: a sample with twenty waits is one random
event, not twenty. So the unit is the sample, weighted by the waits in it: samples are modelled as a compound Poisson
process, and the interval is that of Fay and Feuer (1997), which is exact for equal weights.
"""

from dataclasses import dataclass

import numpy as np

from reports.data.arrays import Floats, Ints, Mask
from reports.data.lock_rows import LockRows


@dataclass(frozen=True)
class Sampled:
    """A sum of sampled lock time in ns, with the sum of squares and the largest value of single samples."""

    ns: float = 0.0
    squares: float = 0.0
    largest: float = 0.0

    def __add__(self, other: "Sampled") -> "Sampled":
        """The sum with that of other samples."""
        return Sampled(self.ns + other.ns, self.squares + other.squares, max(self.largest, other.largest))

    @property
    def seconds(self) -> float:
        return self.ns / 1e9

    def interval_s(self, period_s: float) -> tuple[float, float]:
        """The 95 % interval. A further sample would have shown at least one session, for one period."""
        from scipy.special import chdtri

        one = max(self.largest, period_s * 1e9)
        ns, squares = self.ns + one, self.squares + one * one
        low = self.squares / self.ns * chdtri(2 * self.ns**2 / self.squares, 0.975) / 2 if self.ns > 0 else 0.0
        return float(low) / 1e9, float(squares / ns * chdtri(2 * ns**2 / squares, 0.025) / 2) / 1e9


def sampled(rows: LockRows, waits: Mask | Ints) -> Sampled:
    """The sampled time of these waits; zero where all were timed."""
    places = np.flatnonzero(waits) if waits.dtype == np.bool_ else waits
    selected = places[rows.hits[places] > 0]
    return of_samples(rows.first_sample[selected], rows.hits[selected], rows.weight[selected])


def of_samples(first: Ints, hits: Ints, weight: Floats) -> Sampled:
    """The sum over waits that appear in `hits` consecutive samples from `first` on and count `weight`."""
    if not len(first):
        return Sampled()
    each = weight / hits
    moments, more = np.concatenate((first, first + hits)), np.concatenate((each, -each))
    order = np.argsort(moments)
    samples, seen = np.diff(moments[order]), np.cumsum(more[order])[:-1]
    return Sampled(float(weight.sum()), float(samples @ seen**2), float(seen[samples > 0].max()))
