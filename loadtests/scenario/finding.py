"""Scenario by name or path → file → Scenario."""

import os
from collections.abc import Iterator
from pathlib import Path

from loadtests.configuration.problems import Problem, SourceError, nearest, one_of, shown
from loadtests.configuration.source import Document, read_documents, read_source
from loadtests.configuration.validation import validate
from loadtests.scenario.checks import check_stages
from loadtests.scenario.model import Scenario
from loadtests.scenario.timeline_checks import check_pods, check_timeline


class ScenarioError(SourceError):
    """A scenario that cannot be run; all its problems, each with its place."""


def parse_scenario(text: str, source: str) -> Scenario:
    """The scenario written in `text`; `source` names it in errors. Raises ScenarioError with all problems at once."""
    documents, problems = read_documents(text, source)
    if not problems and len(documents) != 1:
        found = f"{len(documents)} documents" if documents else "an empty file"
        problems = [Problem(source, 1, "", found, "one scenario")]
    if len(documents) != 1:
        raise ScenarioError(problems)
    scenario, wrong = _validate(documents[0])
    if scenario is None or wrong or problems:
        raise ScenarioError([*problems, *wrong])
    return scenario


def _validate(document: Document) -> tuple[Scenario | None, list[Problem]]:
    if not isinstance(document.data, dict):
        return None, [document.problem((), shown(document.data), "a scenario: a mapping of keys to values")]
    scenario, problems = validate(document, Scenario)
    checks = (check_stages, check_pods, check_timeline)
    return scenario, problems + [document.problem(*found) for check in checks for found in check(document.data)]


_PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = next((p for p in (_PACKAGE / "shipped", _PACKAGE.parent / "scenarios") if p.is_dir()), _PACKAGE / "shipped")
"""The scenarios, schema and objectives that come with the harness: inside the wheel, or of the checkout."""

OBJECTIVES = SHIPPED / "objectives.yaml"
"""What the gate judges by where the scenario names no objectives."""

_OWN = Path("scenarios")
_NOT_SCENARIOS = {"objectives"}
_SUFFIXES = (".yaml", ".yml")


def read_scenario(path: Path) -> tuple[Scenario, str]:
    """The scenario and its text, of one reading: a pipe has no second one. Raises ScenarioError."""
    try:
        text = read_source(path)
    except SourceError as error:
        raise ScenarioError(error.problems) from None
    scenario = parse_scenario(text, str(path))
    if scenario.objectives is not None and not _is_file(path.parent / scenario.objectives):
        raise ScenarioError([_no_objectives(path, text, scenario.objectives)])
    return scenario, text


def is_shipped(path: Path) -> bool:
    """Whether the file came with the harness; a link there is what it points to."""
    return path.resolve().is_relative_to(SHIPPED.resolve())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, say
        return False


def find_scenario(name_or_path: str | Path) -> Path:
    """The file of a scenario: a path as it is, a name looked up in `./scenarios` and then among the shipped ones.

    Raises ScenarioError that lists the known names when there is none.
    """
    text = str(name_or_path)
    known = scenario_files()
    if _is_path(name_or_path):
        path = Path(text)
        if path.name == text and path.stem in known and not path.exists():
            raise ScenarioError([Problem("scenario", 0, "", f"no file {shown(text)}", "a file", path.stem)])
        return path
    if text in known:
        return known[text]
    expected = f"a path, or {one_of(list(known))}" if known else "a path to a scenario"
    beside = next((str(path) for path in _beside(text)), None)
    raise ScenarioError([Problem("scenario", 0, "", shown(text), expected, beside or nearest(text, known))])


def which_scenario(name: str) -> str:
    """A sentence that says which file a name stands for, where two could be meant; empty where it is clear."""
    path = find_scenario(name)
    if _is_path(name):
        return ""
    shipped = next((SHIPPED / f"{name}{s}" for s in _SUFFIXES if (SHIPPED / f"{name}{s}").is_file()), None)
    if shipped is not None and not path.samefile(shipped):
        return f"scenario {name}: {path} of the working directory, not the shipped one of that name"
    own = next((p for p in _beside(name) if not p.samefile(path)), None)
    return f"scenario {name}: {path}; to run {own}, give its path" if own is not None else ""


def _is_path(name_or_path: str | Path) -> bool:
    text = str(name_or_path)
    return isinstance(name_or_path, Path) or os.sep in text or text.endswith(_SUFFIXES)


def _beside(name: str) -> list[Path]:
    """Files of that name in the working directory itself."""
    return [p for p in (Path(f"{name}{suffix}") for suffix in _SUFFIXES) if p.is_file()]


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
    for directory in (_OWN, SHIPPED):
        found = sorted(p for suffix in _SUFFIXES for p in directory.glob(f"*{suffix}"))
        yield from (p for p in found if p.stem not in _NOT_SCENARIOS)
