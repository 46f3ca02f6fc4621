"""Metadata of OpenSLO documents, and this program's annotations in it."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from loadtests.configuration.problems import nearest, one_of, shown
from loadtests.configuration.values import parsed_seconds, wrong
from loadtests.records.vocabulary import TIMED_OPERATIONS
from reports.gate.slo.fields import DisplayName, LabelKey, Name, OpenSloPart, duration_s

OPERATIONS = (*TIMED_OPERATIONS, "chat.answer", "event.deliver")
"""Operations that leave a row with any outcome, and deliveries, of which the lost ones are known otherwise."""

PREFIX = "loadtests/"
"""Annotations without it are ignored."""

ANNOTATIONS: Mapping[str, tuple[str, ...]] = {
    "loadtests/allow-different-durability": ("false", "true"),
    "loadtests/observer": ("required", "optional"),
    "loadtests/ledger": ("required", "optional"),
}
"""Annotations of a Service with their values, the default first."""

MARGIN = "loadtests/no-worse-margin"
"""Of a Service or an SLO: by how much of the error budget a candidate may be worse than its baseline."""
BY_POD = "loadtests/by-pod"
"""Of an SLO: whether each pod of a run with several pods is judged by itself, too."""
OPERATION = "loadtests/operation"
"""Of an SLI whose metrics have other sources: the operation that stands for them in a load test."""
WITHIN = "loadtests/within"
"""Of an SLI with `loadtests/operation` and a `ratioMetric`: the time within which an attempt is good."""
SHORT_WINDOW = "loadtests/short-window"
"""Of an AlertCondition: the second, shorter window over which the burn rate has to exceed the threshold, too."""

OTHERS = (MARGIN, BY_POD, OPERATION, WITHIN, SHORT_WINDOW)
"""All other annotations."""

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)%")
_KEY = re.compile(
    r"(?:(?=.{1,253}/)[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*/)?"
    r"[a-zA-Z0-9](?:[-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
)

_CHOICES = {**ANNOTATIONS, BY_POD: ("false", "true")}
_EXPECTED = {
    MARGIN: '"0%" to "100%" of the error budget',
    OPERATION: "an operation, such as chat.accept",
    WITHIN: "a duration with a unit, such as 500ms or 2s",
    SHORT_WINDOW: "a number and one of m, h, d, w, M, Q, Y, such as 5m",
    **{key: " or ".join(values) for key, values in _CHOICES.items()},
}


def margin_of(annotations: Mapping[str, str]) -> float | None:
    """The margin as a share of the error budget; None where there is none."""
    match = _PERCENT.fullmatch(annotations.get(MARGIN, ""))
    return float(match[1]) / 100 if match else None


def _valid(key: str, value: str) -> bool:
    if key == MARGIN:
        margin = margin_of({MARGIN: value})
        return margin is not None and margin <= 1
    if key == OPERATION:
        return value in OPERATIONS
    if key == WITHIN:
        return bool(parsed_seconds(value))
    return bool(duration_s(value)) if key == SHORT_WINDOW else value in _CHOICES[key]


def _checked(known: tuple[str, ...], value: dict[str, str]) -> dict[str, str]:
    """Check the annotations, and those of this program against the known ones."""
    for key, given in value.items():
        got = f"{key}: {shown(given)}"
        if not _KEY.fullmatch(key):
            raise wrong("a key such as my-domain.org/my-key, with at most 63 characters after the slash", got=got)
        if key.startswith(PREFIX) and not (key in known and _valid(key, given)):
            if key == OPERATION and key in known:
                raise wrong(f"{key}: {one_of(OPERATIONS)}", nearest(given, OPERATIONS), got)
            if key in known:
                raise wrong(f"{key}: {_EXPECTED[key]}", got=got)
            names = [f"{k}: {_EXPECTED[k]}" for k in known]
            raise wrong(one_of(names) if names else f"no annotation {PREFIX}… here", nearest(key, known), got)
    return value


def _of_service(value: dict[str, str]) -> dict[str, str]:
    return _checked((*ANNOTATIONS, MARGIN), value)


def _of_slo(value: dict[str, str]) -> dict[str, str]:
    return _checked((MARGIN, BY_POD), value)


def _of_sli(value: dict[str, str]) -> dict[str, str]:
    if WITHIN in value and OPERATION not in value:
        raise wrong(f"{OPERATION} beside it", got=f"{WITHIN}: {shown(value[WITHIN])}")
    return _checked((OPERATION, WITHIN), value)


def _of_condition(value: dict[str, str]) -> dict[str, str]:
    return _checked((SHORT_WINDOW,), value)


def _of_others(value: dict[str, str]) -> dict[str, str]:
    return _checked((), value)


class Metadata(OpenSloPart):
    name: Name
    display_name: DisplayName = Field(default="", alias="displayName")
    labels: dict[LabelKey, str | list[str]] = Field(default_factory=dict)
    annotations: Annotated[dict[str, str], AfterValidator(_of_others)] = Field(default_factory=dict)


class ServiceMetadata(Metadata):
    annotations: Annotated[dict[str, str], AfterValidator(_of_service)] = Field(default_factory=dict)


class SLOMetadata(Metadata):
    annotations: Annotated[dict[str, str], AfterValidator(_of_slo)] = Field(default_factory=dict)


class SLIMetadata(Metadata):
    annotations: Annotated[dict[str, str], AfterValidator(_of_sli)] = Field(default_factory=dict)


class ConditionMetadata(Metadata):
    annotations: Annotated[dict[str, str], AfterValidator(_of_condition)] = Field(default_factory=dict)


class OpenSloDocument(OpenSloPart):
    """What every document has."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    metadata: Metadata
