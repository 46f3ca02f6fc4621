"""`loadtests-gate --plan`: what a scenario decides, before any run."""

from dataclasses import replace
from pathlib import Path

import pytest
from studies import SCENARIO, Op, write_run
from test_gate_by_pod import BY_POD
from test_gate_clusters import in_blocks
from test_gate_objectives import SLI, SLO

from loadtests.scenario import parse_scenario
from loadtests.scenario.finding import OBJECTIVES
from reports.gate.command import main
from reports.gate.judging.shares import judge_shares
from reports.gate.judging.verdicts import Verdict
from reports.gate.planning.expected import expected_load
from reports.gate.planning.needs import Amount, PlannedRound, need
from reports.gate.planning.plan import DESIGN_EFFECT, plan, share_of_pod
from reports.gate.planning.table import as_table, decided
from reports.gate.slo.objectives import Objective, load_objectives

ACCEPT = Objective("accept", "Accept", "chat.accept", 0.3, 0.95)


def scenario(text=SCENARIO):
    return parse_scenario(text, "tiny.yaml")


# --- expected attempts ---


def test_attempts_follow_from_arrivals_and_agents():
    """Ten judged seconds, 5 customers/s, 2 agents with a session of 20 s and 1 subscription, 1 to 2 messages each."""
    load = expected_load(scenario())
    assert (load.judged_s, load.round_s) == (10.0, 16.0)
    assert load.attempts["connection.create"] == pytest.approx(50 + 2 * 10 / 20)
    assert load.per_minute("chat.accept") == pytest.approx(5 * 60)
    assert load.attempts["chat.accept"] == load.attempts["chat.offer"] == pytest.approx(50)
    assert load.attempts["message.send"] == pytest.approx(50 * 1.5 * 2)
    assert load.per_minute("event.deliver") is None


def test_agents_that_are_too_few_limit_accepts():
    """A chat takes 2 x 1.5 pauses of 0.113 s, so that 2 agents with 3 chats each accept 17.7 a second."""
    busy = expected_load(scenario(SCENARIO.replace("arrivals_per_s: 5", "arrivals_per_s: 50")))
    assert busy.attempts["chat.offer"] == pytest.approx(500)
    assert busy.attempts["chat.accept"] == pytest.approx(10 * 2 * 3 / (3 * 0.1 * 1.1331), rel=1e-3)


def test_reconnects_count_in_the_stage_in_which_they_happen():
    reload = SCENARIO.replace("judge: true", "judge: true, reconnect: 1.0, reconnect_by: reload")
    more = expected_load(scenario(reload)).attempts["connection.create"]
    assert more == pytest.approx(expected_load(scenario()).attempts["connection.create"] + 2 * 2)


def test_ramp_counts_with_its_mean():
    ramp = SCENARIO.replace("arrivals_per_s: 5, judge: true", "arrivals_per_s: 15, judge: true, ramp: true")
    assert expected_load(scenario(ramp)).attempts["chat.offer"] == pytest.approx(100)


PODS = SCENARIO.replace("accounts: 1\n", "pods: [{name: '16', accounts: 3}, {name: '17', weight: 2}]\n").replace(
    "agents: 2,", "agents: 5,"
)


def test_pods_share_the_load_by_accounts_and_weight():
    pods = scenario(PODS)
    assert [share_of_pod(pods, pod) for pod in (None, "16", "17", "18")] == [1.0, 0.6, 0.4, 0.0]


# --- needs ---


def round_of(n, bad, blocks=12):
    """A round with the same share of bad attempts in each block."""
    return in_blocks([(n // blocks, bad // blocks, 0)] * blocks)


def test_rounds_that_are_needed_are_those_that_the_judge_needs():
    found = need(ACCEPT, PlannedRound(120.0, 60.0), 1.0, 1)
    assert found.all_good == Amount(59, 1)
    rounds = found.independent.rounds
    assert judge_shares([round_of(120, 3, 3)] * rounds, 0.95).verdict is Verdict.PASS
    assert judge_shares([round_of(120, 3, 3)] * (rounds // 2), 0.95).verdict is not Verdict.PASS
    bad = found.failing.rounds
    assert judge_shares([round_of(120, 12)] * bad, 0.95).verdict is Verdict.FAIL


@pytest.mark.parametrize(("target", "attempts"), [(0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_attempts_without_a_bad_one_are_the_exact_number(target, attempts):
    found = need(replace(ACCEPT, target=target), PlannedRound(100.0, 10.0), 5.0, 3)
    assert found.all_good == Amount(attempts, -(-attempts // 100))


def test_correlation_multiplies_the_attempts_that_are_needed():
    found = need(ACCEPT, PlannedRound(100.0, 60.0), 8.0, 3)
    assert found.correlated.attempts == 8 * found.independent.attempts
    assert found.correlated.rounds > 5 * found.independent.rounds


def test_more_objectives_need_more_rounds_to_fail():
    one, many = (need(ACCEPT, PlannedRound(50.0, 10.0), 4.0, members) for members in (1, 20))
    assert many.failing.rounds > one.failing.rounds
    assert many.correlated == one.correlated


def test_target_of_all_never_passes():
    found = need(replace(ACCEPT, target=1.0), PlannedRound(1000.0, 60.0), 2.0, 1)
    assert (found.all_good, found.independent, found.correlated) == (None, None, None)
    assert decided(found, 10) == "can fail, and never passes: no number of attempts proves this target"


def test_operation_that_never_happens_is_never_decided():
    found = need(ACCEPT, PlannedRound(0.0, 60.0), 2.0, 1)
    assert found[2:] == (None, None, None, None)
    assert decided(found, 10) == "never decided: the judged stages have no attempts"


@pytest.mark.parametrize(
    ("attempts", "rounds", "words"),
    [
        (10, 5, "stays unknown, even if all are good"),
        (10, 6, "passes if next to none are bad"),
        (4000, 2, "passes with half the error budget bad"),
    ],
)
def test_what_the_rounds_decide(attempts, rounds, words):
    assert decided(need(ACCEPT, PlannedRound(attempts, 60.0), 2.0, 1), rounds) == words


# --- the table and the command ---


@pytest.fixture
def files(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SCENARIO)
    (tmp_path / "o.yaml").write_text(SLI + SLO)
    return tmp_path


def gate(files, *more, named="tiny.yaml", objectives="o.yaml"):
    return main(["--plan", str(files / named), "--objectives", str(files / objectives), *more])


def rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    head, *found = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, cells, strict=True)) for cells in found]


def test_plan_is_printed(files, capsys):
    assert gate(files, "--rounds", "7") == 0
    out = capsys.readouterr().out
    (row,) = rows(out)
    assert (row["objective"], row["attempts a minute"], row["attempts a round"]) == (
        "chat.accept within 300 ms",
        "300",
        "50",
    )
    assert row["passes if all are good"] == "299 (6 rounds, 1.0 min)"
    assert row["in 7 rounds"] == "passes if next to none are bad"
    assert "A round has 0.17 min of judged time and takes 0.27 min" in out
    assert "the system answers at once and fails nothing" in out


def test_rounds_are_the_scenarios_by_default(files, capsys):
    (files / "tiny.yaml").write_text(f"rounds: 3\n{SCENARIO}")
    assert gate(files) == 0
    assert "in 3 rounds" in capsys.readouterr().out


def test_objectives_are_those_of_the_scenario_by_default(files, capsys):
    (files / "tiny.yaml").write_text(f"objectives: o.yaml\n{SCENARIO}")
    assert main(["--plan", str(files / "tiny.yaml")]) == 0
    assert len(rows(capsys.readouterr().out)) == 1
    assert main(["--plan", "smoke"]) == 0
    assert len(rows(capsys.readouterr().out)) == len(load_objectives(OBJECTIVES).objectives)


def test_each_pod_has_a_row(files, capsys):
    (files / "tiny.yaml").write_text(PODS)
    (files / "o.yaml").write_text(BY_POD)
    assert gate(files) == 0
    found = rows(capsys.readouterr().out)
    assert [(row["objective"], row["attempts a round"]) for row in found] == [
        ("chat.accept within 300 ms", "50"),
        ("chat.accept within 300 ms on pod 16", "30"),
        ("chat.accept within 300 ms on pod 17", "20"),
    ]


def test_earlier_study_shows_how_correlated_attempts_are(files, capsys):
    bursts = [
        Op(
            "chat.accept",
            5 + n / 40,
            outcome="fail" if n // 40 in (3, 8) else "ok",
            error="internal" if n // 40 in (3, 8) else "",
        )
        for n in range(400)
    ]
    write_run(files / "study", operations=bursts)
    assert gate(files, "--study", str(files / "study")) == 0
    (row,) = rows(capsys.readouterr().out)
    assert float(row["design effect"]) > 20
    assert not (files / "study" / "verdict.json").exists()


def test_study_without_a_bad_attempt_leaves_the_assumption(files):
    found = plan(scenario(), [ACCEPT], 1)
    assert found.design_effects == {"accept": DESIGN_EFFECT}
    assert f"{DESIGN_EFFECT:g} is an assumption" in as_table(found)


def test_operation_that_the_scenario_does_not_determine_is_named(files, capsys):
    (files / "o.yaml").write_text((SLI + SLO).replace("chat.accept", "event.deliver"))
    assert gate(files) == 0
    (row,) = rows(capsys.readouterr().out)
    assert row["in 1 round"] == "not known: the scenario does not determine the attempts"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected STUDY, or --plan SCENARIO"),
        (["--plan", "smoke", "study"], "STUDY: not used with --plan; leave it out"),
        (
            ["--plan", "smoke", "--watch", "--candidate", "x"],
            "--watch, --candidate: not used with --plan; leave it out",
        ),
        (["study", "--rounds", "2"], "--rounds: not used without --plan; leave it out"),
        (["study", "--study", "x"], "--study: not used without --plan; leave it out"),
        (["--plan", "smok"], "scenario: got 'smok'"),
    ],
)
def test_wrong_use_is_refused(arguments, message, capsys):
    assert main(arguments) == 64
    assert message in capsys.readouterr().err


def test_mistakes_in_files_are_named_with_their_line(files, capsys):
    (files / "tiny.yaml").write_text(SCENARIO.replace("seed: 7", "seed: x"))
    assert gate(files) == 64
    assert f"{files / 'tiny.yaml'}:2: " in capsys.readouterr().err
    (files / "tiny.yaml").write_text(SCENARIO)
    (files / "o.yaml").write_text((SLI + SLO).replace("chat.accept", "chat.acept", 1))
    assert gate(files) == 64
    assert f"{files / 'o.yaml'}:" in capsys.readouterr().err


def test_study_that_is_not_there_is_unavailable(files, capsys):
    assert gate(files, "--study", str(Path(files) / "none")) == 69
    assert "no such study" in capsys.readouterr().err
