"""Objectives in OpenSLO: parsing, and every problem in them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.configuration.problems import SourceError
from loadtests.configuration.source import read_documents
from loadtests.scenario.finding import SHIPPED
from reports.findings.budgets import WORKBOOK_ALERTS
from reports.findings.slis import LIMITS_S
from reports.gate.slo.objectives import Objective, load_objectives, parse_objectives

SERVICE = """\
apiVersion: openslo/v1
kind: Service
metadata:
  name: pod
  annotations: {loadtests/allow-different-durability: "true", owner: me}
spec: {description: A pod.}
---
"""
SLI = """\
apiVersion: openslo/v1
kind: SLI
metadata: {name: fast-accept}
spec:
  ratioMetric:
    counter: false
    good:
      metricSource: {type: loadtests, spec: {operation: chat.accept, within: 300ms}}
    total:
      metricSource: {type: loadtests, spec: {operation: chat.accept}}
---
"""
SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: accept, displayName: Accept chat}
spec:
  service: pod
  indicatorRef: fast-accept
  budgetingMethod: Occurrences
  objectives:
    - target: 0.99
"""
POLICY = """\
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: fast}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: two-percent-in-an-hour}]
  notificationTargets: [{targetRef: on-call}]
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: two-percent-in-an-hour, annotations: {loadtests/short-window: 5m}}
spec:
  severity: page
  condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 2m}
"""


def problems(text):
    with pytest.raises(SourceError) as raised:
        parse_objectives(text, "o.yaml")
    return str(raised.value).splitlines()


def test_an_objective_of_an_sli_by_reference():
    text = SLI + SLO
    objectives = parse_objectives(text, "o.yaml")
    assert objectives.objectives == (Objective("accept", "Accept chat", "chat.accept", 0.3, 0.99),)
    assert objectives.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert not objectives.allow_different_durability
    assert objectives.observer_required and objectives.ledger_required


def test_annotations_of_the_service_loosen():
    service = SERVICE.replace("owner: me", "loadtests/observer: optional, loadtests/ledger: optional")
    objectives = parse_objectives(service + SLI + SLO, "o.yaml")
    assert objectives.allow_different_durability
    assert not objectives.observer_required and not objectives.ledger_required


def test_the_shipped_objectives():
    objectives = load_objectives(SHIPPED / "objectives.yaml")
    assert {o.name: (o.operation, o.within_s, o.target, o.by_pod) for o in objectives.objectives} == {
        "connection-create": ("connection.create", 0.5, 0.95, True),
        "connection-success": ("connection.create", None, 0.97, True),
        "subscription-create": ("subscription.create", 0.25, 0.95, True),
        "subscription-success": ("subscription.create", None, 0.99, True),
        "chat-accept": ("chat.accept", 0.3, 0.95, True),
        "chat-answer": ("chat.answer", 10, 0.9, False),
        "event-delivery 95 % in 500 ms": ("event.deliver", 0.5, 0.95, False),
        "event-delivery 99 % in 2000 ms": ("event.deliver", 2, 0.99, False),
    }
    assert not objectives.allow_different_durability
    assert {o.within_s for o in objectives.objectives if o.operation in LIMITS_S} - {None} == set(LIMITS_S.values())


def test_shipped_alerts_are_those_of_the_workbook():
    for objective in load_objectives(SHIPPED / "objectives.yaml").objectives:
        assert [replace(alert, name=alert.name.lower()) for alert in objective.alerts] == list(WORKBOOK_ALERTS)


def test_the_shipped_objectives_are_whole_openslo_documents():
    """OpenSLO's SDK demands one time window of every SLO, and display names of 63 characters at most."""
    documents, problems = read_documents((SHIPPED / "objectives.yaml").read_text(), "objectives.yaml")
    assert not problems
    slos = [d.data for d in documents if d.data["kind"] == "SLO"]
    assert [slo["spec"]["timeWindow"] for slo in slos] == [[{"duration": "4w", "isRolling": True}]] * 7
    assert all(len(d.data["metadata"].get("displayName", "")) <= 63 for d in documents)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "kind: SLO",
            "kind: SLA",
            "o.yaml:13: kind: got 'SLA', expected one of SLO, SLI, Service, DataSource, "
            "AlertPolicy, AlertCondition, AlertNotificationTarget; did you mean SLO?",
        ),
        (
            "indicatorRef: fast-accept",
            "indicatorRef: fast-acept",
            "o.yaml:17: spec.indicatorRef: got 'fast-acept', expected the name of an SLI in this file (fast-accept); "
            "did you mean fast-accept?",
        ),
        ("target: 0.99", "target: 1.0", "o.yaml:20: spec.objectives[0].target: got 1.0, expected less than 1"),
        ("target: 0.99", "target: 99%", "o.yaml:20: spec.objectives[0].target: got '99%', expected a number"),
        (
            "target: 0.99",
            "targetpercent: 99",
            "o.yaml:20: spec.objectives[0].targetpercent: got unknown key 'targetpercent', "
            "expected one of displayName, op, value, target, targetPercent; did you mean targetPercent?",
        ),
        (
            "budgetingMethod: Occurrences",
            "budgetingMethod: Timeslices",
            "o.yaml:18: spec.budgetingMethod: got 'Timeslices', expected Occurrences: "
            "attempts are counted, not minutes",
        ),
        (
            "within: 300ms",
            "within: 300",
            "o.yaml:8: spec.ratioMetric.good.metricSource.spec.within: got 300, "
            "expected a duration with a unit, such as 20s, 500ms or 2m; did you mean 300s?",
        ),
        (
            "{operation: chat.accept}}",
            "{operation: chat.offer}}",
            "o.yaml:5: spec.ratioMetric: got a mapping, "
            "expected good and total of one operation, not of chat.accept and chat.offer",
        ),
        (
            "total:\n      metricSource: {type: loadtests",
            "total:\n      metricSource: {type: prometheus",
            "o.yaml:10: spec.ratioMetric.total.metricSource.type: got 'prometheus', expected loadtests; or for a "
            "metric of production the SLI's annotation loadtests/operation, which replaces it",
        ),
        (
            "openslo/v1\nkind: SLI",
            "openslo/v2\nkind: SLI",
            "o.yaml:1: apiVersion: got 'openslo/v2', expected openslo/v1; did you mean openslo/v1?",
        ),
        (
            "name: fast-accept}",
            "name: Fast accept}",
            "o.yaml:3: metadata.name: got 'Fast accept', expected small letters, digits and inner dashes, 63 at most",
        ),
        (
            "  indicatorRef: fast-accept\n",
            "",
            "o.yaml:15: spec: got a mapping, expected either indicator or indicatorRef",
        ),
    ],
)
def test_problems_have_their_place(old, new, problem):
    assert old in SLI + SLO
    assert problem in problems((SLI + SLO).replace(old, new, 1))


def with_window(window):
    return (SLI + SLO).replace("  budgetingMethod", f"  timeWindow: {window}\n  budgetingMethod")


@pytest.mark.parametrize(
    ("window", "days"),
    [
        ("[{duration: 4w, isRolling: true}]", 28),
        ("[{duration: 1Q, calendar: {startTime: 2026-01-31 12:30:00, timeZone: Europe/Berlin}}]", 90),
        ('[{duration: 1M, isRolling: false, calendar: {startTime: "2026-01-31 12:30:00", timeZone: UTC}}]', 30),
    ],
)
def test_one_time_window_changes_the_window_alone(window, days):
    (without,) = parse_objectives(SLI + SLO, "").objectives
    assert without.window_s == 28 * 86_400
    assert parse_objectives(with_window(window), "o.yaml").objectives == (replace(without, window_s=days * 86_400),)


@pytest.mark.parametrize(
    ("window", "problem"),
    [
        ("[]", "spec.timeWindow: got 0 items, expected exactly one time window, that of the SLO in production"),
        (
            "[{duration: 1w, isRolling: true}, {duration: 4w, isRolling: true}]",
            "spec.timeWindow: got 2 items, expected exactly one time window, that of the SLO in production",
        ),
        ("{duration: 1w}", "spec.timeWindow: got a mapping, expected a list"),
        ("[{isRolling: true}]", "spec.timeWindow[0].duration: got nothing, expected a value: the key is required"),
        (
            "[{duration: 0d, isRolling: true}]",
            "spec.timeWindow[0].duration: got '0d', expected a number and one of m, h, d, w, M, Q, Y, such as 4w or 1M",
        ),
        ("[{duration: 30, isRolling: true}]", "spec.timeWindow[0].duration: got 30, expected text"),
        ("[{duration: 1w, isRolling: 1}]", "spec.timeWindow[0].isRolling: got 1, expected true or false"),
        (
            "[{duration: 1w}]",
            "spec.timeWindow[0]: got a mapping, expected isRolling: true, or a calendar with startTime and timeZone",
        ),
        (
            "[{duration: 1w, isRolling: true, calendar: {startTime: 2026-01-31 12:30:00, timeZone: UTC}}]",
            "spec.timeWindow[0]: got a mapping, expected no calendar where isRolling is true",
        ),
        (
            "[{duration: 1w, calendar: {startTime: 2026-02-31 12:30:00, timeZone: UTC}}]",
            "spec.timeWindow[0].calendar.startTime: got '2026-02-31 12:30:00', "
            "expected a date and a time, such as 2026-01-31 00:00:00",
        ),
        (
            "[{duration: 1w, calendar: {startTime: 2026-01-31 12:30:00, timeZone: Europe/Berln}}]",
            "spec.timeWindow[0].calendar.timeZone: got 'Europe/Berln', expected a name of the IANA time zone database, "
            "such as UTC or Europe/Berlin; did you mean Europe/Berlin?",
        ),
        (
            "[{duration: 1w, rolling: true}]",
            "spec.timeWindow[0].rolling: got unknown key 'rolling', expected one of duration, isRolling, calendar",
        ),
    ],
)
def test_time_window_is_validated(window, problem):
    assert any(text.startswith(f"o.yaml:18: {problem}") for text in problems(with_window(window)))


def test_time_slices_are_refused():
    slices = (SLI + SLO).replace("target: 0.99", "target: 0.99\n      timeSliceTarget: 0.9\n      timeSliceWindow: 1m")
    assert problems(slices) == [
        f"o.yaml:{line}: spec.objectives[0].{key}: got {got}, "
        "expected no time slices: attempts are counted, not minutes"
        for line, key, got in ((21, "timeSliceTarget", "0.9"), (22, "timeSliceWindow", "'1m'"))
    ]


def test_margin_of_service_and_of_slo():
    slo = SLO.replace("displayName: Accept chat", 'annotations: {loadtests/no-worse-margin: "2.5%"}')
    service = SERVICE.replace("owner: me", 'loadtests/no-worse-margin: "50%"')
    assert [o.margin for o in parse_objectives(SLI + SLO, "").objectives] == [0.1]
    assert [o.margin for o in parse_objectives(service + SLI + SLO, "").objectives] == [0.5]
    assert [o.margin for o in parse_objectives(service + SLI + slo, "").objectives] == [0.025]
    nothing = SLO.replace("displayName: Accept chat", 'annotations: {loadtests/no-worse-margin: "0%"}')
    assert [o.margin for o in parse_objectives(service + SLI + nothing, "").objectives] == [0.0]


@pytest.mark.parametrize("margin", ["10", "0.1", "101%", "-1%", "1e1%", "ten", "", " 10%"])
def test_margin_is_a_percentage(margin):
    text = problems(SERVICE.replace("owner: me", f'loadtests/no-worse-margin: "{margin}"') + SLI + SLO)[0]
    assert text == (
        f"o.yaml:5: metadata.annotations: got loadtests/no-worse-margin: '{margin}', "
        'expected loadtests/no-worse-margin: "0%" to "100%" of the error budget'
    )


def test_annotations_in_the_wrong_place_are_refused():
    slo = SLO.replace("displayName: Accept chat", "annotations: {loadtests/observer: optional}")
    assert (
        "got loadtests/observer: 'optional', expected one of loadtests/no-worse-margin: \"0%\""
        in problems(SLI + slo)[0]
    )
    sli = SLI.replace("name: fast-accept}", "name: fast-accept, annotations: {loadtests/ledger: optional}}")
    assert (
        "got loadtests/ledger: 'optional', expected one of loadtests/operation: an operation" in problems(sli + SLO)[0]
    )
    policy = POLICY.replace("name: fast}", "name: fast, annotations: {loadtests/ledger: optional}}")
    assert (
        "got loadtests/ledger: 'optional', expected no annotation loadtests/… here" in problems(SLI + SLO + policy)[0]
    )


def test_unknown_operations_list_the_known_ones():
    (first, _) = problems((SLI + SLO).replace("chat.accept", "chat.acept"))[:2]
    assert "got 'chat.acept', expected one of connection.create, " in first
    assert first.endswith("did you mean chat.accept?")


def test_names_are_unique_and_services_are_known():
    text = SERVICE + SLI + SLO + "---\n" + SLO.replace("service: pod", "service: pop")
    assert problems(text) == [
        "o.yaml:31: metadata.name: got 'accept', expected a name of its own (line 21 has it)",
        "o.yaml:33: spec.service: got 'pop', expected pod; did you mean pod?",
    ]


def test_only_one_service():
    assert "expected one Service a file" in problems(SERVICE + SERVICE.replace("name: pod", "name: b") + SLI + SLO)[0]


@pytest.mark.parametrize("wrong", ['loadtests/observr: "x"', "loadtests/observer: maybe"])
def test_our_own_annotations_are_strict(wrong):
    assert "loadtests/observer: required or optional" in problems(SERVICE.replace("owner: me", wrong) + SLI + SLO)[0]


def test_problems_of_all_documents_at_once():
    text = SERVICE.replace("kind: Service", "kind: Servce") + SLI.replace("300ms", "300") + SLO.replace("0.99", "99")
    assert [p.split(":")[1] for p in problems(text)] == ["2", "15", "27"]


@pytest.mark.parametrize("text", ["", "---\n---\n", "- a", SERVICE, SLI, "a: [", "kind: [SLO]", "\tx"])
def test_files_without_an_objective_are_refused(text):
    assert ", expected " in problems(text)[0]


@given(st.text(max_size=100))
def test_any_text_is_refused_with_a_message(text):
    assert ", expected " in problems(text)[0]


def test_missing_file_is_reported(tmp_path: Path):
    with pytest.raises(SourceError, match=r"no such file or directory, expected a YAML file that can be read"):
        load_objectives(tmp_path / "none.yaml")


@pytest.mark.parametrize("operation", ["chat.answer", "event.deliver"])
def test_an_objective_may_be_of_pushes(operation):
    text = (SLI + SLO).replace("chat.accept", operation)
    assert parse_objectives(text, "o.yaml").objectives[0].operation == operation
