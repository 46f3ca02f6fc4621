"""What was planned against what happened: agents, arrivals, lengths of stages."""

from dataclasses import replace

import pytest

from loadtests.scenario import Stage
from loadtests.scenario.completeness import (
    AgentDeviation,
    StageFigures,
    planned_figures,
    shortfalls,
    with_lengths,
)
from loadtests.scenario.stages import timeline

WARM = Stage(name="warm", duration="10s", agents=40, arrivals_per_s=10.0)
RAMP = Stage(name="ramp", duration="20s", agents=60, arrivals_per_s=30.0, ramp=True)
STEADY = Stage(name="steady", duration="20s", agents=60, arrivals_per_s=30.0, judge=True)
DOWN = Stage(name="down", duration="20s", agents=10, arrivals_per_s=30.0)
LINE = timeline([WARM, RAMP, STEADY, DOWN])

WHOLE = StageFigures("steady", 20.0, 20.0, 60, 0, 0, 600, 570, 600)


def deviation(*seen: tuple[float, int]) -> tuple[list[int], list[int]]:
    found = AgentDeviation(LINE)
    for at_s, alive in seen:
        found.note(at_s, alive)
    return found.missing, found.extra


def test_agents_as_planned_do_not_deviate() -> None:
    seen = [(t / 10, span.agents_at(t / 10)) for t in range(700) if (span := LINE.at(t / 10))]
    assert deviation(*seen) == ([0, 0, 0, 0], [0, 0, 0, 0])


def test_agents_may_follow_the_plan_with_a_delay() -> None:
    seen = [(t, LINE.at(t - 3).agents_at(t - 3) if t >= 3 else 0) for t in range(70)]
    assert deviation(*seen) == ([0, 0, 0, 0], [0, 0, 0, 0])


@pytest.mark.parametrize(
    ("at_s", "alive", "missing"),
    [
        (4.9, 0, [0, 0, 0, 0]),  # they have five seconds to come
        (5.1, 39, [1, 0, 0, 0]),
        (15.0, 39, [0, 1, 0, 0]),  # of the 40 that were planned five seconds ago
        (40.0, 30, [0, 0, 30, 0]),
        (60.0, 0, [0, 0, 0, 10]),
    ],
)
def test_missing_agents_count_by_stage(at_s: float, alive: int, missing: list[int]) -> None:
    assert deviation((at_s, alive)) == (missing, [0, 0, 0, 0])


@pytest.mark.parametrize(("at_s", "extra"), [(51.0, 0), (59.0, 0), (61.0, 50)])
def test_agents_that_do_not_leave_are_too_many(at_s: float, extra: int) -> None:
    assert deviation((at_s, 60)) == ([0, 0, 0, 0], [0, 0, 0, extra])


def test_short_stages_are_compared_after_three_seconds() -> None:
    found = AgentDeviation(timeline([Stage(name="only", duration="4s", agents=4, arrivals_per_s=0.0)]))
    found.note(2.9, 0)
    assert found.missing == [0]
    found.note(3.1, 1)
    assert found.missing == [3]


def test_thousands_of_agents_have_longer_to_come() -> None:
    found = AgentDeviation(timeline([Stage(name="only", duration="60s", agents=10_000, arrivals_per_s=0.0)]))
    found.note(14.9, 0)
    assert found.missing == [0]
    found.note(15.1, 0)
    assert found.missing == [10_000]


def test_planned_arrivals_are_those_of_the_schedule() -> None:
    figures = planned_figures(LINE, "constant", 1)
    assert [f.arrivals for f in figures] == [100, 400, 600, 600]
    assert [f.arrivals_required for f in figures] == [100, 400, 600, 570]
    assert [f.arrivals_begun for f in figures] == [None] * 4


def test_stages_last_until_the_next_one_begins() -> None:
    found = with_lengths(planned_figures(LINE, "constant", 1), [("warm", 0.0), ("ramp", 10.0), ("steady", 30.0)], 35.0)
    assert [f.lasted_s for f in found] == [10.0, 20.0, 5.0, None]


def test_a_stage_that_begins_after_the_end_lasts_no_time() -> None:
    found = with_lengths([WHOLE], [(WHOLE.name, 10.6)], 10.0)
    assert [f.lasted_s for f in found] == [0.0]


def test_a_stage_that_was_skipped_makes_the_one_before_longer() -> None:
    found = with_lengths(planned_figures(LINE, "constant", 1), [("warm", 0.0), ("steady", 30.0), ("down", 50.0)], 70.0)
    assert [f.lasted_s for f in found] == [30.0, None, 20.0, 20.0]


def test_a_whole_stage_has_no_shortfall() -> None:
    assert shortfalls([WHOLE, replace(WHOLE, lasted_s=21.9, arrivals_begun=570)]) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"lasted_s": None}, "stage steady: never began"),
        ({"lasted_s": 19.9}, "stage steady: lasted 19.9 s instead of 20 s"),
        ({"lasted_s": 22.1}, "stage steady: lasted 22.1 s instead of 20 s"),
        ({"agents_missing": 30}, "stage steady: 60 agents planned, up to 30 missing"),
        ({"agents_extra": 1}, "stage steady: 60 agents planned, up to 1 more were there"),
        ({"arrivals_begun": 569}, "stage steady: 600 arrivals planned, 569 began"),
        ({"arrivals_begun": 601}, "stage steady: 600 arrivals planned, 601 began"),
    ],
)
def test_a_shortfall_names_plan_and_fact(changes: dict[str, float | None], text: str) -> None:
    assert shortfalls([replace(WHOLE, **changes)]) == [text]
