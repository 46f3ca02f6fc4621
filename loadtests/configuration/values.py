"""Types of single values: durations, names, storage systems, each with its error message."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from loadtests.credentials import without_credentials

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_EXPECTED = "a duration with a unit, such as 20s, 500ms or 2m"
_ENGINE = r"[a-z][a-z0-9]*"
_CHOICES = r"(?::[a-z][a-z0-9_-]*)*"
_SIMPLE = rf"{_ENGINE}{_CHOICES}"
STORAGE_PATTERN = rf"^{_ENGINE}(?:\({_SIMPLE}(?:,{_SIMPLE})*\))?{_CHOICES}$"


def wrong(expected: str, nearest: str = "", got: str | None = None) -> PydanticCustomError:
    """An error with what was expected; `got` describes the value where quoting it would not help."""
    return PydanticCustomError("expected", "{expected}", {"expected": expected, "nearest": nearest, "got": got})


def parse_duration(value: Any) -> float:
    """`500ms` → 0.5. Raises PydanticCustomError on anything without a known unit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise wrong(_DURATION_EXPECTED, f"{value}s" if value >= 0 else "")
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong(_DURATION_EXPECTED)
    seconds = float(match[1]) * _UNITS[match[2]]
    return round(seconds, 9)


def parsed_seconds(value: Any) -> float | None:
    """A duration in seconds; None for anything else, which validation reports."""
    try:
        return parse_duration(value)
    except PydanticCustomError:
        return None


def _storage(value: str) -> str:
    if not re.fullmatch(STORAGE_PATTERN, value):
        raise wrong("a storage system, such as sqlite, postgres:optimistic or dual(mariadb,postgres)")
    return value


def _locale(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}_[A-Z]{2}", value):
        raise wrong("a locale, such as en_GB or de_DE", _locale_spelt(value))
    return value


def _locale_spelt(value: str) -> str:
    match = re.fullmatch(r"([A-Za-z]{2,3})[-_]([A-Za-z]{2})", value)
    return f"{match[1].lower()}_{match[2].upper()}" if match else ""


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", value):
        similar = re.sub(r"[^a-z0-9]+", "-", without_credentials(value).lower()).strip("-")
        raise wrong("small letters, digits and dashes, 64 at most", similar)
    return value


def _quoted(value: Any) -> Any:
    """Pods are called 17 and 18, which YAML takes for numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise wrong("text", f'"{value}"')
    return value


_duration_schema = {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["20s", "500ms", "2m"]}
Seconds = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_duration_schema)]
LongerThanNothing = Annotated[Seconds, Field(gt=0)]
Storage = Annotated[str, AfterValidator(_storage), WithJsonSchema({"type": "string", "pattern": STORAGE_PATTERN})]
Locale = Annotated[str, AfterValidator(_locale), WithJsonSchema({"type": "string", "pattern": "^[a-z]{2,3}_[A-Z]{2}$"})]
Name = Annotated[
    str,
    BeforeValidator(_quoted),
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"}),
]


LONGEST_LABEL = 32
"""Characters of a label of a storage system."""


def _label(value: str) -> str:
    if not 1 <= len(value) <= LONGEST_LABEL or value != value.strip() or not value.isprintable():
        raise wrong(f"1 to {LONGEST_LABEL} characters that can be seen, without spaces around them")
    return value


Label = Annotated[
    str, AfterValidator(_label), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_LABEL})
]


class Model(BaseModel):
    """What every part of a scenario is: frozen, without conversions, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
