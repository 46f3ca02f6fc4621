"""The interval index: pieces and covered lengths of random intervals add up to the queried spans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.data.interval_index import IntervalIndex, running_max

spans = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 20)), max_size=25)


@given(spans=spans, asked=spans)
def test_cut_pieces_cover_the_spans(spans, asked):
    group, start, length = (
        np.array(column, dtype=np.int64) for column in (zip(*spans, strict=True) if spans else [()] * 3)
    )
    index = IntervalIndex(group, start, start + length, 4)
    mine, since, lasts = (np.array(c, dtype=np.int64) for c in (zip(*asked, strict=True) if asked else [()] * 3))
    whose, lo, hi, which = index.cut(mine, since, since + lasts)
    assert np.array_equal(np.bincount(whose, hi - lo, len(mine)), lasts)
    order = np.lexsort((lo, whose))
    same = whose[order][1:] == whose[order][:-1]
    assert (lo[order][1:][same] == hi[order][:-1][same]).all()
    held = sum(
        (ns for _, ns in index.behind(np.zeros(len(group), np.int64), mine, since, since + lasts)), np.zeros(len(mine))
    )
    covered = np.bincount(whose[which >= 0], (hi - lo)[which >= 0], len(mine))
    assert held == pytest.approx(covered)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-50, 50)), max_size=30).map(sorted))
def test_running_max_is_by_group(pairs):
    group, values = (np.array(c, dtype=np.int64) for c in (zip(*pairs, strict=True) if pairs else [(), ()]))
    expected = [max(v for g, v in pairs[: i + 1] if g == group[i]) for i in range(len(pairs))]
    assert running_max(group, values).tolist() == expected
