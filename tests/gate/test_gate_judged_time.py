"""Windows of time, and how much of them a probe missed."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reports.gate.judged_time import blind_windows, inside, length_ns, merged, overlap_ns

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


def blind(starts_s, failed=(), until_s=10.0, lasting_s=0.01):
    planned = np.array([round(t * S) for t in starts_s], dtype=np.int64)
    bad = np.array([t in failed for t in starts_s], dtype=np.bool_)
    found = blind_windows(planned, planned + round(lasting_s * S), bad, round(until_s * S))
    return [(begin / S, end / S) for begin, end in found]


EVERY_100_MS = [n / 10 for n in range(100)]


def test_a_probe_that_always_sees_is_never_blind():
    assert blind(EVERY_100_MS) == []


def test_a_failed_tick_blinds_until_the_next():
    assert blind(EVERY_100_MS, failed=(3.0, 3.1, 7.0)) == [(3.0, 3.2), (7.0, 7.1)]


def test_missing_ticks_are_blindness_too():
    assert blind([t for t in EVERY_100_MS if not 3.05 < t < 6.0]) == [(3.01, 6.0)]


def test_silence_before_the_end_is_blindness():
    assert blind([t for t in EVERY_100_MS if t < 5.0]) == [(4.91, 10.0)]


def test_a_late_tick_of_a_busy_machine_is_not():
    assert blind([t for t in EVERY_100_MS if not 3.05 < t < 3.9]) == []


def test_the_order_of_rows_does_not_matter():
    assert blind(list(reversed(EVERY_100_MS)), failed=(3.0,)) == [(3.0, 3.1)]


def test_a_single_tick():
    assert blind([0.0]) == [(0.01, 10.0)]
