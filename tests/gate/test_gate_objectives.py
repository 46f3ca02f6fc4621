"""Objectives in OpenSLO: what is read, and every way to get it wrong."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.scenario.finding import SHIPPED
from loadtests.scenario.problems import SourceError
from reports.gate.objectives import Objective, load_objectives, parse_objectives

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
    assert [o.operation for o in objectives.objectives] == ["connection.create", "subscription.create", "chat.accept"]
    assert not objectives.allow_different_durability
    assert all(0.9 <= o.target < 1 and 0 < o.within_s <= 5 for o in objectives.objectives)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("kind: SLO", "kind: SLA", "o.yaml:13: kind: got 'SLA', expected one of SLO, SLI, Service; did you mean SLO?"),
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
            "targetPercent: 99",
            "o.yaml:20: spec.objectives[0].targetPercent: got unknown key 'targetPercent', "
            "expected one of displayName, target; did you mean target?",
        ),
        (
            "budgetingMethod: Occurrences",
            "budgetingMethod: Timeslices",
            "o.yaml:18: spec.budgetingMethod: got 'Timeslices', expected Occurrences",
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
            "o.yaml:10: spec.ratioMetric.total.metricSource.type: got 'prometheus', expected loadtests",
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
            "indicatorRef: fast-accept",
            "indicatorRef: fast-accept\n  timeWindow: [{duration: 28d, isRolling: true}]",
            "o.yaml:18: spec.timeWindow: got a list, "
            "expected no timeWindow: the judged stages of the run are the window",
        ),
        (
            "  indicatorRef: fast-accept\n",
            "",
            "o.yaml:15: spec: got a mapping, expected either indicator or indicatorRef",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old, new, problem):
    assert old in SLI + SLO
    assert problem in problems((SLI + SLO).replace(old, new, 1))


def test_unknown_operations_list_the_known_ones():
    (first, _) = problems((SLI + SLO).replace("chat.accept", "chat.acept"))[:2]
    assert "got 'chat.acept', expected one of connection.create, " in first
    assert first.endswith("did you mean chat.accept?")


def test_pushes_cannot_be_judged_because_those_that_never_came_have_no_rows():
    assert "expected one of connection.create" in problems((SLI + SLO).replace("chat.accept", "event.deliver"))[0]


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
def test_any_text_is_refused_in_words(text):
    assert ", expected " in problems(text)[0]


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(SourceError, match=r"no such file or directory, expected a YAML file that can be read"):
        load_objectives(tmp_path / "none.yaml")


def test_an_objective_may_be_of_answers_but_not_of_deliveries():
    answers = (SLI + SLO).replace("chat.accept", "chat.answer")
    assert parse_objectives(answers, "o.yaml").objectives[0].operation == "chat.answer"
    assert "event.deliver" in problems((SLI + SLO).replace("chat.accept", "event.deliver"))[0]
