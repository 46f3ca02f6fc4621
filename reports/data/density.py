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
    if weights is None:
        return between(edges, elapsed(edges, starts), elapsed(edges, np.maximum(starts, ends)))
    gone = np.zeros(len(edges))
    for part in pieces(len(starts)):
        span = np.maximum(ends[part] - starts[part], 1)
        rates = weights[part] / span
        gone += _ramps(edges, starts[part], rates) - _ramps(edges, starts[part] + span, rates)
    return between(edges, gone, np.zeros(len(edges)))


def elapsed(edges: Ints, moments: Ints) -> Floats:
    """At each edge, the time that has passed since each earlier moment, summed, in s."""
    summed = np.zeros(len(edges))
    for part in pieces(len(moments)):
        summed += _ramps(edges, moments[part], None)
    return summed


def between(edges: Ints, since_starts: Floats, since_ends: Floats) -> Floats:
    """Mean number in each bin of spans whose starts and ends have these `elapsed` times."""
    width = np.diff(edges)  # bins after the end of a shorter run have no width
    grown = np.diff(since_starts - since_ends) / np.maximum(width, 1) * 1e9
    return np.where(width > 0, np.maximum(grown, 0.0), 0.0)


def _ramps(edges: Ints, corners: Ints, rates: Floats | None) -> Floats:
    """At each edge, the sum of ramps that each rise with their rate (1 where none is given) from their corner on, in
    s."""
    places = np.searchsorted(edges, corners)
    past = (corners - edges[0]) / 1e9
    slopes, offsets = (
        np.bincount(places, each, len(edges) + 1)[: len(edges)].cumsum()
        for each in ((None, past) if rates is None else (rates, rates * past))
    )
    return np.asarray(slopes * ((edges - edges[0]) / 1e9) - offsets, dtype=np.float64)
