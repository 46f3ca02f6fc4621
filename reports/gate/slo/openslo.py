"""The strict subset of OpenSLO v1 that objectives are written in: one model per kind, as documented in
`docs/objectives.md`."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from loadtests.configuration.problems import nearest, one_of, shown
from loadtests.configuration.values import LongerThanNothing, wrong
from loadtests.records.vocabulary import TIMED_OPERATIONS

OPERATIONS = (*TIMED_OPERATIONS, "chat.answer")
"""Operations that leave a row with any outcome: a customer records an answer that never arrived. Other pushes have a
row only if they arrived, which would overstate their share of good attempts."""

ANNOTATIONS: Mapping[str, tuple[str, ...]] = {
    "loadtests/allow-different-durability": ("false", "true"),
    "loadtests/observer": ("required", "optional"),
    "loadtests/ledger": ("required", "optional"),
}
"""Annotations of a Service with their values, the default first. Those without the prefix `loadtests/` are ignored."""

MARGIN = "loadtests/no-worse-margin"
"""Annotation of a Service or an SLO: by how much of the error budget a candidate may be worse than its baseline."""
DEFAULT_MARGIN = 0.1
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)%")

DATE_TIME = "%Y-%m-%d %H:%M:%S"


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", value):
        raise wrong("small letters, digits and inner dashes, 63 at most")
    return value


def _operation(value: str) -> str:
    if value not in OPERATIONS:
        raise wrong(one_of(OPERATIONS), nearest(value, OPERATIONS))
    return value


def margin_of(annotations: Mapping[str, str]) -> float | None:
    """The margin as a share of the error budget; None where there is none."""
    match = _PERCENT.fullmatch(annotations.get(MARGIN, ""))
    return float(match[1]) / 100 if match else None


def _annotations(known: Mapping[str, tuple[str, ...]], value: dict[str, str]) -> dict[str, str]:
    """Check the annotations of this program, which start with `loadtests/`."""
    for key, given in ((k, v) for k, v in value.items() if k.startswith("loadtests/")):
        got = f"{key}: {shown(given)}"
        if key == MARGIN and MARGIN in known:
            margin = margin_of(value)
            if margin is None or margin > 1:
                raise wrong(f'{MARGIN}: "0%" to "100%" of the error budget', got=got)
        elif given not in known.get(key, ()):
            names = [f"{k}: {' or '.join(values)}" for k, values in known.items()]
            raise wrong(one_of(names) if names else "no annotation loadtests/… here", nearest(key, known), got)
    return value


def _of_service(value: dict[str, str]) -> dict[str, str]:
    return _annotations({**ANNOTATIONS, MARGIN: ("10%",)}, value)


def _of_slo(value: dict[str, str]) -> dict[str, str]:
    return _annotations({MARGIN: ("10%",)}, value)


def _of_others(value: dict[str, str]) -> dict[str, str]:
    return _annotations({}, value)


def _window_duration(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,5}[mhdwMQY]", value):
        raise wrong("a number and one of m, h, d, w, M, Q, Y, such as 4w or 1M")
    return value


def _date_time(value: str) -> str:
    try:
        datetime.strptime(value, DATE_TIME)
    except ValueError:
        raise wrong("a date and a time, such as 2026-01-31 00:00:00") from None
    return value


def _time_zone(value: str) -> str:
    known = available_timezones()
    if value not in (known or {value}):
        raise wrong("a name of the IANA time zone database, such as UTC or Europe/Berlin", nearest(value, known))
    return value


def _one_window(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 1:
        raise wrong("exactly one time window, that of the SLO in production", got=f"{len(value)} items")
    return value


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, Field(max_length=1050)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Metadata(_Model):
    name: Name
    display_name: str = Field(default="", alias="displayName", max_length=200)
    labels: dict[str, Any] = Field(default_factory=dict)
    annotations: Annotated[dict[str, str], AfterValidator(_of_others)] = Field(default_factory=dict)


class ServiceMetadata(Metadata):
    annotations: Annotated[dict[str, str], AfterValidator(_of_service)] = Field(default_factory=dict)


class SLOMetadata(Metadata):
    annotations: Annotated[dict[str, str], AfterValidator(_of_slo)] = Field(default_factory=dict)


class OpenSloDocument(_Model):
    """What every document has."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    metadata: Metadata


class ServiceSpec(_Model):
    description: Text = ""


class OpenSloService(OpenSloDocument):
    kind: Literal["Service"]
    metadata: ServiceMetadata
    spec: ServiceSpec


class AttemptsSpec(_Model):
    """All attempts of an operation that were not refused."""

    operation: Annotated[str, AfterValidator(_operation)]


class GoodAttempts(AttemptsSpec):
    """Attempts that ended ok within a time, counted from the planned moment."""

    within_s: LongerThanNothing = Field(alias="within")


class TotalSource(_Model):
    type: Literal["loadtests"]
    spec: AttemptsSpec


class GoodSource(_Model):
    type: Literal["loadtests"]
    spec: GoodAttempts


class Total(_Model):
    metric_source: TotalSource = Field(alias="metricSource")


class Good(_Model):
    metric_source: GoodSource = Field(alias="metricSource")


class RatioMetric(_Model):
    counter: Literal[False] = False
    good: Good
    total: Total

    @model_validator(mode="after")
    def _same_operation(self) -> "RatioMetric":
        good, total = self.good.metric_source.spec.operation, self.total.metric_source.spec.operation
        if good != total:
            raise wrong(f"good and total of one operation, not of {good} and {total}")
        return self


class SLISpec(_Model):
    description: Text = ""
    ratio_metric: RatioMetric = Field(alias="ratioMetric")


class SLI(OpenSloDocument):
    kind: Literal["SLI"]
    spec: SLISpec


class Indicator(_Model):
    """An SLI written inside its SLO."""

    metadata: Metadata
    spec: SLISpec


class SloTarget(_Model):
    display_name: str = Field(default="", alias="displayName", max_length=200)
    target: float = Field(gt=0, lt=1)


class Calendar(_Model):
    """Where calendar-aligned windows start."""

    start_time: Annotated[str, AfterValidator(_date_time)] = Field(alias="startTime")
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(alias="timeZone")


class TimeWindow(_Model):
    """The window of the SLO in production. The gate judges the judged stages of runs, and does not use it."""

    duration: Annotated[str, AfterValidator(_window_duration)]
    is_rolling: bool = Field(default=False, alias="isRolling")
    calendar: Calendar | None = None

    @model_validator(mode="after")
    def _rolling_or_calendar(self) -> "TimeWindow":
        if self.is_rolling and self.calendar is not None:
            raise wrong("no calendar where isRolling is true")
        if not self.is_rolling and self.calendar is None:
            raise wrong("isRolling: true, or a calendar with startTime and timeZone")
        return self


class SLOSpec(_Model):
    description: Text = ""
    service: Name
    indicator: Indicator | None = None
    indicator_ref: Name | None = Field(default=None, alias="indicatorRef")
    budgeting_method: Literal["Occurrences"] = Field(alias="budgetingMethod")
    objectives: tuple[SloTarget, ...] = Field(min_length=1, max_length=1, strict=False)
    time_window: Annotated[tuple[TimeWindow, ...], BeforeValidator(_one_window)] = Field(
        default=(), alias="timeWindow", strict=False
    )

    @model_validator(mode="after")
    def _one_indicator(self) -> "SLOSpec":
        if (self.indicator is None) == (self.indicator_ref is None):
            raise wrong("either indicator or indicatorRef")
        return self


class SLO(OpenSloDocument):
    kind: Literal["SLO"]
    metadata: SLOMetadata
    spec: SLOSpec


KINDS: Mapping[str, type[OpenSloDocument]] = {"SLO": SLO, "SLI": SLI, "Service": OpenSloService}
