"""Intervals against known values, against scipy's own, and by their properties."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from reports.gate.judging.statistics import attempts_to_pass, difference_bounds, exact_bounds, wilson_bounds


@st.composite
def samples(draw, most=5000):
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


@given(samples())
def test_exact_bounds_are_those_of_scipy(sample):
    good, n = sample
    lower = stats.binomtest(good, n, alternative="greater").proportion_ci(0.95, "exact").low
    upper = stats.binomtest(good, n, alternative="less").proportion_ci(0.95, "exact").high
    assert exact_bounds(good, n) == (pytest.approx(lower, abs=1e-9), pytest.approx(upper, abs=1e-9))


def test_known_values():
    assert exact_bounds(10, 10)[0] == pytest.approx(0.05 ** (1 / 10))
    assert exact_bounds(0, 59)[1] == pytest.approx(1 - 0.05 ** (1 / 59))
    assert exact_bounds(7, 10) == (pytest.approx(0.3933758, abs=1e-6), pytest.approx(0.9127355, abs=1e-6))


def test_no_attempts_give_the_full_interval():
    assert exact_bounds(0, 0) == (0.0, 1.0)


@given(samples())
def test_bound_is_where_the_tail_falls_below_one_in_twenty(sample):
    good, n = sample
    lower, upper = exact_bounds(good, n)
    if good:
        assert stats.binom.sf(good - 1, n, lower) == pytest.approx(0.05, abs=1e-6)
    if good < n:
        assert stats.binom.cdf(good, n, upper) == pytest.approx(0.05, abs=1e-6)


@given(samples())
def test_a_bad_attempt_more_never_raises_a_bound(sample):
    good, n = sample
    assert all(after <= before for after, before in zip(exact_bounds(good, n + 1), exact_bounds(good, n), strict=True))


@given(st.floats(0.5, 0.99999))
def test_attempts_to_pass_is_the_least_that_does(target):
    n = attempts_to_pass(target)
    assert exact_bounds(n, n)[0] > target - 1e-12
    assert n == 1 or exact_bounds(n - 1, n - 1)[0] <= target + 1e-12


def test_attempts_to_pass_known_values():
    assert [attempts_to_pass(t) for t in (0.9, 0.95, 0.99, 0.999)] == [29, 59, 299, 2995]


@given(samples())
def test_score_bounds_are_those_of_scipy(sample):
    good, n = sample
    two_sided = stats.binomtest(good, n).proportion_ci(0.90, "wilson")
    assert wilson_bounds(good, n) == (pytest.approx(two_sided.low, abs=1e-9), pytest.approx(two_sided.high, abs=1e-9))


def test_newcombes_own_example():
    """56 of 70 against 48 of 80, two-sided 95 %: 0.0524 to 0.3339 (Newcombe 1998, method 10). Ours is at 90 %."""
    lower, upper = difference_bounds(56, 70, 48, 80)
    assert 0.0524 < lower < 0.2 < upper < 0.3339


@given(samples(500), samples(500))
def test_difference_lies_in_its_bounds_and_is_antisymmetric(one, two):
    lower, upper = difference_bounds(*one, *two)
    difference = one[0] / one[1] - two[0] / two[1]
    assert -1 - 1e-9 <= lower <= difference + 1e-9 and difference - 1e-9 <= upper <= 1 + 1e-9
    assert difference_bounds(*two, *one) == (pytest.approx(-upper), pytest.approx(-lower))


@given(samples(500))
def test_equal_shares_are_not_worse(sample):
    assume(sample[1] > 1)
    lower, upper = difference_bounds(*sample, *sample)
    assert lower <= 0 <= upper
