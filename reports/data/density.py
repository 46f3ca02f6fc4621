"""The mean number of concurrent spans in each bin. Arrays in, arrays out."""

from collections.abc import Iterator

import numpy as np

from reports.data.arrays import Floats, Ints

PIECE = 1 << 19
"""Rows that are processed at a time, to bound the memory for intermediate arrays."""


def pieces(rows: int) -> Iterator[slice]:
    for first in range(0, rows, PIECE):
        yield slice(first, first + PIECE)


def density(edges: Ints, starts: Ints, ends: Ints, weights: Ints | Floats | None = None) -> Floats:
    """Mean number in each bin, every span's weight (ns; its length where none is given) spread evenly over it."""
    gone = np.zeros(len(edges))
    for part in pieces(len(starts)):
        gone += _gone(edges, starts[part], ends[part], None if weights is None else weights[part])
    width = np.diff(edges)  # bins after the end of a shorter run have no width
    return np.where(width > 0, np.maximum(np.diff(gone) / np.maximum(width, 1) * 1e9, 0.0), 0.0)


def _gone(edges: Ints, starts: Ints, ends: Ints, weights: Ints | Floats | None) -> Floats:
    """How much of the weights has gone by at each edge, in s."""
    span = np.maximum(ends - starts, 1)
    rates = np.maximum(ends - starts, 0) / span if weights is None else weights / span
    return _ramps(edges, starts, rates) - _ramps(edges, starts + span, rates)


def _ramps(edges: Ints, corners: Ints, rates: Floats) -> Floats:
    """At each edge, the sum of ramps that each rise with their rate from their corner on, in s."""
    places = np.searchsorted(edges, corners)
    past = (corners - edges[0]) / 1e9
    slopes, offsets = (np.bincount(places, w, len(edges) + 1)[: len(edges)].cumsum() for w in (rates, rates * past))
    return np.asarray(slopes * ((edges - edges[0]) / 1e9) - offsets, dtype=np.float64)
