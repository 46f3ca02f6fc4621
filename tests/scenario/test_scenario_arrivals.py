"""The schedule of arrivals: rates, ramps, and that thinning loses and adds nothing."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.scenario.arrivals import Arrival, Process, Segment, arrivals, thinned

rates = st.floats(0, 200, allow_nan=False)
segments = st.lists(st.builds(Segment, st.floats(0.1, 5), rates, rates), min_size=1, max_size=4)
processes = st.sampled_from(["poisson", "constant"])


@given(segments, processes, st.integers(0, 2**63 - 1), st.integers(1, 7))
def test_workers_together_make_exactly_the_schedule(
    given_segments: list[Segment], process: Process, seed: int, workers: int
) -> None:
    whole = list(arrivals(given_segments, process, seed))
    parts = [a for w in range(workers) for a in thinned(arrivals(given_segments, process, seed), w, workers)]
    assert sorted(parts, key=lambda a: a.index) == whole


@given(segments, processes, st.integers(0, 1000))
def test_arrivals_are_in_order_within_the_run_and_numbered(
    given_segments: list[Segment], process: Process, seed: int
) -> None:
    whole = list(arrivals(given_segments, process, seed))
    end_s = sum(s.duration_s for s in given_segments)
    assert [a.index for a in whole] == list(range(len(whole)))
    assert all(a.at_s <= b.at_s for a, b in pairwise(whole))
    assert all(0 <= a.at_s <= end_s and 0 <= a.account < 1 for a in whole)


@given(segments, st.integers(0, 1000))
def test_constant_arrivals_are_as_many_as_the_rates(given_segments: list[Segment], seed: int) -> None:
    expected = sum(s.expected for s in given_segments)
    assert abs(len(list(arrivals(given_segments, "constant", seed))) - expected) <= 0.5 + 1e-6


def test_a_constant_rate_is_evenly_spaced() -> None:
    found = [a.at_s for a in arrivals([Segment(1.0, 10.0, 10.0)], "constant", 1)]
    assert found == pytest.approx([0.05 + 0.1 * i for i in range(10)])


def test_poisson_arrivals_have_the_rate_and_spread_of_the_process() -> None:
    found = list(arrivals([Segment(200.0, 50.0, 50.0)], "poisson", 3))
    gaps = [b.at_s - a.at_s for a, b in pairwise(found)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((g - mean) ** 2 for g in gaps) / len(gaps))
    assert len(found) == pytest.approx(10_000, abs=400)  # four standard deviations
    assert deviation == pytest.approx(mean, rel=0.05)


def test_a_ramp_has_a_quarter_of_its_arrivals_in_its_first_half() -> None:
    found = [a.at_s for a in arrivals([Segment(10.0, 0.0, 80.0)], "constant", 1)]
    assert len(found) == 400
    assert sum(t < 5.0 for t in found) == 100


def test_the_seed_decides() -> None:
    def schedule(seed: int) -> list[Arrival]:
        return list(arrivals([Segment(5.0, 20.0, 20.0)], "poisson", seed))

    assert schedule(1) == schedule(1)
    assert schedule(1) != schedule(2)


def test_a_stage_without_arrivals_is_passed_over() -> None:
    found = [a.at_s for a in arrivals([Segment(2, 5, 5), Segment(3, 0, 0), Segment(2, 5, 5)], "constant", 1)]
    assert [t for t in found if 2 < t < 5] == []
    assert len(found) == 20
