"""Scenarios: YAML → frozen, strictly validated values; the plan that a run follows."""

from loadtests.scenario.finding import find_scenario, load_scenario, scenario_files
from loadtests.scenario.model import (
    TIMED_OPERATIONS,
    Agent,
    Customer,
    LogNormal,
    Messages,
    Scenario,
    Stage,
)
from loadtests.scenario.parsing import ScenarioError, parse_scenario
from loadtests.scenario.plan import PodTarget, RunPlan
from loadtests.scenario.source import read_source

__all__ = [
    "TIMED_OPERATIONS",
    "Agent",
    "Customer",
    "LogNormal",
    "Messages",
    "PodTarget",
    "RunPlan",
    "Scenario",
    "ScenarioError",
    "Stage",
    "find_scenario",
    "load_scenario",
    "parse_scenario",
    "read_source",
    "scenario_files",
]
