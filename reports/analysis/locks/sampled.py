"""Sampled lock time and its confidence intervals.

Sessions in one lock queue appear in the same sample or are missed together: a sample with twenty waits is one random
event, not twenty. So the unit is the sample, weighted by the waits in it: samples are modelled as a compound Poisson
process, and the interval is that of Fay and Feuer (1997), which is exact for equal weights.
"""

import numpy as np

from reports.data.arrays import Floats, Ints, Mask
from reports.data.lock_rows import LockRows
from reports.findings.locks import Sampled


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
