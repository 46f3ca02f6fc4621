"""SLIs: which attempts of an operation are good. A metric of another source is replaced by the operation that an
annotation of the SLI names, so that a document of production can be used as it is."""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from loadtests.configuration.problems import nearest, one_of
from loadtests.configuration.values import LongerThanNothing, wrong
from reports.gate.slo.fields import Name, OpenSloPart, Text, refuse
from reports.gate.slo.metadata import OPERATION, OPERATIONS, WITHIN, OpenSloDocument, SLIMetadata

SOURCE = "loadtests"
_METRICS = {"good": "within", "bad": "slowerThan", "total": ""}
"""Metrics of a ratio, each with the key of its limit."""


def _operation(value: str) -> str:
    if value not in OPERATIONS:
        raise wrong(one_of(OPERATIONS), nearest(value, OPERATIONS))
    return value


def _source_type(value: str) -> str:
    if value != SOURCE:
        raise wrong(f"{SOURCE}; or for a metric of production the SLI's annotation {OPERATION}, which replaces it")
    return value


_Raw = Annotated[None, BeforeValidator(refuse("good or bad, and total: runs have attempts, and no computed ratio"))]


class AttemptsSpec(OpenSloPart):
    """All attempts of an operation that were not refused."""

    operation: Annotated[str, AfterValidator(_operation)]


class GoodAttempts(AttemptsSpec):
    """Attempts that ended ok, within a time counted from the planned moment where there is one."""

    within_s: LongerThanNothing | None = Field(default=None, alias="within")


class BadAttempts(AttemptsSpec):
    """Attempts that did not end ok, or took longer than a time counted from the planned moment."""

    slower_than_s: LongerThanNothing | None = Field(default=None, alias="slowerThan")


Attempts = TypeVar("Attempts", bound=AttemptsSpec)


class MetricSource(OpenSloPart, Generic[Attempts]):
    """`type`, or the name of a DataSource of that type."""

    metric_source_ref: Name | None = Field(default=None, alias="metricSourceRef")
    type: Annotated[str, AfterValidator(_source_type)] | None = None
    spec: Attempts

    @model_validator(mode="after")
    def _named(self) -> "MetricSource[Attempts]":
        if self.type is None and self.metric_source_ref is None:
            raise wrong(f"type: {SOURCE}, or metricSourceRef")
        return self


class Metric(OpenSloPart, Generic[Attempts]):
    metric_source: MetricSource[Attempts] = Field(alias="metricSource")

    @property
    def spec(self) -> Attempts:
        return self.metric_source.spec


class RatioMetric(OpenSloPart):
    """`counter` describes a metric of a data source; attempts are counted in any case."""

    counter: bool = False
    good: Metric[GoodAttempts] | None = None
    bad: Metric[BadAttempts] | None = None
    total: Metric[AttemptsSpec]
    raw: _Raw = Field(default=None, exclude=True)
    raw_type: _Raw = Field(default=None, alias="rawType", exclude=True)

    @model_validator(mode="after")
    def _one_share(self) -> "RatioMetric":
        if (self.good is None) == (self.bad is None):
            raise wrong("either good or bad, and total")
        if self.operation != self.total.spec.operation:
            kind = "good" if self.good else "bad"
            total = self.total.spec.operation
            raise wrong(f"{kind} and total of one operation, not of {self.operation} and {total}")
        return self

    @property
    def operation(self) -> str:
        return next(m.spec.operation for m in (self.good, self.bad) if m is not None)

    @property
    def within_s(self) -> float | None:
        """The time within which an attempt is good; None: any time."""
        if self.good is not None:
            return self.good.spec.within_s
        return self.bad.spec.slower_than_s if self.bad is not None else None


class SLISpec(OpenSloPart):
    """A `ratioMetric`, or as `thresholdMetric` the response time, whose limits the objectives of the SLO have."""

    description: Text = ""
    threshold_metric: Metric[AttemptsSpec] | None = Field(default=None, alias="thresholdMetric")
    ratio_metric: RatioMetric | None = Field(default=None, alias="ratioMetric")

    @model_validator(mode="after")
    def _one_metric(self) -> "SLISpec":
        if (self.threshold_metric is None) == (self.ratio_metric is None):
            raise wrong("either thresholdMetric or ratioMetric")
        return self

    @property
    def operation(self) -> str:
        if self.threshold_metric is not None:
            return self.threshold_metric.spec.operation
        return self.ratio_metric.operation if self.ratio_metric is not None else ""

    @property
    def metrics(self) -> Mapping[tuple[str, ...], Metric[Any]]:
        """Each metric by its place in the spec."""
        found: dict[tuple[str, ...], Metric[Any] | None] = {("thresholdMetric",): self.threshold_metric}
        if self.ratio_metric is not None:
            found |= {("ratioMetric", name): getattr(self.ratio_metric, name) for name in _METRICS}
        return {place: metric for place, metric in found.items() if metric is not None}


class Indicator(OpenSloPart):
    """An SLI written inside its SLO."""

    metadata: SLIMetadata
    spec: SLISpec

    @model_validator(mode="before")
    @classmethod
    def _of_production(cls, data: Any) -> Any:
        return _with_operation(data)

    @model_validator(mode="after")
    def _agreeing(self) -> "Indicator":
        _check_annotations(self.metadata, self.spec)
        return self


class SLI(OpenSloDocument):
    kind: Literal["SLI"]
    metadata: SLIMetadata
    spec: SLISpec

    @model_validator(mode="before")
    @classmethod
    def _of_production(cls, data: Any) -> Any:
        return _with_operation(data)

    @model_validator(mode="after")
    def _agreeing(self) -> "SLI":
        _check_annotations(self.metadata, self.spec)
        return self


def _check_annotations(metadata: SLIMetadata, spec: SLISpec) -> None:
    """Refuse annotations that contradict the metrics, or have no effect on them."""
    operation = metadata.annotations.get(OPERATION, spec.operation)
    if operation != spec.operation:
        raise wrong(f"one operation in {OPERATION} and in the metrics, not {operation} and {spec.operation}")
    if WITHIN in metadata.annotations and spec.threshold_metric is not None:
        raise wrong(f"no {WITHIN}: op and value of each objective limit a thresholdMetric")


def _with_operation(sli: Any) -> Any:
    """The SLI with the operation of its annotation in place of metrics of other sources; without one as it is."""
    annotations = _inside(sli, "metadata", "annotations")
    operation, within = (_inside(annotations, key) for key in (OPERATION, WITHIN))
    if not operation:
        return sli
    spec = dict(sli["spec"]) if isinstance(sli.get("spec"), dict) else sli.get("spec")
    if isinstance(_inside(spec, "thresholdMetric"), dict):
        spec["thresholdMetric"] = _replaced(spec["thresholdMetric"], {"operation": operation})
    if isinstance(ratio := _inside(spec, "ratioMetric"), dict):
        limits = {name: {key: within} if key and within else {} for name, key in _METRICS.items()}
        replaced = {n: _replaced(ratio[n], {"operation": operation, **limits[n]}) for n in limits if n in ratio}
        spec["ratioMetric"] = {**ratio, **replaced}
    return {**sli, "spec": spec}


def _replaced(metric: Any, spec: Mapping[str, Any]) -> Any:
    """The metric with another spec; as it is where it is one of this program, or none of OpenSLO."""
    source = _inside(metric, "metricSource")
    foreign = isinstance(source, dict) and source.get("type") != SOURCE and source.keys() <= _SOURCE_KEYS
    if not foreign or not isinstance(source.get("spec"), dict) or not source["spec"] or len(metric) > 1:
        return metric
    return {"metricSource": {"type": SOURCE, "spec": dict(spec)}}


_SOURCE_KEYS = {"metricSourceRef", "type", "spec"}


def _inside(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
