"""Scenarios: YAML → frozen, strictly validated values; the plan that a run follows."""

from loadtests.configuration.source import read_source
from loadtests.scenario.checks import ALLOW_COMMANDS, command_actions, problems_of_commands
from loadtests.scenario.finding import (
    ScenarioError,
    find_scenario,
    is_shipped,
    load_scenario,
    parse_scenario,
    read_scenario,
    scenario_files,
    which_scenario,
)
from loadtests.scenario.model import (
    MAIN_CLUSTER,
    AgentBehaviour,
    CustomerBehaviour,
    LogNormal,
    Messages,
    PodSettings,
    Scenario,
    Stage,
)
from loadtests.scenario.plan import PodTarget, RunPlan
from loadtests.timeline.actions.table import Action

__all__ = [
    "ALLOW_COMMANDS",
    "MAIN_CLUSTER",
    "Action",
    "AgentBehaviour",
    "CustomerBehaviour",
    "LogNormal",
    "Messages",
    "PodSettings",
    "PodTarget",
    "RunPlan",
    "Scenario",
    "ScenarioError",
    "Stage",
    "command_actions",
    "find_scenario",
    "is_shipped",
    "load_scenario",
    "parse_scenario",
    "problems_of_commands",
    "read_scenario",
    "read_source",
    "scenario_files",
    "which_scenario",
]
