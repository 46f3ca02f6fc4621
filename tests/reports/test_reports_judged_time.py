"""Windows of time, and how much of them a probe missed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.judged_time import blind_windows, inside, length_ns, merged, overlap_ns

S = 1_000_000_000
windows = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=6)


def covered(some):
    return {t for begin, end in some for t in range(begin, end)}


@given(windows)
def test_merging_keeps_the_time_and_orders_it(some):
    out = merged(some)
    assert covered(out) == covered(some)
    assert length_ns(out) == len(covered(some))
    assert all(a[1] < b[0] for a, b in pairwise(out))


@given(windows, windows)
def test_overlap_is_the_time_in_both(a, b):
    assert overlap_ns(merged(a), merged(b)) == len(covered(a) & covered(b))


@given(windows, st.lists(st.integers(-5, 105)))
def test_inside_is_from_the_beginning_to_before_the_end(some, times):
    hit = inside(np.array(times, dtype=np.int64), merged(some))
    assert hit.tolist() == [t in covered(some) for t in times]


EVERY_100_MS = [n / 10 for n in range(100)]


def blind(missing=lambda t: False, failed=lambda t: False, until_s=10.0):
    planned = np.array([round(t * S) for t in EVERY_100_MS if not missing(t)], dtype=np.int64)
    seen = np.array([round(t * S) for t in EVERY_100_MS if not missing(t) and not failed(t)], dtype=np.int64)
    return [(begin / S, end / S) for begin, end in blind_windows(planned, seen, (0, round(until_s * S)))]


def test_a_probe_that_always_sees_is_never_blind():
    assert blind() == []


def test_a_failed_tick_or_two_are_jitter():
    assert blind(failed=lambda t: t in (3.0, 3.1)) == []


def test_failed_ticks_blind_from_when_the_next_was_due():
    assert blind(failed=lambda t: 3.0 <= t <= 5.0) == [(3.0, 5.1)]


def test_missing_ticks_are_blindness_too():
    assert blind(missing=lambda t: 3.0 <= t <= 5.0) == [(3.0, 5.1)]


def test_silence_at_either_end_is_blindness():
    assert blind(missing=lambda t: t < 2.0) == [(0.1, 2.0)]
    assert blind(missing=lambda t: t > 7.0) == [(7.1, 10.0)]


def test_a_probe_that_never_saw_anything_was_blind_throughout():
    assert blind(failed=lambda t: True) == [(0.1, 10.0)]


def test_the_conductor_counts_alike():
    from loadtests.conductor.blindness import Tick, blindness

    ticks = [Tick("p", *(round(t * S),) * 3, "lost" if 3 <= t < 4 else None) for t in EVERY_100_MS if not 6 < t < 8]
    told_s, _ = blindness(ticks, 0, 10 * S)
    placed = blind(missing=lambda t: 6 < t < 8, failed=lambda t: 3 <= t < 4)
    assert told_s == pytest.approx(sum(end - begin for begin, end in placed))
