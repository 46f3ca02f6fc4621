"""The mean number of concurrent spans in each bin."""

from itertools import pairwise

import numpy as np
import pytest

from reports.data import density as module
from reports.data.density import between, density, elapsed

EDGES = np.array([0, 10, 20, 30, 30])
"""The last bin is after the end of the run."""


def counted(starts, ends, worth):
    """The same, nanosecond by nanosecond."""
    found = np.zeros(len(EDGES) - 1)
    for place, (since, until) in enumerate(pairwise(EDGES)):
        for start, end, each in zip(starts, ends, worth, strict=True):
            found[place] += each * max(min(end, until) - max(start, since), 0) / max(until - since, 1)
    return found


def spans(size=200):
    random = np.random.default_rng(7)
    starts = random.integers(-5, 35, size)
    return starts, starts + random.integers(0, 20, size)


def test_spans_count_for_the_time_that_they_last():
    starts, ends = spans()
    assert density(EDGES, starts, ends) == pytest.approx(counted(starts, ends, np.ones(len(starts))))


def test_weights_are_spread_evenly_over_their_spans():
    starts, ends = spans()
    ends = np.maximum(ends, starts + 1)
    weights = np.arange(len(starts), dtype=np.float64)
    assert density(EDGES, starts, ends, weights) == pytest.approx(counted(starts, ends, weights / (ends - starts)))


def test_span_that_ends_before_it_begins_counts_nothing():
    assert density(EDGES, np.array([15]), np.array([5])).tolist() == [0, 0, 0, 0]


def test_pieces_add_up(monkeypatch):
    starts, ends = spans()
    whole = density(EDGES, starts, ends)
    monkeypatch.setattr(module, "PIECE", 7)
    assert density(EDGES, starts, ends) == pytest.approx(whole)
    assert between(EDGES, elapsed(EDGES, starts), elapsed(EDGES, ends)) == pytest.approx(whole)
