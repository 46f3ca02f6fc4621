"""Several objectives judged at once: Holm's correction of fails, and of nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from test_gate_judge import ACCEPT, ALL_GOOD, COMPARISON, OBJECTIVES, ORPHANS, POSTGRES, check, judged, run

from reports.gate.inputs.evidence import Counts, LedgerCheck
from reports.gate.judging.family import corrected
from reports.gate.judging.verdicts import Check, Verdict

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def checks(*p_values):
    """Objectives with these p-values; those below 5 % fail by themselves."""
    return [
        Check(f"objective: {place}", FAIL if p < 0.05 else PASS, n=100, p_fail=p) for place, p in enumerate(p_values)
    ]


@pytest.mark.parametrize(
    ("p_values", "stay"),
    [
        ([0.04], [0]),
        ([0.04, 1.0], []),
        ([0.02, 1.0], [0]),
        ([0.02, 1.0, 1.0], []),
        ([0.012, 0.016, 0.02, 0.04], [0, 1, 2, 3]),  # each below 5 % / 4, 3, 2, 1
        ([0.012, 0.02, 0.0249, 0.04], [0]),  # the second is not below 5 % / 3, so none after it counts
        ([0.0, 0.9, 0.04], [0]),
    ],
)
def test_fails_that_stay_are_those_of_holm(p_values, stay):
    found = corrected(checks(*p_values))
    assert [place for place, one in enumerate(found) if one.verdict is FAIL] == stay
    demoted = [one for one, p in zip(found, p_values, strict=True) if p < 0.05 and one.verdict is not FAIL]
    assert all(one.verdict is UNKNOWN for one in demoted)
    assert all("more rounds with the same share make it fail" in one.reason for one in demoted)


def test_objectives_without_data_are_not_counted():
    silent = Check("objective: silent", UNKNOWN, n=0)
    assert corrected([*checks(0.04), silent])[0].verdict is FAIL


def several(*counts):
    objectives = tuple(replace(ACCEPT, name=f"o{place}") for place in range(len(counts)))
    named = {f"o{place}": count for place, count in enumerate(counts)}
    return replace(OBJECTIVES, objectives=objectives), named


SLIGHTLY_BAD = Counts(982, 18)
"""Of 1,000 attempts at 99 %: p = 0.014."""


def test_fail_by_a_small_margin_needs_to_be_the_only_objective():
    objectives, counts = several(SLIGHTLY_BAD)
    assert judged(run(counts=counts), objectives=objectives).overall is FAIL
    objectives, counts = several(SLIGHTLY_BAD, *[ALL_GOOD] * 4)
    judgement = judged(run(counts=counts), objectives=objectives)
    assert judgement.overall is UNKNOWN
    assert "of 5 objectives one does so by chance too often: its p-value is 0.014, and a fail needs 0.01 (Holm)" in (
        check(judgement, "objective: o0").reason
    )
    assert [check(judgement, f"objective: o{n}").verdict for n in range(1, 5)] == [PASS] * 4


def test_fail_beyond_doubt_stays_one_among_many_objectives():
    objectives, counts = several(Counts(900, 100), *[ALL_GOOD] * 19)
    assert judged(run(counts=counts), objectives=objectives).overall is FAIL


def test_target_of_all_fails_with_one_bad_attempt_among_many_objectives():
    objectives, counts = several(Counts(10_000, 1), *[ALL_GOOD] * 19)
    strict = replace(objectives.objectives[0], target=1.0)
    objectives = replace(objectives, objectives=(strict, *objectives.objectives[1:]))
    assert judged(run(counts=counts), objectives=objectives).overall is FAIL


def test_ledger_is_not_corrected():
    objectives, counts = several(*[ALL_GOOD] * 20)
    lost = LedgerCheck("lost_messages", "fail", 1)
    assert judged(run(counts=counts, ledger=(ORPHANS, lost)), objectives=objectives).overall is FAIL


def test_candidate_that_is_slightly_worse_in_one_of_many_is_unknown():
    """Old: 1 bad of 1,000; new: 9 of 1,000, worse by 0.8 %, with a margin of 0.1 %."""
    for others, verdict in ((0, FAIL), (9, UNKNOWN)):
        objectives, counts = several(Counts(991, 9), *[Counts(999, 1)] * others)
        before = {name: Counts(999, 1) for name in counts}
        judgement = judged(
            run(counts=before), run(counts=counts, **POSTGRES), objectives=objectives, comparison=COMPARISON
        )
        assert check(judgement, "no worse: o0", "postgres").verdict is verdict


def test_storage_at_its_targets_is_rarely_failed():
    """Ten objectives at their target of 99 %, 500 studies: at most one in twenty fails, where half did uncorrected."""
    rng = np.random.default_rng(5)
    single = several_fail = 0
    for bad in rng.binomial(1000, 0.01, (500, 10)):
        objectives, counts = several(*(Counts(1000 - int(b), int(b)) for b in bad))
        judgement = judged(run(counts=counts), objectives=objectives)
        several_fail += judgement.overall is FAIL
        single += any(c.p_fail is not None and c.p_fail < 0.05 for c in judgement.checks)
    assert several_fail <= 25
    assert single >= 100
