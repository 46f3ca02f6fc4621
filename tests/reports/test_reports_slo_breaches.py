"""SLO breaches: beginning, end, and unknown bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.analysis.operations.slo_breaches import WIDTHS_S, Breach, breaches, shares, widened, width_for
from reports.findings.slis import BREACH_RULE, joined

FINE, BAD, HALF, DARK = 0.0, 1.0, 0.15, np.nan


def found(*bins):
    return breaches(np.array(bins))


def test_a_bin_with_few_attempts_is_unknown():
    share = shares(np.array([4, 5, 10]), np.array([4, 1, 5]))
    assert np.isnan(share[0])
    assert share[1:].tolist() == [0.2, 0.5]


def test_breach_lasts_from_two_bad_bins_to_two_good_ones():
    assert found(FINE, BAD, BAD, BAD, FINE, FINE) == [Breach(1, 4, 1.0)]


@pytest.mark.parametrize("bins", [(FINE, BAD, FINE), (BAD, FINE, BAD, FINE), (0.2, 0.2, 0.2), (DARK, BAD, DARK), ()])
def test_one_bad_bin_or_few_bad_attempts_are_no_breach(bins):
    assert found(*bins) == []


def test_one_good_bin_or_medium_share_ends_no_breach():
    assert found(BAD, BAD, FINE, HALF, FINE, BAD, FINE, FINE) == [Breach(0, 6, 1.0)]


def test_breach_at_the_end_of_the_load_has_no_end():
    assert found(FINE, 0.5, 0.7) == [Breach(1, None, 0.7)]
    assert found(BAD, BAD, DARK, DARK, FINE) == [Breach(0, None, 1.0)]


def test_unknown_bins_are_skipped():
    assert found(BAD, DARK, BAD, DARK, FINE, DARK, FINE) == [Breach(0, 4, 1.0)]
    assert found(DARK, DARK) == []


def test_pod_may_have_two_breaches():
    assert found(BAD, BAD, FINE, FINE, 0.3, 0.3) == [Breach(0, 2, 1.0), Breach(4, None, 0.3)]


SHARES = st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1)), max_size=60)


@given(SHARES)
def test_breaches_are_sorted_disjoint_and_within_the_data(bins):
    seen = breaches(np.array(bins))
    edges = [edge for b in seen for edge in (b.first, len(bins) if b.past is None else b.past)]
    assert edges == sorted(set(edges))
    assert all(b.past is not None for b in seen[:-1])
    assert all(b.worst > BREACH_RULE.starts for b in seen)


@given(SHARES)
def test_good_or_unknown_bins_are_no_breach(bins):
    assert breaches(np.where(np.array(bins, dtype=float) > BREACH_RULE.starts, 0.0, np.array(bins, dtype=float))) == []


def test_bins_are_as_narrow_as_the_attempts_allow():
    assert width_for(np.full((3, 20), 9)) == 1
    assert width_for(np.full((3, 20), 3)) == 2
    assert width_for(np.full((3, 20), 1)) == WIDTHS_S[-1]
    assert width_for(np.zeros((0, 0), dtype=int)) == WIDTHS_S[-1]


def test_widening_keeps_every_attempt():
    assert widened(np.array([[1, 2, 3, 4, 5]]), 2).tolist() == [[3, 7, 5]]


def test_joined_spans_do_not_overlap():
    assert joined([(5, 6), (1, 3), (2, 4)]) == [(1, 4), (5, 6)]
