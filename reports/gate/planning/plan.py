"""A scenario and objectives → what each objective needs."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from loadtests.scenario import Scenario
from reports.data.objective import Objective, of_pods
from reports.gate.inputs.evidence import Evidence
from reports.gate.judging.clusters import sample
from reports.gate.judging.shares import counts_of
from reports.gate.planning.expected import ExpectedLoad, expected_load
from reports.gate.planning.needs import Need, PlannedRound, need

DESIGN_EFFECT: Final = 10.0
"""Where no study shows how attempts are correlated. Measured were 2 to 15 on a quiet host, and 50 on a busy one."""


class Plan(NamedTuple):
    """What each objective needs, and the design effect with which that was computed, by the objective's name."""

    scenario: str
    rounds: int
    load: ExpectedLoad
    needs: tuple[Need, ...]
    design_effects: Mapping[str, float]
    measured: bool


def plan(scenario: Scenario, objectives: Sequence[Objective], rounds: int, study: Evidence | None = None) -> Plan:
    """`study`: an earlier one, whose design effects are used where it shows any."""
    load, asked = expected_load(scenario), with_pods_of(scenario, objectives)
    effects = {objective.name: _design_effect(objective, study) for objective in asked}
    needs = (need(o, _planned(scenario, load, o), effects[o.name], len(asked)) for o in asked)
    return Plan(scenario.name, rounds, load, tuple(needs), effects, study is not None)


def with_pods_of(scenario: Scenario, objectives: Sequence[Objective]) -> tuple[Objective, ...]:
    """With one more for each of several pods, where objectives are judged by pod."""
    pods = [pod.name for pod in scenario.all_pods]
    return of_pods(objectives, pods if len(pods) > 1 else ())


def _planned(scenario: Scenario, load: ExpectedLoad, objective: Objective) -> PlannedRound | None:
    attempts = load.attempts.get(objective.operation)
    if attempts is None:
        return None
    return PlannedRound(attempts * share_of_pod(scenario, objective.pod), load.judged_s)


def share_of_pod(scenario: Scenario, pod: str | None) -> float:
    """The share of the load that a pod gets: each account has the weight of its pod."""
    weights = {each.name: each.accounts * each.weight for each in scenario.all_pods}
    return 1.0 if pod is None else weights.get(pod, 0) / sum(weights.values())


def _design_effect(objective: Objective, study: Evidence | None) -> float:
    """The largest of the study's storage systems."""
    if study is None:
        return DESIGN_EFFECT
    samples = (sample([counts_of(objective, run) for run in study.of(storage)]) for storage in study.storages())
    known = [found.design_effect for found in samples if found.design_effect is not None]
    return max(known, default=DESIGN_EFFECT)
