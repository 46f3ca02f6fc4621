"""AlertPolicy, AlertCondition and AlertNotificationTarget: when an alert on the burn rate fires."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from loadtests.configuration.values import wrong
from reports.data.objective import BurnAlert
from reports.gate.slo.fields import Duration, DurationOrZero, Name, OpenSloPart, Text, duration_s
from reports.gate.slo.metadata import SHORT_WINDOW, ConditionMetadata, Metadata, OpenSloDocument


def _one_condition(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 1:
        raise wrong("exactly one condition", got=f"{len(value)} items")
    return value


def _rising(value: str) -> str:
    if value in ("lt", "lte"):
        raise wrong("gt or gte: an alert on a low burn rate reports no failure")
    if value not in ("gt", "gte"):
        raise wrong("gt or gte")
    return value


class BurnCondition(OpenSloPart):
    """`op` may be missing, as in the specification; OpenSLO's SDK demands it."""

    kind: Literal["burnrate"]
    op: Annotated[str, AfterValidator(_rising)] = "gt"
    threshold: float = Field(gt=0)
    lookback_window: Duration = Field(alias="lookbackWindow")
    alert_after: DurationOrZero = Field(default="0m", alias="alertAfter")


class AlertConditionSpec(OpenSloPart):
    description: Text = ""
    severity: str = Field(min_length=1, max_length=63)
    condition: BurnCondition


class InlineCondition(OpenSloPart):
    """A condition inside its policy, or the name of one."""

    condition_ref: Name | None = Field(default=None, alias="conditionRef")
    kind: Literal["AlertCondition"] | None = None
    metadata: ConditionMetadata | None = None
    spec: AlertConditionSpec | None = None

    @model_validator(mode="after")
    def _whole(self) -> "InlineCondition":
        _one_form("conditionRef", self.condition_ref, (self.kind, self.metadata, self.spec))
        return self


class NotificationTargetSpec(OpenSloPart):
    target: str = Field(min_length=1)
    description: Text = ""


class InlineTarget(OpenSloPart):
    """A target inside its policy, or the name of one. Nothing is notified: a reference need not be in the file."""

    target_ref: Name | None = Field(default=None, alias="targetRef")
    kind: Literal["AlertNotificationTarget"] | None = None
    metadata: Metadata | None = None
    spec: NotificationTargetSpec | None = None

    @model_validator(mode="after")
    def _whole(self) -> "InlineTarget":
        _one_form("targetRef", self.target_ref, (self.kind, self.metadata, self.spec))
        return self


class AlertPolicySpec(OpenSloPart):
    description: Text = ""
    alert_when_no_data: bool = Field(default=False, alias="alertWhenNoData")
    alert_when_resolved: bool = Field(default=False, alias="alertWhenResolved")
    alert_when_breaching: bool = Field(default=False, alias="alertWhenBreaching")
    conditions: Annotated[tuple[InlineCondition, ...], BeforeValidator(_one_condition)] = Field(strict=False)
    notification_targets: tuple[InlineTarget, ...] = Field(min_length=1, alias="notificationTargets", strict=False)


class InlinePolicy(OpenSloPart):
    """A policy inside its SLO, or the name of one."""

    alert_policy_ref: Name | None = Field(default=None, alias="alertPolicyRef")
    kind: Literal["AlertPolicy"] | None = None
    metadata: Metadata | None = None
    spec: AlertPolicySpec | None = None

    @model_validator(mode="after")
    def _whole(self) -> "InlinePolicy":
        _one_form("alertPolicyRef", self.alert_policy_ref, (self.kind, self.metadata, self.spec))
        return self


def _one_form(ref: str, named: str | None, inline: tuple[object, ...]) -> None:
    """Refuse anything but the name alone, or kind, metadata and spec."""
    given = [part is not None for part in inline]
    if any(given) if named is not None else not all(given):
        raise wrong(f"either {ref}, or kind, metadata and spec")


class AlertPolicy(OpenSloDocument):
    kind: Literal["AlertPolicy"]
    spec: AlertPolicySpec


class AlertCondition(OpenSloDocument):
    kind: Literal["AlertCondition"]
    metadata: ConditionMetadata
    spec: AlertConditionSpec


class AlertNotificationTarget(OpenSloDocument):
    kind: Literal["AlertNotificationTarget"]
    spec: NotificationTargetSpec


def burn_alert(policy: Metadata, condition: ConditionMetadata, spec: AlertConditionSpec) -> BurnAlert:
    """The alert of a policy with this condition."""
    rule = spec.condition
    return BurnAlert(
        policy.display_name or policy.name,
        spec.severity,
        rule.threshold,
        duration_s(rule.lookback_window) or 0.0,
        duration_s(condition.annotations.get(SHORT_WINDOW, "")),
        duration_s(rule.alert_after) or 0.0,
        inclusive=rule.op == "gte",
    )
