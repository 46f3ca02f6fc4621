"""How many there were of something at a time, on average over each bin. Arrays in, arrays out."""

import numpy as np

from reports.frames import Floats, Ints


def density(edges: Ints, starts: Ints, ends: Ints, weights: Ints | Floats | None = None) -> Floats:
    """Mean number in each bin, every span's weight (ns; its length where none is given) spread evenly over it."""
    span = np.maximum(ends - starts, 1)
    rates = np.maximum(ends - starts, 0) / span if weights is None else weights / span
    gone = _ramps(edges, starts, rates) - _ramps(edges, starts + span, rates)
    width = np.diff(edges)  # no run lasts as long as the longest; past its end there is nothing to divide by
    return np.where(width > 0, np.maximum(np.diff(gone) / np.maximum(width, 1) * 1e9, 0.0), 0.0)


def _ramps(edges: Ints, corners: Ints, rates: Floats) -> Floats:
    """At each edge, the sum of ramps that each rise with their rate from their corner on, in s."""
    places = np.searchsorted(edges, corners)
    past = (corners - edges[0]) / 1e9
    slopes, offsets = (np.bincount(places, w, len(edges) + 1)[: len(edges)].cumsum() for w in (rates, rates * past))
    return np.asarray(slopes * ((edges - edges[0]) / 1e9) - offsets, dtype=np.float64)
