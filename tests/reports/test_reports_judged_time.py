"""Windows of judged time."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reports.data.contract import length_ns, merged
from reports.data.judged_time import inside, overlap_ns

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
