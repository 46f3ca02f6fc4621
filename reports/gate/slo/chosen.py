"""Which objectives a study is judged by where none are given: those of its scenario, or else the shipped ones."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from loadtests.configuration.source import read_source
from loadtests.records.files import UnreadableError
from loadtests.records.rundirectory import RunDirectory
from loadtests.scenario import Scenario, ScenarioError, parse_scenario
from loadtests.scenario.finding import OBJECTIVES
from reports.gate.slo.objectives import Objectives, load_objectives, parse_objectives

_GIVE = "give --objectives FILE"


class NoObjectivesError(Exception):
    """The runs do not determine the objectives to judge them by."""


def recorded_objectives(runs: Sequence[RunDirectory]) -> Objectives | None:
    """The objectives that the scenario of every run named; None where one has none, or others. Raises SourceError."""
    try:
        texts = {run.name: _recorded(run) for run in runs}
    except NoObjectivesError:
        return None
    name, text = next(iter(texts.items()), ("", None))
    return parse_objectives(text, f"{name}/objectives.yaml") if text and len(set(texts.values())) == 1 else None


def objectives_of(runs: Sequence[RunDirectory]) -> Objectives:
    """Raises NoObjectivesError; SourceError when the objectives that were found are wrong."""
    texts = {run.name: _recorded(run) for run in runs}
    if len(set(texts.values())) > 1:
        named = ", ".join(f"{name}: {_short(text)}" for name, text in texts.items())
        raise NoObjectivesError(f"the runs were made with different objectives ({named}); {_GIVE}")
    name, text = next(iter(texts.items()), ("", None))
    if text is not None:
        return parse_objectives(text, f"{name}/objectives.yaml")
    for run in runs:
        if (missing := _named(run)) is not None:
            message = f"the scenario of {run.name} names {missing}, which is not in the run: it is of an older version"
            raise NoObjectivesError(f"{message}; {_GIVE}")
    return parse_objectives(read_source(OBJECTIVES), f"{OBJECTIVES.name} (shipped)")


def objectives_of_scenario(scenario: Scenario, path: Path) -> Objectives:
    """Those that the scenario in this file names, or else the shipped ones. Raises SourceError."""
    return load_objectives(OBJECTIVES if scenario.objectives is None else path.parent / scenario.objectives)


def _recorded(run: RunDirectory) -> str | None:
    try:
        return run.read_text("objectives.yaml")
    except UnreadableError as error:
        raise NoObjectivesError(f"{error}; {_GIVE}") from None


def _short(text: str | None) -> str:
    return "none" if text is None else f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _named(run: RunDirectory) -> str | None:
    """The objectives that the run's scenario names; None also when the scenario cannot be read."""
    try:
        text = run.read_text("scenario.yaml")
        return None if text is None else parse_scenario(text, "scenario.yaml").objectives
    except (ScenarioError, UnreadableError):
        return None
