"""A run is completed only when its load was all that the scenario asked for."""

import json

import pytest

from loadtests.conductor.failures import COMPLETED, EXIT_CODES, Reason
from loadtests.conductor.run.ending import checked, stage_documents, stage_figures
from loadtests.conductor.run.live import LoadState
from loadtests.scenario import parse_scenario

S = 1_000_000_000
SCENARIO = parse_scenario(
    """
name: tiny
agent: {subscriptions: 1, think: {median: 50ms, sigma: 0.3}, chats_at_once: 4, session: 4s}
customer: {arrivals: constant, patience: 2s, messages: {min: 1, max: 2}, pause: {median: 50ms, sigma: 0.3}}
stages:
  - {name: warm-up, duration: 10s, agents: 4, arrivals_per_s: 8}
  - {name: steady, duration: 10s, agents: 4, arrivals_per_s: 8, judge: true}
""",
    "tiny.yaml",
)


def reported(*, arrivals=((40, 40), (40, 40)), missing=(0, 0), stopped_s=21.0, stages=("warm-up", "steady"), error=""):
    load = LoadState()
    for number, name in enumerate(stages):
        report(load, event="stage", name=name, started_ns=(1 + 10 * number) * S)
    workers = [
        {"worker": n, "begun": 9, "written": 9, "in_flight": 0, "starts": sum(a), "arrivals": list(a)}
        for n, a in enumerate(arrivals)
    ]
    report(
        load, event="drained", workers=workers, stopped_ns=round(stopped_s * S), agents_missing=list(missing),
        agents_extra=[0, 0], error=error,
    )  # fmt: skip
    return load


def report(load, **line):
    assert load.take(json.dumps(line).encode()) is not None


def reason_of(load, lost=0, reason=COMPLETED):
    return checked(reason, stage_figures(load, SCENARIO, 1), lost)


def test_a_whole_load_is_completed():
    assert reason_of(reported()) == COMPLETED


@pytest.mark.parametrize(
    ("load", "detail"),
    [
        ({"arrivals": ((40, 40), (40, 7))}, "stage steady: 80 arrivals planned, 47 began"),
        ({"arrivals": ((0, 0), (0, 0))}, "stage warm-up: 80 arrivals planned, 0 began"),
        ({"missing": (0, 2)}, "stage steady: 4 agents planned, up to 2 missing"),
        ({"stopped_s": 15.0}, "stage steady: lasted 4.0 s instead of 10 s"),
        ({"stages": ("warm-up",)}, "stage steady: never began"),
    ],
)
def test_a_load_that_was_less_is_incomplete(load, detail):
    reason = reason_of(reported(**load))
    assert reason.code == "incomplete"
    assert detail in reason.detail
    assert EXIT_CODES[reason.code] == 70


@pytest.mark.parametrize(("lost", "text"), [(3, "operations without a row: 3"), (None, "not known how many")])
def test_lost_operations_make_a_run_incomplete(lost, text):
    reason = reason_of(reported(), lost=lost)
    assert reason.code == "incomplete"
    assert text in reason.detail


def test_another_reason_stays():
    died = Reason("pod_died", "the pod died")
    assert reason_of(reported(missing=(0, 2)), reason=died) == died


def test_a_load_that_reported_nothing_is_incomplete():
    assert reason_of(LoadState()).code == "incomplete"


def test_the_document_has_plan_and_fact_by_stage():
    (_, steady) = stage_documents(stage_figures(reported(arrivals=((40, 40), (40, 7))), SCENARIO, 1))
    assert steady == {
        "name": "steady", "planned_s": 10.0, "lasted_s": 10.0, "agents": 4, "agents_missing": 0, "agents_extra": 0,
        "arrivals": 80, "arrivals_required": 72, "arrivals_begun": 47,
    }  # fmt: skip


def test_an_error_of_the_master_is_an_error_of_the_load():
    assert reported(error="the master's reports ended: KeyError: 'x'").errors == [
        "the master's reports ended: KeyError: 'x'"
    ]
