"""Advice of unknown verdicts: what is advised leads to a pass, and what cannot succeed is not advised."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.gate.inputs.evidence import Counts, Evidence, Kept, LedgerCheck, ProbeCoverage, RunEvidence
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
    """The number of attempts a round, or the factor, that is advised; None when nothing is."""
    number = re.search(r"a round needs ([\d,]+) attempts|([\d,]+) times as many attempts", check.reason)
    return int((number[1] or number[2]).replace(",", "")) if number else None


counts = st.builds(Counts, st.integers(20, 400), st.integers(0, 6))
rounds = st.lists(counts, min_size=1, max_size=4)
targets = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999])


@given(rounds, targets, st.integers(0, 50))
def test_longer_rounds_of_the_same_share_pass_as_advised(rounds, target, more):
    check = judged(rounds, target)
    needed = advised(check)
    if check.verdict is not UNKNOWN or needed is None:
        return
    longer = []
    for of in rounds:
        n = max(needed + more, of.n)
        bad = math.ceil(n * of.bad / of.n - 1e-9)
        longer.append(Counts(n - bad, bad))
    assert judged(longer, target).verdict is PASS


@given(rounds, targets)
def test_more_data_is_advised_only_where_it_helps(rounds, target):
    """With a thousand times the data and the same shares, verdicts with advice pass and those without do not."""
    check = judged(rounds, target)
    if check.verdict is UNKNOWN and check.n:
        much = judged([Counts(of.good * 10**6, of.bad * 10**6) for of in rounds], target)
        assert (much.verdict is PASS) == (advised(check) is not None)


@given(rounds, rounds, targets, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_longer_rounds_of_a_comparison_pass_as_advised(new, old, target, margin):
    check = compared(new, old, target, margin)
    times = advised(check)
    if check.verdict is UNKNOWN and times is not None:
        for factor in (times, times + 1, 10 * times):
            longer = [[Counts(of.good * factor, of.bad * factor) for of in side] for side in (new, old)]
            assert compared(*longer, target, margin).verdict is PASS


def test_short_rounds_need_longer_ones_not_more():
    check = judged([Counts(50, 0)] * 10, 0.95)
    assert check.reason == (
        "500 of 500 good; a round needs 59 attempts, all good, to pass; 01-new has 50; "
        "ask for longer judged stages or more load; more rounds do not help"
    )


def test_faults_that_prevent_a_pass_are_named():
    objectives = Objectives("o.yaml", "0" * 64, (Objective("accept", "Accept", "chat.accept", 0.3, 0.95),))
    runs = healthy(Counts(50, 0), 1), replace(healthy(Counts(50, 0), 2), saturated=True)
    check = judge(objectives, Evidence(runs)).checks[1]
    assert check.reason.endswith("more rounds do not help; a pass needs runs without these faults: generator (02-new)")


def test_share_on_the_wrong_side_is_reported_as_such():
    check = judged([Counts(95, 5), Counts(100, 0), Counts(94, 6)], 0.95)
    assert check.reason == (
        "289 of 300 good; not above the target in 01-new, 03-new (95.000%, 94.000%): "
        "with the same share more data does not make it pass"
    )


def test_contradicting_rounds_are_named():
    check = judged([Counts(1000, 1), Counts(900, 100), Counts(1000, 0)], 0.95)
    assert check.reason == (
        "2900 of 3001 good; the rounds do not agree: pass, fail, pass; "
        "more data does not reconcile them: find what was different in 02-new"
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
    check = compared([Counts(992, 8)] * 2, [Counts(1000, 0), Counts(993, 7)], 0.95)
    assert check.verdict is UNKNOWN
    assert check.reason.endswith(
        "the rounds do not agree: unknown, pass; seems worse by 0.800% in round 1, where 0.500% is the margin: "
        "with the same shares more data does not make it pass"
    )
