"""Types of single values in OpenSLO v1 documents, each with its error message."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from loadtests.configuration.values import wrong

_DAY_S = 86_400.0
_UNITS_S = {
    "m": 60.0,
    "h": 3600.0,
    "d": _DAY_S,
    "w": 7 * _DAY_S,
    "M": 30 * _DAY_S,
    "Q": 90 * _DAY_S,
    "Y": 365 * _DAY_S,
}
"""Lengths of OpenSLO's SDK, which counts months, quarters and years as 30, 90 and 365 days."""
_DURATION = re.compile(r"([0-9]{1,6})([mhdwMQY])")
_LABEL_KEY = r"[a-zA-Z0-9](?:[-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"


class OpenSloPart(BaseModel):
    """What every part of a document is: frozen, without conversions, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        """A key without a value is a mistake: without a limit, an objective asks for less."""
        if value is None:
            raise wrong("a value, or no such key")
        return value


def refuse(expected: str) -> Callable[[Any], Any]:
    """A validator of a key that OpenSLO has and this program does not use: `expected` states what to do instead."""

    def refuse_any(_: Any) -> Any:
        raise wrong(expected)

    return refuse_any


def duration_s(value: str) -> float | None:
    """Seconds of a duration such as `4w`; None where it is none."""
    match = _DURATION.fullmatch(value)
    return int(match[1]) * _UNITS_S[match[2]] if match else None


def _duration(value: str) -> str:
    if not duration_s(value):
        raise wrong("a number and one of m, h, d, w, M, Q, Y, such as 4w or 1M")
    return value


def _duration_or_zero(value: str) -> str:
    if duration_s(value) is None:
        raise wrong("a number and one of m, h, d, w, M, Q, Y, such as 5m or 0m")
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", value):
        raise wrong("small letters, digits and inner dashes, 63 at most")
    return value


def _label_key(value: str) -> str:
    if not re.fullmatch(_LABEL_KEY, value):
        raise wrong("letters, digits and inner dashes, dots and underscores, 63 at most")
    return value


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, Field(max_length=1050)]
DisplayName = Annotated[str, Field(max_length=63)]
LabelKey = Annotated[str, AfterValidator(_label_key)]
Duration = Annotated[str, AfterValidator(_duration)]
DurationOrZero = Annotated[str, AfterValidator(_duration_or_zero)]
