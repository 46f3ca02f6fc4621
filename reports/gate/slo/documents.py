"""The documents of one file: read by kind, with their references resolved and every problem at its line."""

from collections.abc import Iterator
from typing import TypeVar

from loadtests.configuration.problems import Problem, nearest, one_of, shown
from loadtests.configuration.source import Document, Place
from loadtests.configuration.validation import validate
from reports.data.objective import BurnAlert
from reports.gate.slo.alerting import (
    AlertCondition,
    AlertPolicy,
    AlertPolicySpec,
    InlinePolicy,
    burn_alert,
)
from reports.gate.slo.indicators import SLI, SOURCE, SLISpec
from reports.gate.slo.metadata import Metadata, OpenSloDocument
from reports.gate.slo.openslo import KINDS, SLO, DataSource, OpenSloService

Kind = TypeVar("Kind", bound=OpenSloDocument)


class ObjectivesFile:
    """Documents of each kind, each with its place in the file."""

    def __init__(self) -> None:
        self._documents: list[tuple[Document, OpenSloDocument]] = []
        self._refused: set[tuple[str, str]] = set()
        """Kind and name of documents with problems: references to them are no problem of their own."""

    def add(self, document: Document) -> list[Problem]:
        """Add a document; return its problems."""
        if not isinstance(document.data, dict):
            return [document.problem((), shown(document.data), "an OpenSLO document: a mapping of keys to values")]
        kind = document.data.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            names = list(KINDS)
            return [document.problem(("kind",), shown(kind), one_of(names), nearest(kind, names))]
        parsed, problems = validate(document, KINDS[kind])
        if parsed is not None:
            self._documents.append((document, parsed))
        elif isinstance(metadata := document.data.get("metadata"), dict):
            self._refused.add((kind, str(metadata.get("name"))))
        return problems

    def of(self, kind: type[Kind]) -> list[tuple[Document, Kind]]:
        return [(document, parsed) for document, parsed in self._documents if isinstance(parsed, kind)]

    def named(self, kind: type[Kind]) -> dict[str, Kind]:
        return {parsed.metadata.name: parsed for _, parsed in self.of(kind)}

    def unresolved(self) -> Iterator[Problem]:
        """Names that are given twice, or refer to nothing, and objectives that do not fit their indicator."""
        for kind in KINDS.values():
            yield from self._duplicates(kind)
        for document, _ in self.of(OpenSloService)[1:]:
            yield document.problem(("kind",), "a second Service", "one Service a file")
        for document, sli in self.of(SLI):
            yield from self._sources(document, ("spec",), sli.spec)
        for document, policy in self.of(AlertPolicy):
            yield from self._conditions(document, ("spec",), policy.spec)
        for document, slo in self.of(SLO):
            yield from self._of_slo(document, slo)

    def _duplicates(self, kind: type[Kind]) -> Iterator[Problem]:
        first: dict[str, int] = {}
        for document, parsed in self.of(kind):
            place, name = ("metadata", "name"), parsed.metadata.name
            line = document.line(place)
            if first.setdefault(name, line) != line:
                yield document.problem(place, shown(name), f"a name of its own (line {first[name]} has it)")

    def _of_slo(self, document: Document, slo: SLO) -> Iterator[Problem]:
        services = list(self.named(OpenSloService))
        if services and slo.spec.service not in services:
            place, got = ("spec", "service"), slo.spec.service
            yield document.problem(place, shown(got), one_of(services), nearest(got, services))
        if slo.spec.indicator_ref is not None:
            yield from self._reference(document, ("spec", "indicatorRef"), slo.spec.indicator_ref, SLI, "an SLI")
        if slo.spec.indicator is not None:
            yield from self._sources(document, ("spec", "indicator", "spec"), slo.spec.indicator.spec)
        for number, policy in enumerate(slo.spec.alert_policies):
            yield from self._policy(document, ("spec", "alertPolicies", number), policy)
        if (sli := self.indicator(slo)) is not None:
            yield from _unfit(document, slo, sli)

    def _reference(
        self, document: Document, place: Place, name: str, kind: type[OpenSloDocument], words: str
    ) -> Iterator[Problem]:
        known = list(self.named(kind))
        if name not in known and (kind.__name__, name) not in self._refused:
            expected = f"the name of {words} in this file ({', '.join(known) or 'there is none'})"
            yield document.problem(place, shown(name), expected, nearest(name, known))

    def _sources(self, document: Document, place: Place, sli: SLISpec) -> Iterator[Problem]:
        """References to data sources that this program does not have."""
        for path, metric in sli.metrics.items():
            ref = metric.metric_source.metric_source_ref
            if ref is None or (metric.metric_source.type is not None and ref not in self.named(DataSource)):
                continue
            at = (*place, *path, "metricSource", "metricSourceRef")
            yield from self._reference(document, at, ref, DataSource, "a DataSource")
            found = self.named(DataSource).get(ref)
            if found is not None and found.spec.type != SOURCE:
                yield document.problem(at, f"a DataSource of type {shown(found.spec.type)}", f"one of type {SOURCE}")

    def _policy(self, document: Document, place: Place, policy: InlinePolicy) -> Iterator[Problem]:
        if policy.alert_policy_ref is not None:
            at = (*place, "alertPolicyRef")
            yield from self._reference(document, at, policy.alert_policy_ref, AlertPolicy, "an AlertPolicy")
        if policy.spec is not None:
            yield from self._conditions(document, (*place, "spec"), policy.spec)

    def _conditions(self, document: Document, place: Place, policy: AlertPolicySpec) -> Iterator[Problem]:
        for number, condition in enumerate(policy.conditions):
            if condition.condition_ref is not None:
                at = (*place, "conditions", number, "conditionRef")
                yield from self._reference(document, at, condition.condition_ref, AlertCondition, "an AlertCondition")

    def indicator(self, slo: SLO) -> SLISpec | None:
        """The SLI of an SLO; None where the reference leads nowhere."""
        if slo.spec.indicator is not None:
            return slo.spec.indicator.spec
        found = self.named(SLI).get(slo.spec.indicator_ref or "")
        return found.spec if found else None

    def alerts(self, slo: SLO) -> tuple[BurnAlert, ...]:
        """The alerts of an SLO's policies that fire on a breach."""
        policies = self.named(AlertPolicy)
        found: list[BurnAlert] = []
        for policy in slo.spec.alert_policies:
            parts: InlinePolicy | AlertPolicy = policies.get(policy.alert_policy_ref or "", policy)
            if parts.metadata is not None and parts.spec is not None and parts.spec.alert_when_breaching:
                found += self._alerts(parts.metadata, parts.spec)
        return tuple(found)

    def _alerts(self, metadata: Metadata, policy: AlertPolicySpec) -> Iterator[BurnAlert]:
        conditions = self.named(AlertCondition)
        for condition in policy.conditions:
            found = conditions.get(condition.condition_ref or "", condition)
            if found.metadata is not None and found.spec is not None:
                yield burn_alert(metadata, found.metadata, found.spec)


def _unfit(document: Document, slo: SLO, sli: SLISpec) -> Iterator[Problem]:
    """Objectives without the limit that their metric needs, or with one that it does not take, and equal ones."""
    first: dict[object, int] = {}
    for number, target in enumerate(slo.spec.objectives):
        place = ("spec", "objectives", number)
        line = document.line(place)
        for key, value in (("op", target.op), ("value", target.value)):
            if value is None and sli.threshold_metric is not None:
                yield document.problem(place, f"no {key}", f"op and value (seconds): {sli.operation} is a threshold")
            if value is not None and sli.threshold_metric is None:
                expected = "no such key: a ratioMetric states by itself which attempts are good"
                yield document.problem((*place, key), shown(value), expected)
        if first.setdefault((target.within_s, target.share), line) != line:
            expected = f"an objective of its own (line {first[target.within_s, target.share]} has it)"
            yield document.problem(place, "the same target and limit", expected)
