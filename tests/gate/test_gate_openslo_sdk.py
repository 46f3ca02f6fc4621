"""Files of objectives against the rules of OpenSLO's own SDK: what both accept, and what only it accepts."""

import re
from pathlib import Path

import pytest
from openslo_sdk import problems_of
from test_gate_objectives import POLICY, SLI, SLO
from test_gate_openslo import LATENCY, PRODUCTION, TARGET, TWO

from loadtests.configuration.problems import SourceError
from loadtests.configuration.source import read_documents
from loadtests.scenario.finding import SHIPPED
from reports.gate.slo.objectives import parse_objectives

DOCS = Path(__file__).resolve().parents[2] / "docs" / "objectives.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)

WINDOW = "  timeWindow: [{duration: 28d, isRolling: true}]\n  budgetingMethod"
COMPLETE = SLO.replace("  budgetingMethod", WINDOW)

ACCEPTED = {
    "ratio": SLI + COMPLETE,
    "threshold": LATENCY + COMPLETE.replace(TARGET, TWO),
    "bad": SLI.replace("good:", "bad:").replace("within", "slowerThan") + COMPLETE,
    "production": PRODUCTION + COMPLETE,
    "alerts": SLI
    + COMPLETE.replace("  objectives:", "  alertPolicies: [{alertPolicyRef: fast}]\n  objectives:")
    + POLICY,
    "calendar": SLI
    + COMPLETE.replace(
        "{duration: 28d, isRolling: true}",
        '{duration: 1M, calendar: {startTime: "2026-01-01 00:00:00", timeZone: Europe/Berlin}}',
    ),
    "metadata": SLI
    + COMPLETE.replace(
        "metadata: {", "metadata: {labels: {tier: one, teams: [a, b]}, annotations: {example.com/dashboard: a}, "
    ),
    "targets": (
        "apiVersion: openslo/v1\nkind: AlertNotificationTarget\nmetadata: {name: on-call}\nspec: {target: email}\n"
        f"---\n{SLI}{COMPLETE}"
    ),
    "sources": (
        "apiVersion: openslo/v1\nkind: DataSource\nmetadata: {name: harness}\n"
        f"spec: {{type: loadtests, connectionDetails: {{}}}}\n---\n{SLI}{COMPLETE}"
    ).replace("{type: loadtests, spec: ", "{metricSourceRef: harness, spec: "),
}
"""Documents that both accept, by what they show."""


def upstream(text):
    documents, problems = read_documents(text, "o.yaml")
    assert not problems
    return [problem for document in documents for problem in problems_of(document.data)]


@pytest.mark.parametrize("name", ACCEPTED)
def test_both_accept(name):
    assert upstream(ACCEPTED[name]) == []
    assert parse_objectives(ACCEPTED[name], "o.yaml").objectives


def test_shipped_objectives_are_valid_upstream():
    assert upstream((SHIPPED / "objectives.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_of_the_documentation_are_valid_upstream(text):
    assert upstream(text) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ratio", "budgetingMethod: Occurrences", "budgetingMethod: Sometimes"),
        ("ratio", "[{duration: 28d, isRolling: true}]", "[]"),
        ("ratio", "isRolling: true", "isRolling: false"),
        ("ratio", "duration: 28d", "duration: 28x"),
        ("ratio", "target: 0.99", "target: 1.0"),
        ("ratio", "target: 0.99", "target: 0.99\n      targetPercent: 99"),
        ("ratio", "target: 0.99", "goal: 0.99"),
        ("ratio", "  indicatorRef: fast-accept\n", ""),
        ("ratio", "kind: SLO", "kind: SLA"),
        ("ratio", "openslo/v1", "openslo/v3"),
        ("ratio", "name: accept", "name: Accept"),
        ("ratio", "displayName: Accept chat", f"displayName: {'a' * 64}"),
        ("ratio", "counter: false", "counter: 1"),
        ("ratio", "    total:", "    totals:"),
        ("metadata", "tier: one", "tier: 1"),
        ("metadata", "tier: one", "-tier: one"),
        ("metadata", "example.com/dashboard", "a/b/dashboard"),
        ("threshold", "op: lte", "op: below"),
        ("alerts", "threshold: 14.4, ", ""),
        ("alerts", "kind: burnrate", "kind: latency"),
        ("alerts", "severity: page", 'severity: ""'),
        ("alerts", "[{conditionRef: two-percent-in-an-hour}]", "[]"),
        ("alerts", "notificationTargets: [{targetRef: on-call}]", "notificationTargets: []"),
        ("targets", "target: email", "description: email"),
        ("calendar", "Europe/Berlin", "Europe/Berln"),
        ("calendar", "2026-01-01 00:00:00", "2026-01-01"),
    ],
)
def test_both_refuse(name, old, new):
    assert old in ACCEPTED[name]
    text = ACCEPTED[name].replace(old, new, 1)
    assert upstream(text)
    with pytest.raises(SourceError):
        parse_objectives(text, "o.yaml")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ratio", "Occurrences", "Timeslices"),
        ("ratio", "target: 0.99", "target: 0.99\n      compositeWeight: 1"),
        ("ratio", "target: 0.99", "target: 0.0"),
        ("threshold", "op: lte", "op: gte"),
        ("production", "loadtests/operation: chat.accept, loadtests/within: 300ms", "owner: me"),
        ("alerts", "op: gte", "op: lt"),
        ("alerts", "alertPolicyRef: fast", "alertPolicyRef: slow"),
    ],
)
def test_what_only_upstream_accepts_is_refused_with_its_line(name, old, new):
    text = ACCEPTED[name].replace(old, new, 1)
    if new == "Timeslices":
        slices = "target: 0.99\n      timeSliceTarget: 0.9\n      timeSliceWindow: 1m"
        assert upstream(text.replace("target: 0.99", slices)) == []
    else:
        assert upstream(text) == []
    with pytest.raises(SourceError, match=r"^o\.yaml:\d+: .+, expected "):
        parse_objectives(text, "o.yaml")


def test_missing_time_window_is_accepted_here_alone():
    """Objectives of earlier runs have none; the window of production is 28 days then."""
    assert upstream(SLI + SLO) == ["spec: timeWindow: required"]
    assert parse_objectives(SLI + SLO, "o.yaml").objectives
