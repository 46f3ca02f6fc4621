"""Exclusive actions on the same component at the same time, by the plan. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import inf

from loadtests.scenario import Action, Scenario
from loadtests.timeline.component_locks import locked_components
from loadtests.timeline.context import Components


@dataclass(frozen=True)
class Collision:
    """The number of the action that begins too soon, and the moment that is expected, in words."""

    number: int
    expected: str


def collisions(scenario: Scenario, components: Components) -> Iterator[Collision]:
    """Actions that would meet if each took as long as planned; those that take longer are queued during the run."""
    actions = sorted(enumerate(scenario.timeline), key=lambda numbered: _begins_s(numbered[1], scenario))
    for (first, one), (number, other) in combinations(actions, 2):
        locked = locked_components(other, components)
        shared = [component for component in locked_components(one, components) if component in locked]
        if shared and _overlap(one, other, scenario):
            yield Collision(number, _expected(f"timeline[{first}]", one, other, scenario, shared[0]))


def _begins_s(action: Action, scenario: Scenario) -> float:
    return scenario.stage_starts_s(action.stage) + action.after_s


def _overlap(one: Action, other: Action, scenario: Scenario) -> bool:
    """`one` begins first."""
    begins_s, one_begins_s = _begins_s(other, scenario), _begins_s(one, scenario)
    return begins_s < one_begins_s + one.planned_s or begins_s == one_begins_s


def _expected(name: str, one: Action, other: Action, scenario: Scenario, component: str) -> str:
    if one.planned_s == inf:
        return f"no such action: {name} ({one.words}) has {component} for the rest of the run; give it a for"
    if one.planned_s == 0:
        return f"another moment: {name} ({one.words}) uses {component} at this one"
    after_s = _begins_s(one, scenario) + one.planned_s - scenario.stage_starts_s(other.stage)
    return f"{after_s:g}s or more: until then {name} ({one.words}) has {component}"
