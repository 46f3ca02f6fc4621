"""OpenSLO's ways to write objectives, what of them is refused and why, and alert policies."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_gate_objectives import POLICY, SLI, SLO, problems

from reports.data.objective import BurnAlert
from reports.gate.slo.fields import duration_s
from reports.gate.slo.objectives import Objective, parse_objectives

LATENCY = """\
apiVersion: openslo/v1
kind: SLI
metadata: {name: fast-accept}
spec:
  thresholdMetric:
    metricSource: {type: loadtests, spec: {operation: chat.accept}}
---
"""
TWO = """\
    - {op: lte, value: 0.3, targetPercent: 95}
    - {displayName: Nearly all within two seconds, op: lt, value: 2, target: 0.999}
"""
TARGET = "    - target: 0.99\n"


def objectives(text):
    return parse_objectives(text, "o.yaml").objectives


def refused(text, new, *expected):
    """Each is the only problem of the text, at its line."""
    assert problems(text) == [
        f"o.yaml:{1 + text[: text.index(new)].count(chr(10))}: {line.lstrip()}" for line in expected
    ]


def test_threshold_metric_has_an_objective_for_each_limit():
    first, second = objectives(LATENCY + SLO.replace(TARGET, TWO))
    assert first == Objective("accept 95 % in 300 ms", "Accept chat", "chat.accept", 0.3, 0.95)
    assert (second.name, second.title) == ("accept 99.9 % in 2000 ms", "Nearly all within two seconds")
    assert second.within_s == pytest.approx(2 - 1e-9, abs=1e-12)
    assert str(second) == "chat.accept within 2000 ms"


def test_one_threshold_has_the_name_of_its_slo():
    (objective,) = objectives(LATENCY + SLO.replace(TARGET, "    - {op: lte, value: 0.3, target: 0.95}\n"))
    assert (objective.name, objective.within_s, objective.target) == ("accept", 0.3, 0.95)


def test_ratio_metric_may_have_several_targets():
    text = SLI + SLO.replace(TARGET, "    - target: 0.95\n    - targetPercent: 99.95\n")
    assert [(o.name, o.within_s, o.target) for o in objectives(text)] == [
        ("accept 95 % in 300 ms", 0.3, 0.95),
        ("accept 99.95 % in 300 ms", 0.3, 0.9995),
    ]


def test_without_a_limit_success_is_enough():
    text = (SLI + SLO).replace(", within: 300ms", "")
    (objective,) = objectives(text)
    assert (objective.within_s, str(objective)) == (None, "chat.accept without failure")
    several = text.replace(TARGET, "    - target: 0.95\n    - target: 0.5\n")
    assert [o.name for o in objectives(several)] == ["accept 95 %", "accept 50 %"]


@pytest.mark.parametrize(
    ("spec", "within_s"),
    [("operation: chat.accept, slowerThan: 300ms", 0.3), ("operation: chat.accept", None)],
)
def test_bad_attempts_instead_of_good_ones(spec, within_s):
    text = SLI.replace("good:", "bad:").replace("operation: chat.accept, within: 300ms", spec) + SLO
    assert objectives(text) == (Objective("accept", "Accept chat", "chat.accept", within_s, 0.99),)


def test_either_good_or_bad():
    bad = "    bad:\n      metricSource: {type: loadtests, spec: {operation: chat.accept}}\n"
    text = SLI.replace("    total:", f"{bad}    total:") + SLO
    refused(text, "ratioMetric:", "spec.ratioMetric: got a mapping, expected either good or bad, and total")


PRODUCTION = """\
apiVersion: openslo/v1
kind: SLI
metadata:
  name: fast-accept
  annotations: {loadtests/operation: chat.accept, loadtests/within: 300ms}
spec:
  ratioMetric:
    counter: true
    good:
      metricSource:
        metricSourceRef: metrics
        type: Prometheus
        spec: {query: sum(fast_accepts_total)}
    total:
      metricSource: {type: Prometheus, spec: {query: sum(accepts_total)}}
---
"""


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_metric_of_production_is_replaced_by_the_annotated_operation(kind):
    text = PRODUCTION.replace("good:", f"{kind}:") + SLO
    assert objectives(text) == (Objective("accept", "Accept chat", "chat.accept", 0.3, 0.99),)


def test_threshold_metric_of_production_is_replaced_too():
    text = PRODUCTION[: PRODUCTION.index("  ratioMetric")].replace(", loadtests/within: 300ms", "") + (
        "  thresholdMetric: {metricSource: {type: Redshift, spec: {query: SELECT 1}}}\n---\n"
    )
    found = objectives(text + SLO.replace(TARGET, TWO))
    assert [(o.operation, o.target) for o in found] == [("chat.accept", 0.95), ("chat.accept", 0.999)]


def test_annotated_indicator_may_be_inside_its_slo():
    inline = re.sub(r"^", "    ", "\n".join(PRODUCTION.splitlines()[2:-1]), flags=re.MULTILINE)
    text = SLO.replace("  indicatorRef: fast-accept", f"  indicator:\n{inline}")
    assert objectives(text) == (Objective("accept", "Accept chat", "chat.accept", 0.3, 0.99),)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "loadtests/operation: chat.accept",
            "loadtests/operation: chat.acept",
            "metadata.annotations: got loadtests/operation: 'chat.acept', expected loadtests/operation: one of ",
        ),
        (
            "loadtests/operation: chat.accept, ",
            "",
            "metadata.annotations: got loadtests/within: '300ms', expected loadtests/operation beside it",
        ),
        (
            "loadtests/within: 300ms",
            "loadtests/within: 300",
            "metadata.annotations.loadtests/within: got 300, expected text",
        ),
        (
            "loadtests/within: 300ms",
            "loadtests/within: 0s",
            "metadata.annotations: got loadtests/within: '0s', expected loadtests/within: a duration with a unit",
        ),
        (
            "spec: {query: sum(accepts_total)}",
            "spec: {}",
            "spec.ratioMetric.total.metricSource.type: got 'Prometheus', expected loadtests; or for a metric",
        ),
        (
            "{type: Prometheus, spec: {query: sum(accepts_total)}}",
            "{type: loadtests, spec: {operation: chat.offer}}",
            "spec.ratioMetric: got a mapping, expected good and total of one operation, not of chat.accept and chat.o",
        ),
    ],
)
def test_annotations_of_an_indicator_are_validated(old, new, problem):
    assert old in PRODUCTION
    assert any(problem in text for text in problems(PRODUCTION.replace(old, new) + SLO))


def test_annotation_and_metric_name_one_operation():
    text = SLI.replace("name: fast-accept}", "name: fast-accept, annotations: {loadtests/operation: chat.offer}}") + SLO
    assert problems(text) == [
        "o.yaml:1: got a mapping, "
        "expected one operation in loadtests/operation and in the metrics, not chat.offer and chat.accept"
    ]


SOURCE = """\
apiVersion: openslo/v1
kind: DataSource
metadata: {name: harness}
spec: {type: loadtests, connectionDetails: {anything: [1, 2]}}
---
"""


def test_source_by_reference():
    text = (SLI + SLO).replace("type: loadtests", "metricSourceRef: harness")
    assert objectives(SOURCE + text) == objectives(SLI + SLO)
    assert problems(text)[0] == (
        "o.yaml:8: spec.ratioMetric.good.metricSource.metricSourceRef: got 'harness', "
        "expected the name of a DataSource in this file (there is none)"
    )
    assert (
        "got a DataSource of type 'Prometheus', expected one of type loadtests"
        in (problems(SOURCE.replace("type: loadtests", "type: Prometheus") + text)[0])
    )
    neither = (SLI + SLO).replace("type: loadtests, ", "", 1)
    assert "expected type: loadtests, or metricSourceRef" in problems(neither)[0]


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ("{op: gte, value: 0.3, target: 0.9}", "op: got 'gte', expected lte or lt: an attempt is good when it takes"),
        ("{op: eq, value: 0.3, target: 0.9}", "op: got 'eq', expected lte or lt"),
        ("{op: lte, value: 0, target: 0.9}", "value: got 0, expected more than 0"),
        ("{op: lte, value: 300ms, target: 0.9}", "value: got '300ms', expected a number"),
        ("{op: lte, value: 1, target: 0.9, targetPercent: 90}", " got a mapping, expected either target or targetPerc"),
        ("{op: lte, value: 1}", " got a mapping, expected either target or targetPercent"),
        ("{op: lte, value: 1, targetPercent: 100}", "targetPercent: got 100, expected less than 100"),
        ("{op: lte, value: 1, targetPercent: 0}", "targetPercent: got 0, expected more than 0"),
        ("{op: lte, value: 1, target: 0}", "target: got 0, expected more than 0"),
        ("{op: lte, value: 1, target: }", "target: got nothing, expected a value, or no such key"),
        ("{op: lte, target: 0.9}", " got no value, expected op and value (seconds): chat.accept is a threshold"),
        ("{value: 1, target: 0.9}", " got no op, expected op and value (seconds): chat.accept is a threshold"),
        ("{op: lte, value: 1, target: 0.9, timeSliceTarget: 0.9}", "timeSliceTarget: got 0.9, expected no time slices"),
        ("{op: lte, value: 1, target: 0.9, timeSliceWindow: 1m}", "timeSliceWindow: got '1m', expected no time slices"),
        (
            "{op: lte, value: 1, target: 0.9, indicatorRef: a}",
            "indicatorRef: got 'a', expected no composite SLO: write",
        ),
        ("{op: lte, value: 1, target: 0.9, indicator: {}}", "indicator: got a mapping, expected no composite SLO"),
        ("{op: lte, value: 1, target: 0.9, compositeWeight: 2}", "compositeWeight: got 2, expected no composite SLO"),
        (
            "{op: lte, value: 1, target: 0.9, weight: 2}",
            "weight: got unknown key 'weight', expected one of displayName",
        ),
    ],
)
def test_what_is_not_used_of_an_objective_is_refused(new, problem):
    (first, *_) = problems(LATENCY + SLO.replace("- target: 0.99", f"- {new}"))
    joint = "" if problem.startswith(" ") else "."
    assert first.startswith(f"o.yaml:16: spec.objectives[0]{joint or ':'}{problem}")


def test_limits_belong_to_threshold_metrics():
    text = SLI + SLO.replace(TARGET, "    - {op: lte, value: 1, target: 0.9}\n")
    because = "expected no such key: a ratioMetric states by itself which attempts are good"
    refused(
        text,
        "    - {op",
        f"spec.objectives[0].op: got 'lte', {because}",
        f"spec.objectives[0].value: got 1.0, {because}",
    )


def test_two_objectives_are_different():
    text = SLI + SLO.replace(TARGET, "    - target: 0.99\n    - targetPercent: 99\n")
    refused(
        text,
        "    - targetPercent",
        "spec.objectives[1]: got the same target and limit, expected an objective of its own (line 20 has it)",
    )


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "    total:\n      metricSource: {type: loadtests, spec: {operation: chat.accept}}\n",
            "    rawType: success\n    raw:\n      metricSource: {type: loadtests, spec: {operation: chat.accept}}\n",
            "spec.ratioMetric.rawType: got 'success', expected good or bad, and total: runs have attempts, and no comp",
        ),
        (
            "  ratioMetric:",
            "  thresholdMetric: {metricSource: {type: loadtests, spec: {operation: chat.accept}}}\n  ratioMetric:",
            "spec: got a mapping, expected either thresholdMetric or ratioMetric",
        ),
        ("within: 300ms", "within: ", "spec.ratioMetric.good.metricSource.spec.within: got nothing, expected a value"),
        ("counter: false", "counter: maybe", "spec.ratioMetric.counter: got 'maybe', expected true or false"),
        (
            "metadata: {name: fast-accept}",
            "metadata: {name: fast-accept, labels: {tier: 1}}",
            "metadata.labels.tier",
        ),
        (
            "metadata: {name: fast-accept}",
            "metadata: {name: fast-accept, labels: {-tier: a}}",
            "metadata.labels",
        ),
        (
            "metadata: {name: fast-accept}",
            "metadata: {name: fast-accept, annotations: {a/b/c: x}}",
            "metadata.annotations: got a/b/c: 'x', expected a key such as my-domain.org/my-key",
        ),
        (
            "metadata: {name: fast-accept}",
            f"metadata: {{name: fast-accept, displayName: {'a' * 64}}}",
            "metadata.displayName: got ",
        ),
    ],
)
def test_what_upstream_or_this_program_refuses_has_its_line(old, new, problem):
    assert old in SLI
    text = SLI.replace(old, new) + SLO
    key = problem.partition(":")[0].rpartition(".")[2]
    line = 1 + next(n for n, at in enumerate(text.splitlines()) if key in at or (key == "spec" and at == "spec:"))
    assert any(found.startswith(f"o.yaml:{line}: {problem}") for found in problems(text)), problems(text)


ALERTED = SLO.replace("  objectives:", "  alertPolicies: [{alertPolicyRef: fast}]\n  objectives:")


def test_alert_policies_of_an_slo():
    (objective,) = objectives(SLI + ALERTED + POLICY)
    assert objective.alerts == (BurnAlert("fast", "page", 14.4, 3600.0, 300.0, 120.0, inclusive=True),)
    assert objectives(SLI + SLO + POLICY)[0].alerts == ()


def test_policy_that_does_not_alert_on_a_breach_never_fires():
    resolved = POLICY.replace("alertWhenBreaching", "alertWhenResolved")
    assert objectives(SLI + ALERTED + resolved)[0].alerts == ()


def test_policy_and_condition_inside_the_slo():
    inline = """\
  alertPolicies:
    - kind: AlertPolicy
      metadata: {name: slow, displayName: Slow burn}
      spec:
        alertWhenBreaching: true
        conditions:
          - kind: AlertCondition
            metadata: {name: tenth-in-three-days}
            spec:
              severity: ticket
              condition: {kind: burnrate, threshold: 1, lookbackWindow: 3d}
        notificationTargets:
          - kind: AlertNotificationTarget
            metadata: {name: mail}
            spec: {target: email}
"""
    (objective,) = objectives(SLI + SLO.replace("  objectives:", f"{inline}  objectives:"))
    assert objective.alerts == (BurnAlert("Slow burn", "ticket", 1.0, 3 * 86_400.0),)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("alertPolicyRef: fast", "alertPolicyRef: fats", "spec.alertPolicies[0].alertPolicyRef: got 'fats', expected "
         "the name of an AlertPolicy in this file (fast); did you mean fast?"),
        ("alertPolicyRef: fast", "alertPolicyRef: fast, kind: AlertPolicy", "spec.alertPolicies[0]: got a mapping, "
         "expected either alertPolicyRef, or kind, metadata and spec"),
        ("conditionRef: two-p", "conditionRef: one-p", "spec.conditions[0].conditionRef: got 'one-percent-in-an-hour'"),
        ("[{conditionRef: two-percent-in-an-hour}]", "[]", "spec.conditions: got 0 items, expected exactly one cond"),
        ("notificationTargets: [{targetRef: on-call}]", "notificationTargets: []", "spec.notificationTargets: got a "
         "list, expected at least 1 item"),
        ("[{targetRef: on-call}]", "[{targetRef: on call}]", "spec.notificationTargets[0].targetRef: got 'on call'"),
        ("op: gte", "op: lt", "spec.condition.op: got 'lt', expected gt or gte: an alert on a low burn rate reports"),
        ("op: gte", "op: is", "spec.condition.op: got 'is', expected gt or gte"),
        ("kind: burnrate", "kind: latency", "spec.condition.kind: got 'latency', expected burnrate"),
        ("threshold: 14.4", "threshold: 0", "spec.condition.threshold: got 0, expected more than 0"),
        ("lookbackWindow: 1h", "lookbackWindow: 0h", "spec.condition.lookbackWindow: got '0h', expected a number and"),
        ("alertAfter: 2m", "alertAfter: 2s", "spec.condition.alertAfter: got '2s', expected a number and one of m, h"),
        ("severity: page", "severity:", "spec.severity: got nothing, expected a value"),
        ("short-window: 5m", "short-window: 5s", "metadata.annotations: got loadtests/short-window: '5s', expected"),
        ("alertWhenBreaching: true", "alertWhenBreaching: 1", "spec.alertWhenBreaching: got 1, expected true or fals"),
        ("alertWhenBreaching: true", "alertWhenever: true", "spec.alertWhenever: got unknown key 'alertWhenever', "),
    ],
)  # fmt: skip
def test_problems_of_alerts_have_their_line(old, new, problem):
    text = SLI + ALERTED + POLICY
    assert old in text
    text = text.replace(old, new, 1)
    line = 1 + text[: text.index(new)].count("\n")
    assert any(found.startswith(f"o.yaml:{line}: {problem}") for found in problems(text)), problems(text)


@given(st.integers(1, 999_999), st.sampled_from("mhdwMQY"))
def test_durations_are_those_of_the_sdk(number, unit):
    minutes = {"m": 1, "h": 60, "d": 1440, "w": 10_080, "M": 43_200, "Q": 129_600, "Y": 525_600}[unit]
    assert duration_s(f"{number}{unit}") == 60 * number * minutes


@given(st.text(max_size=9) | st.from_regex(r"[0-9.+-]{0,4}[a-zA-Z]{0,2}", fullmatch=True))
def test_anything_else_is_no_duration(text):
    assert (duration_s(text) is None) == (re.fullmatch(r"[0-9]{1,6}[mhdwMQY]", text) is None)
