"""The part of OpenSLO v1 that objectives are written in: one model per kind, as documented in `docs/objectives.md`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from loadtests.configuration.problems import nearest
from loadtests.configuration.values import wrong
from reports.data.objective import DEFAULT_WINDOW_S
from reports.gate.slo.alerting import AlertCondition, AlertNotificationTarget, AlertPolicy, InlinePolicy
from reports.gate.slo.fields import DisplayName, Duration, Name, OpenSloPart, Text, duration_s, refuse
from reports.gate.slo.indicators import SLI, Indicator
from reports.gate.slo.metadata import OpenSloDocument, ServiceMetadata, SLOMetadata

DATE_TIME = "%Y-%m-%d %H:%M:%S"

_NoTimeSlices = Annotated[None, BeforeValidator(refuse("no time slices: attempts are counted, not minutes"))]
_NotComposite = Annotated[
    None, BeforeValidator(refuse("no composite SLO: write one SLO for each indicator, with its own objectives"))
]


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


def _method(value: str) -> str:
    if value in ("Timeslices", "RatioTimeslices"):
        raise wrong("Occurrences: attempts are counted, not minutes")
    if value != "Occurrences":
        raise wrong("Occurrences", nearest(value, ["Occurrences"]))
    return value


def _upper_limit(value: str) -> str:
    if value in ("gt", "gte"):
        raise wrong("lte or lt: an attempt is good when it takes no longer than the value")
    if value not in ("lt", "lte"):
        raise wrong("lte or lt")
    return value


class ServiceSpec(OpenSloPart):
    description: Text = ""


class OpenSloService(OpenSloDocument):
    kind: Literal["Service"]
    metadata: ServiceMetadata
    spec: ServiceSpec


class DataSourceSpec(OpenSloPart):
    """Only `type` is used, to find the data sources of this program."""

    description: Text = ""
    type: str = Field(min_length=1)
    connection_details: dict[str, Any] = Field(default_factory=dict, alias="connectionDetails")


class DataSource(OpenSloDocument):
    kind: Literal["DataSource"]
    spec: DataSourceSpec


class SloTarget(OpenSloPart):
    """One objective. `op` and `value`, in seconds, belong to a `thresholdMetric`."""

    display_name: DisplayName = Field(default="", alias="displayName")
    op: Annotated[str, AfterValidator(_upper_limit)] | None = None
    value: float | None = Field(default=None, gt=0)
    target: float | None = Field(default=None, gt=0, lt=1)
    target_percent: float | None = Field(default=None, gt=0, lt=100, alias="targetPercent")
    time_slice_target: _NoTimeSlices = Field(default=None, alias="timeSliceTarget", exclude=True)
    time_slice_window: _NoTimeSlices = Field(default=None, alias="timeSliceWindow", exclude=True)
    indicator: _NotComposite = Field(default=None, exclude=True)
    indicator_ref: _NotComposite = Field(default=None, alias="indicatorRef", exclude=True)
    composite_weight: _NotComposite = Field(default=None, alias="compositeWeight", exclude=True)

    @model_validator(mode="after")
    def _one_target(self) -> "SloTarget":
        if (self.target is None) == (self.target_percent is None):
            raise wrong("either target or targetPercent")
        return self

    @property
    def share(self) -> float:
        """The target as a share; 99.95 % is 0.9995 to the last digit."""
        return self.target if self.target is not None else round((self.target_percent or 0.0) / 100, 12)

    @property
    def within_s(self) -> float | None:
        """The limit in seconds; one nanosecond less for `lt`, as responses are whole nanoseconds."""
        return self.value - 1e-9 if self.value is not None and self.op == "lt" else self.value


class Calendar(OpenSloPart):
    """Where calendar-aligned windows start."""

    start_time: Annotated[str, AfterValidator(_date_time)] = Field(alias="startTime")
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(alias="timeZone")


class TimeWindow(OpenSloPart):
    """The window of the SLO in production. The gate judges the judged stages of runs; the report states how long the
    error budget of the window would last."""

    duration: Duration
    is_rolling: bool = Field(default=False, alias="isRolling")
    calendar: Calendar | None = None

    @model_validator(mode="after")
    def _rolling_or_calendar(self) -> "TimeWindow":
        if self.is_rolling and self.calendar is not None:
            raise wrong("no calendar where isRolling is true")
        if not self.is_rolling and self.calendar is None:
            raise wrong("isRolling: true, or a calendar with startTime and timeZone")
        return self


class SLOSpec(OpenSloPart):
    description: Text = ""
    service: Name
    indicator: Indicator | None = None
    indicator_ref: Name | None = Field(default=None, alias="indicatorRef")
    budgeting_method: Annotated[str, AfterValidator(_method)] = Field(alias="budgetingMethod")
    objectives: tuple[SloTarget, ...] = Field(min_length=1, strict=False)
    time_window: Annotated[tuple[TimeWindow, ...], BeforeValidator(_one_window)] = Field(
        default=(), alias="timeWindow", strict=False
    )
    alert_policies: tuple[InlinePolicy, ...] = Field(default=(), alias="alertPolicies", strict=False)

    @model_validator(mode="after")
    def _one_indicator(self) -> "SLOSpec":
        if (self.indicator is None) == (self.indicator_ref is None):
            raise wrong("either indicator or indicatorRef")
        return self

    @property
    def window_s(self) -> float:
        return (duration_s(self.time_window[0].duration) if self.time_window else None) or DEFAULT_WINDOW_S


class SLO(OpenSloDocument):
    kind: Literal["SLO"]
    metadata: SLOMetadata
    spec: SLOSpec


KINDS: Mapping[str, type[OpenSloDocument]] = {
    "SLO": SLO,
    "SLI": SLI,
    "Service": OpenSloService,
    "DataSource": DataSource,
    "AlertPolicy": AlertPolicy,
    "AlertCondition": AlertCondition,
    "AlertNotificationTarget": AlertNotificationTarget,
}
