"""Percentiles and their intervals against known values, simulation and plain definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from reports.analysis.operations.statistics import (
    by_bin,
    curve,
    interval_ranks,
    largest,
    percentile,
    percentiles,
    rank_of,
    sample,
)
from reports.findings.estimates import Bin

DURATIONS = st.lists(st.tuples(st.integers(0, 10**10), st.booleans()), min_size=1, max_size=300)


def of(durations, censored=()):
    mask = np.zeros(len(durations), dtype=bool)
    mask[list(censored)] = True
    return sample(np.array(durations, dtype=np.int64), mask)


def test_percentiles_of_one_to_a_thousand():
    found = percentiles(of(range(1000, 0, -1)))
    assert [found[name].value for name in ("p50", "p95", "p99", "p99.9", "max")] == [500, 950, 990, 999, 1000]


@pytest.mark.parametrize(
    ("n", "p", "shown"), [(99, 0.99, False), (100, 0.99, True), (999, 0.999, False), (1000, 0.999, True)]
)
def test_a_percentile_needs_a_row_beyond_it(n, p, shown):
    assert (percentile(of(range(n)), p) is not None) == shown


def test_the_interval_of_the_median_of_ten_is_the_textbook_one():
    assert interval_ranks(0.5, 10) == (2, 9)


def test_a_bound_that_few_rows_cannot_give_is_left_out():
    low, high = interval_ranks(0.99, 200)
    assert low is not None
    assert high is None


@given(st.sampled_from((0.5, 0.95, 0.99, 0.999)), st.integers(1, 20_000))
def test_interval_ranks_are_the_narrowest_that_cover(p, n):
    low, high = interval_ranks(p, n)
    below = 0.0 if low is None else binom.cdf(low - 1, n, p)
    above = 0.0 if high is None else binom.sf(high - 1, n, p)
    assert below <= 0.025 + 1e-9
    assert above <= 0.025 + 1e-9
    if low is not None:
        assert binom.cdf(low, n, p) >= 0.025 - 1e-9


def test_intervals_cover_the_true_percentile_often_enough():
    random = np.random.default_rng(20240702)
    true = np.exp(1.6448536269514722)  # p95 of exp(N(0, 1))
    covered = 0
    for _ in range(400):
        rows = of((np.exp(random.standard_normal(400)) * 1e6).astype(np.int64))
        found = percentile(rows, 0.95)
        covered += found.low <= true * 1e6 <= found.high
    assert covered >= 400 * 0.92


@given(DURATIONS)
def test_percentiles_never_fall(rows):
    durations, censored = zip(*rows, strict=True)
    found = [e.value for e in percentiles(sample(np.array(durations), np.array(censored))).values() if e]
    assert found == sorted(found)


@given(DURATIONS)
def test_every_percentile_is_a_row_and_its_interval_holds_it(rows):
    durations, censored = zip(*rows, strict=True)
    for found in filter(None, percentiles(sample(np.array(durations), np.array(censored))).values()):
        assert found.value in durations
        assert found.low is None or found.low <= found.value
        assert found.high is None or found.high >= found.value


@given(DURATIONS, st.sampled_from((0.5, 0.95, 0.99)))
def test_exact_percentile_holds_for_any_censored_wait(rows, p):
    durations, censored = (np.array(part) for part in zip(*rows, strict=True))
    found = percentile(sample(durations, censored), p)
    if found is not None and not found.at_least:
        worst = np.sort(np.where(censored, np.iinfo(np.int64).max, durations))
        assert worst[rank_of(p, len(durations)) - 1] <= found.value * 1.01


def test_percentile_among_censored_waits_is_a_lower_bound():
    rows = of([10] * 90 + [5000] * 10, censored=range(90, 100))
    assert not percentile(rows, 0.5).at_least
    assert percentile(rows, 0.95).at_least
    assert percentile(rows, 0.95).high is None
    assert largest(rows).at_least


def test_censored_waits_above_a_percentile_leave_it_exact():
    found = percentile(of([*range(1, 1000), 5000], censored=[999]), 0.99)
    assert (found.value, found.at_least) == (990, False)


def test_no_rows_no_figures():
    assert set(percentiles(of([])).values()) == {None}
    assert curve(of([])) == ([], [])


def test_the_curve_goes_from_all_rows_to_the_slowest():
    above, durations = curve(of(range(1, 1001)))
    assert above[0] == 1.0
    assert above[-1] == 0.001
    assert durations[0] == 1
    assert durations[-1] == 1000
    assert len(above) <= 240


def bins(durations, places, count, cut=()):
    mask = np.zeros(len(durations), dtype=bool)
    mask[list(cut)] = True
    return by_bin(np.array(durations), mask, np.array(places, dtype=np.int16), count)


def test_bins_are_judged_apart_and_rows_off_the_axis_left_out():
    assert bins([5, 1, 9, 7, 100], [0, 0, 0, 2, -1], 3) == [Bin(3, 5, 9, 9), None, Bin(1, 7, 7, 7)]


def test_bin_percentile_among_censored_waits_is_a_bound():
    slow, quick = bins([1, 2, 9, 9, 1, 2], [0, 0, 0, 0, 1, 1], 2, cut=[2, 3])
    assert slow == Bin(4, 2, 9, 9, (False, True, True))
    assert quick.at_least == (False, False, False)
