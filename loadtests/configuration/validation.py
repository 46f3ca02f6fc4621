"""A document against a pydantic model: every error with its line, what was expected and the nearest key."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loadtests.configuration.problems import Problem, is_literal_secret, nearest, one_of, shown
from loadtests.configuration.source import Document, Place

Model = TypeVar("Model", bound=BaseModel)

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
    "too_long": "at most {max_length} item",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
    "expected": "{expected}",
}


def validate(document: Document, model: type[Model]) -> tuple[Model | None, list[Problem]]:
    """The document's data as a `model`, or None and all problems."""
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        return None, [p for e in _reportable(error) for p in _problems(document, model, e)]


def _reportable(error: ValidationError) -> Iterator[ErrorDetails]:
    """Without the lists that are only too short because their items are wrong."""
    errors = error.errors(include_url=False)
    parents = {e["loc"][:n] for e in errors for n in range(len(e["loc"]))}
    return (e for e in errors if e["type"] != "too_short" or e["loc"] not in parents)


def _problems(document: Document, model: type[BaseModel], error: ErrorDetails) -> Iterator[Problem]:
    kind, got = error["type"], error["input"]
    place, tagged = _without_tags(document.data, tuple(error["loc"])), tuple(error["loc"])
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind == "extra_forbidden":
        if not is_literal_secret(place[-1], got):  # reported by the reader, and its value must not be quoted
            yield _unknown_key(document, model, place, tagged)
    elif kind.startswith("union_tag"):
        names = [name for found in _models_at(model, tagged) for name in _tags_of(found)]
        tag = context.get("tag")
        yield document.problem((*place, "do"), shown(tag), one_of(names), nearest(tag or "", names))
    elif kind == "literal_error":
        place = place[:-1] if place[-1] == "[key]" else place
        names = _literals(context)
        yield document.problem(place, shown(got), one_of(names), nearest(got, names))
    else:
        numbers = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
        expected = _EXPECTED.get(kind, error["msg"]).format_map(numbers)
        found = "nothing" if kind == "missing" else context.get("got") or shown(got)
        yield document.problem(place, found, expected, context.get("nearest", ""))


def _without_tags(data: Any, place: Place) -> Place:
    """The place as it is written down: pydantic names the kind of an item, too, where an item may be of several."""
    written: list[str | int] = []
    for step in place:
        if isinstance(data, dict) and step not in data and step in data.values() and step != place[-1]:
            continue
        written.append(step)
        data = _inside(data, step)
    return tuple(written)


def _inside(data: Any, step: str | int) -> Any:
    try:
        return data[step]
    except (KeyError, IndexError, TypeError):
        return None


def _unknown_key(document: Document, model: type[BaseModel], place: Place, tagged: Place) -> Problem:
    valid = _keys_at(model, tagged[:-1])
    return document.problem(place, f"unknown key {shown(place[-1])}", one_of(valid), nearest(place[-1], valid))


def _literals(context: Mapping[str, Any]) -> list[str]:
    """pydantic gives `'poisson' or 'constant'`."""
    return [part.strip().strip("'") for part in context["expected"].replace(" or ", ", ").split(",")]


def _keys_at(model: type[BaseModel], tagged: Place) -> list[str]:
    """The keys that the model knows at a place, without those that it knows only to refuse them (`exclude`)."""
    (found,) = _models_at(model, tagged)[:1]
    return [f.alias or n for n, f in found.model_fields.items() if not f.exclude]


def _models_at(model: type[BaseModel], tagged: Place) -> list[type[BaseModel]]:
    """The models of which one is at a place."""
    models = [model]
    for step in (s for s in tagged if isinstance(s, str)):
        if chosen := [m for m in models if step in _tags_of(m)]:
            models = chosen
            continue
        fields = models[0].model_fields.items()
        # A step that is no field is the key of a mapping, whose values are of these models.
        field = next((f for n, f in fields if step in (n, f.alias)), None)
        models = (list(_models_in(field.annotation)) if field else models) or models
    return models


def _tags_of(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get("do")
    return get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (tuple, dict, Union, UnionType, Annotated):
        for inner in get_args(annotation):
            yield from _models_in(inner)
