"""Text → Scenario, with every problem at once."""

from collections.abc import Iterator, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loadtests.scenario.checks import check_stages
from loadtests.scenario.model import Scenario
from loadtests.scenario.problems import Problem, SourceError, is_literal_secret, nearest, one_of, shown
from loadtests.scenario.source import Document, Place, read_documents

_EXPECTED = {
    "missing": "a value: the key is required",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "finite_number": "a finite number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "too_short": "at least {min_length} item",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
    "expected": "{expected}",
}


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
    together = [document.problem(*finding) for finding in check_stages(document.data)]
    try:
        return Scenario.model_validate(document.data), together
    except ValidationError as error:
        return None, [p for e in _worth_telling(error) for p in _problems(document, e)] + together


def _worth_telling(error: ValidationError) -> Iterator[ErrorDetails]:
    """Without the lists that are only too short because their items are wrong."""
    errors = error.errors(include_url=False)
    around = {e["loc"][:n] for e in errors for n in range(len(e["loc"]))}
    return (e for e in errors if e["type"] != "too_short" or e["loc"] not in around)


def _problems(document: Document, error: ErrorDetails) -> Iterator[Problem]:
    place, kind, got = tuple(error["loc"]), error["type"], error["input"]
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind == "extra_forbidden":
        if not is_literal_secret(place[-1], got):  # told already, and its value must not be quoted
            yield _unknown_key(document, place)
    elif kind == "literal_error":
        place = place[:-1] if place[-1] == "[key]" else place
        names = _literals(context)
        yield document.problem(place, shown(got), one_of(names), nearest(got, names))
    else:
        expected = _EXPECTED.get(kind, error["msg"]).format_map(context)
        yield document.problem(
            place, "nothing" if kind == "missing" else shown(got), expected, context.get("nearest", "")
        )


def _unknown_key(document: Document, place: Place) -> Problem:
    valid = _keys_at(place[:-1])
    return document.problem(place, f"unknown key {place[-1]}", one_of(valid), nearest(place[-1], valid))


def _literals(context: Mapping[str, Any]) -> list[str]:
    """pydantic gives `'poisson' or 'constant'`."""
    return [part.strip().strip("'") for part in context["expected"].replace(" or ", ", ").split(",")]


def _keys_at(place: Place) -> list[str]:
    """The keys that the model knows at a place."""
    model: type[BaseModel] = Scenario
    for step in place:
        if isinstance(step, str):
            field = next(f for n, f in model.model_fields.items() if step in (n, f.alias))
            model = _model_in(field.annotation) or model
    return [f.alias or n for n, f in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = get_args(annotation) if get_origin(annotation) in (tuple, Union) else ()
    return next((m for m in map(_model_in, inner) if m is not None), None)
