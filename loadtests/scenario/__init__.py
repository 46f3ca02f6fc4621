"""Scenarios: YAML → frozen, strictly validated values; the plan that a run follows."""

from loadtests.scenario.finding import ScenarioError, parse_scenario, scenario_files
from loadtests.scenario.model import MAIN_CLUSTER, LogNormal, Scenario, Stage
from loadtests.scenario.plan import PodTarget, RunPlan
from loadtests.timeline.actions.table import Action

__all__ = [
    "MAIN_CLUSTER",
    "Action",
    "LogNormal",
    "PodTarget",
    "RunPlan",
    "Scenario",
    "ScenarioError",
    "Stage",
    "parse_scenario",
    "scenario_files",
]
