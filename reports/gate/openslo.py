"""The strict subset of OpenSLO v1 that objectives are written in: one model a kind, as `docs/objectives.md` says."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from loadtests.scenario import TIMED_OPERATIONS
from loadtests.scenario.problems import nearest, one_of
from loadtests.scenario.values import LongerThanNothing

OPERATIONS = (*TIMED_OPERATIONS, "chat.answer")
"""Those that leave a row whatever became of them: a customer notes an answer that never came. Of other pushes only
those that came have one, and their share of good would be flattered."""

ANNOTATIONS: Mapping[str, tuple[str, ...]] = {
    "loadtests/allow-different-durability": ("false", "true"),
    "loadtests/observer": ("required", "optional"),
    "loadtests/ledger": ("required", "optional"),
}
"""Annotations of a Service that mean something here, with their values, the default first. Others are ignored."""


DEFAULT_MARGIN = 0.1


def _wrong(expected: str, near: str = "") -> PydanticCustomError:
    return PydanticCustomError("expected", "{expected}", {"expected": expected, "nearest": near})


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", value):
        raise _wrong("small letters, digits and inner dashes, 63 at most")
    return value


def _operation(value: str) -> str:
    if value not in OPERATIONS:
        raise _wrong(one_of(OPERATIONS), nearest(value, OPERATIONS))
    return value


def _annotations(value: dict[str, str]) -> dict[str, str]:
    for key, given in value.items():
        if key.startswith("loadtests/") and given not in ANNOTATIONS.get(key, ()):
            known = [f"{k}: {' or '.join(values)}" for k, values in ANNOTATIONS.items()]
            raise _wrong(one_of(known), nearest(key, ANNOTATIONS))
    return value


def _no_time_window(_value: Any) -> None:
    raise _wrong("no timeWindow: the judged stages of the run are the window")


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, Field(max_length=1050)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Metadata(_Model):
    name: Name
    display_name: str = Field(default="", alias="displayName", max_length=200)
    labels: dict[str, Any] = Field(default_factory=dict)
    annotations: Annotated[dict[str, str], AfterValidator(_annotations)] = Field(default_factory=dict)


class Document(_Model):
    """What every document has."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    metadata: Metadata


class ServiceSpec(_Model):
    description: Text = ""


class Service(Document):
    kind: Literal["Service"]
    spec: ServiceSpec


class Attempts(_Model):
    """All attempts of an operation that were not refused."""

    operation: Annotated[str, AfterValidator(_operation)]


class GoodAttempts(Attempts):
    """Those that ended ok within a time, counted from the planned moment."""

    within_s: LongerThanNothing = Field(alias="within")


class TotalSource(_Model):
    type: Literal["loadtests"]
    spec: Attempts


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
            raise _wrong(f"good and total of one operation, not of {good} and {total}")
        return self


class SLISpec(_Model):
    description: Text = ""
    ratio_metric: RatioMetric = Field(alias="ratioMetric")


class SLI(Document):
    kind: Literal["SLI"]
    spec: SLISpec


class Indicator(_Model):
    """An SLI written inside its SLO."""

    metadata: Metadata
    spec: SLISpec


class Target(_Model):
    display_name: str = Field(default="", alias="displayName", max_length=200)
    target: float = Field(gt=0, lt=1)


class SLOSpec(_Model):
    description: Text = ""
    service: Name
    indicator: Indicator | None = None
    indicator_ref: Name | None = Field(default=None, alias="indicatorRef")
    budgeting_method: Literal["Occurrences"] = Field(alias="budgetingMethod")
    objectives: tuple[Target, ...] = Field(min_length=1, max_length=1, strict=False)
    time_window: Annotated[None, BeforeValidator(_no_time_window)] = Field(default=None, alias="timeWindow")

    @model_validator(mode="after")
    def _one_indicator(self) -> "SLOSpec":
        if (self.indicator is None) == (self.indicator_ref is None):
            raise _wrong("either indicator or indicatorRef")
        return self


class SLO(Document):
    kind: Literal["SLO"]
    spec: SLOSpec


KINDS: Mapping[str, type[Document]] = {"SLO": SLO, "SLI": SLI, "Service": Service}
