"""Scenario by name or path → file → Scenario."""

import os
from collections.abc import Iterator
from pathlib import Path

from loadtests.scenario.model import Scenario
from loadtests.scenario.parsing import ScenarioError, parse_scenario
from loadtests.scenario.problems import Problem, SourceError, nearest, one_of, shown
from loadtests.scenario.source import read_source

SHIPPED = Path(__file__).resolve().parents[2] / "scenarios"
_NOT_SCENARIOS = {"objectives"}


def load_scenario(name_or_path: str | Path) -> Scenario:
    """The scenario of that file, or the shipped one of that name. Raises ScenarioError with all problems at once."""
    path = find_scenario(name_or_path)
    try:
        text = read_source(path)
    except SourceError as error:
        raise ScenarioError(error.problems) from None
    scenario = parse_scenario(text, str(path))
    if scenario.objectives is not None and not (path.parent / scenario.objectives).is_file():
        raise ScenarioError([_no_objectives(path, text, scenario.objectives)])
    return scenario


def find_scenario(name_or_path: str | Path) -> Path:
    """The file of a scenario: a path as it is, a name looked up in `./scenarios` and then among the shipped ones.

    Raises ScenarioError that lists the known names when there is none.
    """
    text = str(name_or_path)
    path = Path(text)
    if isinstance(name_or_path, Path) or os.sep in text or path.suffix in (".yaml", ".yml"):
        return path
    known = scenario_files()
    if text in known:
        return known[text]
    expected = f"a path, or {one_of(list(known))}" if known else "a path to a scenario"
    raise ScenarioError([Problem("scenario", 1, "", shown(text), expected, nearest(text, known))])


def _no_objectives(path: Path, text: str, named: str) -> Problem:
    line = next((n for n, at in enumerate(text.splitlines(), 1) if at.startswith("objectives:")), 1)
    beside = [p.name for p in sorted(path.parent.glob("*objectives*.yaml"))]
    return Problem(
        str(path), line, "objectives", shown(named), "a file, relative to the scenario's", nearest(named, beside)
    )


def scenario_files() -> dict[str, Path]:
    """The scenarios that have a name, by name. Those of the working directory go before the shipped ones."""
    found: dict[str, Path] = {}
    for path in _candidates():
        found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _candidates() -> Iterator[Path]:
    for directory in (Path("scenarios"), SHIPPED):
        yield from (p for p in sorted(directory.glob("*.yaml")) if p.stem not in _NOT_SCENARIOS)
