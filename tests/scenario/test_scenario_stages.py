"""Stages: what is asked of the load at a moment."""

from loadtests.scenario import Stage
from loadtests.scenario.arrivals import Segment
from loadtests.scenario.stages import timeline

WARM = Stage(name="warm", duration="5s", agents=40, arrivals_per_s=10.0)
RAMP = Stage(name="ramp", duration="4s", agents=60, arrivals_per_s=30.0, ramp=True)
STEADY = Stage(name="steady", duration="15s", agents=60, arrivals_per_s=30.0, judge=True)


def names_at(*times: float) -> list[str | None]:
    line = timeline([WARM, RAMP, STEADY])
    return [span.stage.name if (span := line.at(t)) else None for t in times]


def test_a_stage_lasts_from_its_start_to_just_before_its_end() -> None:
    assert names_at(0, 4.99, 5, 8.99, 9, 23.99, 24) == ["warm", "warm", "ramp", "ramp", "steady", "steady", None]


def test_the_run_lasts_as_long_as_its_stages() -> None:
    assert timeline([WARM, RAMP, STEADY]).duration_s == 24


def test_agents_grow_linearly_in_a_ramp_and_at_once_elsewhere() -> None:
    warm, ramp, steady = timeline([WARM, RAMP, STEADY]).spans
    assert warm.agents_at(0) == 40
    assert [ramp.agents_at(t) for t in (5, 6, 7, 9)] == [40, 45, 50, 60]
    assert steady.agents_at(9) == 60


def test_a_first_stage_that_ramps_begins_at_nothing() -> None:
    (only,) = timeline([RAMP]).spans
    assert [only.agents_at(t) for t in (0, 2, 4)] == [0, 30, 60]
    assert timeline([RAMP]).segments() == [Segment(4.0, 0.0, 30.0)]


def test_rates_of_arrivals_ramp_with_the_stage() -> None:
    rates = [(s.start_rate, s.end_rate) for s in timeline([WARM, RAMP, STEADY]).segments()]
    assert rates == [(10, 10), (10, 30), (30, 30)]
