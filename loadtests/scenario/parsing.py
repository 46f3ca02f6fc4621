"""Text → Scenario, with every problem at once."""

from loadtests.configuration.problems import Problem, SourceError, shown
from loadtests.configuration.source import Document, read_documents
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
