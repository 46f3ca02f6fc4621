"""Advice of unknown verdicts: what is advised leads to a pass, and what cannot succeed is not advised."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.gate.inputs.evidence import (
    BlockCount,
    BlockGrid,
    Counts,
    Evidence,
    Kept,
    LedgerCheck,
    ProbeCoverage,
    RunEvidence,
)
from reports.gate.judging.judge import judge
from reports.gate.judging.verdicts import Comparison, Verdict
from reports.gate.slo.objectives import Objective, Objectives

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def healthy(counts, number, storage="new"):
    return RunEvidence(
        f"{number:02}-{storage}",
        storage,
        number,
        reason="completed",
        kept=Kept(0, 0, 1, 1),
        saturated=False,
        coverage=ProbeCoverage(10.0, 0.0),
        no_orphans=True,
        commit_survives="power_loss",
        ledger=(LedgerCheck("orphans", "pass", 0),),
        counts={"accept": counts},
        blocks={"accept": counts.blocks},
        grid=counts.grid,
    )


def judged(rounds, target):
    objectives = Objectives("o.yaml", "0" * 64, (Objective("accept", "Accept", "chat.accept", 0.3, target),))
    runs = tuple(healthy(counts, number) for number, counts in enumerate(rounds, 1))
    return judge(objectives, Evidence(runs)).checks[1]


def compared(new, old, target, margin=0.1):
    accept = Objective("accept", "Accept", "chat.accept", 0.3, target, margin)
    runs = [healthy(counts, number, "new") for number, counts in enumerate(new, 1)]
    runs += [healthy(counts, number, "old") for number, counts in enumerate(old, 1)]
    judgement = judge(Objectives("o.yaml", "0" * 64, (accept,)), Evidence(tuple(runs)), Comparison("old", "new"))
    return next(c for c in judgement.checks if c.check.startswith("no worse"))


def advised(check):
    """How many rounds are advised; None when nothing is."""
    number = re.search(r"make ([\d,]+) rounds instead of", check.reason)
    return int(number[1].replace(",", "")) if number else None


GRID = BlockGrid(0, 5)


def in_blocks(blocks):
    """Counts of time blocks, each with its attempts and how many of them are bad."""
    given = [BlockCount(5 * place, n, min(bad, n)) for place, (n, bad) in enumerate(blocks) if n]
    bad = sum(block.bad for block in given)
    return Counts(sum(block.n for block in given) - bad, bad, blocks=tuple(given), grid=GRID)


independent = st.builds(Counts, st.integers(20, 400), st.integers(0, 6))
correlated = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 4)), min_size=4, max_size=12).map(in_blocks)
rounds = st.one_of(st.lists(independent, min_size=1, max_size=4), st.lists(correlated, min_size=1, max_size=4))
targets = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999])


def many(rounds, number):
    """The rounds again and again, as often as makes at least so many."""
    return list(rounds) * math.ceil(number / len(rounds))


@given(rounds, targets, st.integers(0, 20))
def test_more_rounds_like_these_pass_as_advised(rounds, target, more):
    check = judged(rounds, target)
    needed = advised(check)
    if check.verdict is UNKNOWN and needed is not None and needed < 500:
        assert judged(many(rounds, needed + more), target).verdict is PASS


@given(rounds, targets)
def test_more_data_is_advised_only_where_it_helps(rounds, target):
    check = judged(rounds, target)
    if check.verdict is UNKNOWN and check.n and advised(check) is None:
        assert judged(many(rounds, 100), target).verdict is not PASS


@given(rounds, rounds, targets, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_more_rounds_of_a_comparison_pass_as_advised(new, old, target, margin):
    new, old = new[: len(old)], old[: len(new)]
    check = compared(new, old, target, margin)
    needed = advised(check)
    if check.verdict is UNKNOWN and needed is not None and needed < 300:
        for number in (needed, 2 * needed):
            assert compared(many(new, number), many(old, number), target, margin).verdict is PASS


def test_short_rounds_without_a_bad_attempt_add_up():
    assert judged([Counts(50, 0)], 0.95).reason == (
        "50 of 50 good; 100 attempts, all good, are enough to pass: make 2 rounds instead of 1, "
        "or judged stages 2.0 times as long"
    )
    assert judged([Counts(50, 0)] * 2, 0.95).verdict is PASS


def test_correlated_attempts_are_worth_fewer():
    block = [(20, 5), (20, 0), (20, 0), (20, 0)]
    assert judged([in_blocks(block * 6)], 0.9).reason == (
        "450 of 480 good (worth 77 independent ones); 960 attempts, with the same share of good, are enough to pass: "
        "make 2 rounds instead of 1, or judged stages 2.0 times as long"
    )


def test_faults_that_prevent_a_pass_are_named():
    objectives = Objectives("o.yaml", "0" * 64, (Objective("accept", "Accept", "chat.accept", 0.3, 0.95),))
    runs = healthy(Counts(20, 0), 1), replace(healthy(Counts(20, 0), 2), saturated=True)
    check = judge(objectives, Evidence(runs)).checks[1]
    assert check.reason == (
        "40 of 40 good; 60 attempts, all good, are enough to pass: make 3 rounds instead of 2, "
        "or judged stages 1.5 times as long; a pass needs runs without these faults: generator (02-new)"
    )


def test_share_on_the_wrong_side_is_reported_as_such():
    check = judged([Counts(95, 5), Counts(98, 2), Counts(91, 9)], 0.95)
    assert check.reason == (
        "284 of 300 good; not above the target in 01-new, 03-new (95.000%, 91.000%): "
        "with the same share more data does not make it pass"
    )


def test_rounds_that_vary_are_one_observation_each():
    check = judged([Counts(95, 5), Counts(100, 0), Counts(94, 6)], 0.95)
    assert check.reason == (
        "289 of 300 good; the rounds vary (95.000%, 100.000%, 94.000%), so that each is one observation; "
        "1,800 attempts, with the same share of good, are enough to pass: make 18 rounds instead of 3"
    )


def test_contradicting_rounds_are_named():
    check = judged([Counts(1000, 1), Counts(900, 100), Counts(1000, 0)], 0.95)
    assert check.reason == (
        "2900 of 3001 good; the rounds do not agree: pass, fail, pass; "
        "more data does not reconcile them: find what was different in 02-new, and make the study again"
    )


def test_round_without_data_is_named():
    assert "no data of 02-new: a pass needs data of every round" in judged([Counts(900, 0), Counts(0, 0)], 0.95).reason


def test_refused_attempts_are_no_data():
    assert judged([Counts(0, 0, 500)], 0.95).reason == (
        "no data: all 500 attempts of chat.accept in judged time were refused"
    )


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_targets_that_no_file_can_have_are_unknown_in_words(target):
    check = judged([Counts(0, 0)] if target == 0 else [Counts(10**6, 0)], target)
    assert check.verdict is UNKNOWN
    assert "crashed" not in check.reason
    assert compared([Counts(10, 0)], [Counts(10, 0)], target).verdict is not FAIL


def test_round_that_seems_too_much_worse_is_named():
    check = compared([Counts(993, 7), Counts(994, 6)], [Counts(1000, 0)] * 2, 0.95)
    assert check.verdict is UNKNOWN
    assert check.reason.endswith(
        "seems worse by 0.700% in round 1, 0.600% in round 2, where 0.500% is the margin: "
        "with the same shares more data does not make it pass"
    )
