"""Load that differs from the plan is found in the rows alone, independent of end.json."""

import pytest
from studies import NS, SCENARIO, Op, write_run

from loadtests.scenario import parse_scenario
from loadtests.scenario.arrivals import arrivals
from loadtests.scenario.stages import timeline
from reports.gate.inputs.reading import read_evidence, study_storages
from reports.gate.judging.soundness import check_run
from reports.gate.judging.verdicts import Bias, Check, Verdict
from reports.gate.slo.objectives import Objective, Objectives

ACCEPT = Objective("accept", "Accept", "chat.accept", 0.3, 0.99)
ENDS_S = 16.0


@pytest.fixture
def study(tmp_path):
    return tmp_path / "20260101T000000-tiny"


def customers(scenario=SCENARIO, seed=7):
    """The first connection of every planned customer, as rows have it: cut to whole nanoseconds."""
    parsed = parse_scenario(scenario, "scenario.yaml")
    schedule = arrivals(timeline(parsed.stages).segments(), parsed.customer.arrivals, seed)
    return [Op("connection.create", int(a.at_s * 1e9) / NS, user=1000 + a.index) for a in schedule]


def agent(user, until_s=ENDS_S + 0.02, since_s=-0.2):
    """One that connects, and closes its connection when it leaves."""
    return [Op("connection.create", since_s, user=user), Op("connection.close", until_s, user=user)]


def found(study):
    (run,) = read_evidence(study_storages(study), (ACCEPT,)).runs
    assert not run.broken, run.broken
    return run


def completed(run) -> Check:
    (check,) = (c for c in check_run(run, Objectives("o.yaml", "", (ACCEPT,))).checks if c.check == "completed")
    return check


def test_a_whole_load_has_nothing_missing(study):
    write_run(study, operations=[*customers(), *agent(0), *agent(1)])
    run = found(study)
    assert run.missing_load == ()
    assert completed(run).verdict is Verdict.PASS


def test_lost_worker_is_found_in_the_rows(study):
    """Half of the customers after 8 s, and one of the two agents; end.json says completed."""
    there = [op for number, op in enumerate(customers()) if op.planned_s < 8 or number % 2]
    write_run(study, operations=[*there, *agent(0), *agent(1, until_s=8.0)])
    run = found(study)
    assert run.reason == "completed"
    check = completed(run)
    assert check.verdict is Verdict.UNKNOWN
    assert "stage steady: 2 agents planned, up to 1 missing" in check.reason
    assert "arrivals planned" in check.reason


def test_one_missing_arrival_is_found(study):
    write_run(study, operations=[*customers()[:20], *customers()[21:], *agent(0), *agent(1)])
    planned = sum(op.planned_s < 5 for op in customers())
    assert found(study).missing_load == (f"stage warm-up: {planned} arrivals planned, {planned - 1} began",)


def test_arrivals_of_the_last_second_may_be_cut_off(study):
    write_run(study, operations=[*(op for op in customers() if op.planned_s < ENDS_S - 1), *agent(0), *agent(1)])
    assert found(study).missing_load == ()


def test_an_agent_that_cannot_connect_is_there(study):
    """A pod that refuses connections is a measurement, not an incomplete load."""
    refused = [Op("connection.create", t, user=1, outcome="fail", error="connect_refused") for t in (0.0, 0.2, 3.0)]
    write_run(study, operations=[*customers(), *agent(0), *refused])
    assert found(study).missing_load == ()


def test_an_agent_that_reconnects_is_there(study):
    again = [*agent(1, until_s=6.0), Op("connection.create", 6.01, user=1)]
    write_run(study, operations=[*customers(), *agent(0), *again])
    assert found(study).missing_load == ()


def test_extra_agents_are_found(study):
    write_run(study, operations=[*customers(), *(op for user in range(3) for op in agent(user))])
    assert "stage steady: 2 agents planned, up to 1 more were there" in found(study).missing_load


def test_missing_customers_are_found(study):
    write_run(study, operations=[*agent(0), *agent(1)], end={"late_starts": {"count": 0, "of": 0}})
    planned = [sum(begins <= op.planned_s < ends for op in customers()) for begins, ends in ((0, 5), (5, 15))]
    assert found(study).missing_load == (
        f"stage warm-up: {planned[0]} arrivals planned, 0 began",
        f"stage steady: {planned[1]} arrivals planned, 0 began",
    )


def test_rows_of_another_schedule_are_not_compared(study):
    write_run(study, operations=[Op("connection.create", 6.0), Op("chat.accept", 6.0)])
    assert found(study).missing_load == ()


def test_a_run_that_was_ended_early_lacks_stages(study):
    operations = [*(op for op in customers() if op.planned_s < 9), *agent(0, 9.0), *agent(1, 9.0)]
    timeline_rows = [(0, 5 * NS, "stage", "warm-up", "ok", "{}"), (5 * NS, 9 * NS, "stage", "steady", "ok", "{}")]
    write_run(study, operations=operations, timeline=timeline_rows, end={"ended_ns": 9 * NS})
    missing = found(study).missing_load
    assert "stage steady: lasted 4.0 s instead of 10 s" in missing
    assert "stage cool-down: never began" in missing


def test_how_long_the_drain_took_does_not_matter(study):
    write_run(study, operations=[*customers(), *agent(0), *agent(1)], end={"ended_ns": 21 * NS})
    assert found(study).missing_load == ()


def test_scenario_of_another_version_is_not_compared(study):
    write_run(study, operations=[*customers()[:10]], scenario="name: [")
    assert (found(study).missing_load, found(study).without_plan) == ((), "")


@pytest.mark.parametrize("damage", ["gone", "cut", "another"])
def test_scenario_not_in_the_manifest_prevents_a_pass(study, damage):
    path = write_run(study, operations=[*customers(), *agent(0), *agent(1)]).path / "scenario.yaml"
    if damage == "gone":
        path.unlink()
    else:
        path.write_text(SCENARIO[:-9] if damage == "cut" else SCENARIO.replace("agents: 2", "agents: 1"))
    check = completed(found(study))
    assert (check.verdict, check.bias) == (Verdict.UNKNOWN, Bias.MISSING)
    assert check.reason.startswith("the load cannot be compared with its plan: scenario.yaml is ")


def test_agents_that_left_without_a_close_are_not_extra(study):
    """One whose call outlives Locust's stop is killed in it, and one without a connection has none to close."""
    stages = [
        Op("connection.create", 0.1, user=1),
        Op("chat.accept", 4.0, 3.0, user=1, outcome="unknown", error="cut_off"),
        Op("connection.create", 3.0, user=2, outcome="fail", error="connect_refused"),
    ]
    scenario = SCENARIO.replace("warm-up, duration: 5s, agents: 2", "warm-up, duration: 5s, agents: 3").replace(
        "steady, duration: 10s, agents: 2", "steady, duration: 30s, agents: 1"
    )
    scenario = scenario.replace("cool-down, duration: 1s, agents: 2", "cool-down, duration: 1s, agents: 1")
    rows = [(0, 5, "warm-up"), (5, 35, "steady"), (35, 36, "cool-down")]
    timeline_rows = [(begin * NS, end * NS, "stage", name, "ok", "{}") for begin, end, name in rows]
    operations = [*customers(scenario), *agent(0, until_s=36.02), *stages]
    write_run(study, scenario=scenario, operations=operations, timeline=timeline_rows, end={"ended_ns": 36 * NS})
    assert found(study).missing_load == ()
