"""Actions of a timeline that would lay hands on what another one has in hand at that moment, by the plan. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import inf

from loadtests.conductor.layout import Layout
from loadtests.scenario import Action, Kill, Pause, Scenario
from loadtests.timeline.component_locks import subjects


@dataclass(frozen=True)
class Collision:
    """`number` of the action that comes too soon, and since when it might, in words."""

    number: int
    expected: str


def collisions(scenario: Scenario, plan: Layout) -> Iterator[Collision]:
    """What takes longer than planned is the run's to sort out: there they queue."""
    acts = sorted(enumerate(scenario.timeline), key=lambda act: _begins_s(act[1], scenario))
    for (first, one), (number, other) in combinations(acts, 2):
        shared = [s for s in _subjects(one, plan) if s in _subjects(other, plan)]
        if shared and _meet(one, other, scenario):
            yield Collision(number, _expected(f"timeline[{first}]", one, other, scenario, shared[0]))


def _subjects(action: Action, plan: Layout) -> list[str]:
    return subjects(action, plan.pods, plan.databases)


def _begins_s(action: Action, scenario: Scenario) -> float:
    return scenario.stage_starts_s(action.stage) + action.after_s


def _ends_s(action: Action, scenario: Scenario) -> float:
    """As planned; of one that takes what it takes, its beginning."""
    begins_s = _begins_s(action, scenario)
    if isinstance(action, Kill | Pause):
        return inf if action.for_s is None else begins_s + action.for_s
    return begins_s


def _meet(one: Action, other: Action, scenario: Scenario) -> bool:
    """Of two in order of their beginnings."""
    begins_s = _begins_s(other, scenario)
    return begins_s < _ends_s(one, scenario) or begins_s == _begins_s(one, scenario)


def _expected(name: str, one: Action, other: Action, scenario: Scenario, subject: str) -> str:
    ends_s = _ends_s(one, scenario)
    if ends_s == inf:
        return f"no such action: {name} ({one.words}) has {subject} for the rest of the run; give it a for"
    after_s = ends_s - scenario.stage_starts_s(other.stage)
    if ends_s == _begins_s(one, scenario):
        return f"another moment: {name} ({one.words}) lays hands on {subject} at this one"
    return f"{after_s:g}s or more: until then {name} ({one.words}) has {subject}"
