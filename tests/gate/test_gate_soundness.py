"""Verdicts that faults of a run leave standing: the whole table, line by line and at random."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.gate.inputs.evidence import Counts, Evidence, Kept, LedgerCheck, ProbeCoverage, RunEvidence
from reports.gate.judging import soundness
from reports.gate.judging.judge import judge
from reports.gate.judging.soundness import SOUNDNESS, Soundness, SoundnessFinding
from reports.gate.judging.verdicts import Bias, Comparison, Verdict
from reports.gate.slo.objectives import Objective, Objectives

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
ACCEPT = Objective("accept", "Accept chat", "chat.accept", 0.3, 0.95)
OBJECTIVES = Objectives("o.yaml", "0" * 64, (ACCEPT,))
ALL_GOOD, ALL_BAD = Counts(1000, 0), Counts(0, 1000)

FAULTS = {
    "aborted": {"reason": None},
    "cut_short_with_other_agents": {
        "reason": "interrupted",
        "other_agents": ("stage steady: 2 agents planned, up to 2 missing",),
    },
    "cut_short": {"reason": "interrupted"},
    "broke_down": {"reason": "pod_died", "detail": "signal 9"},
    "other_load": {"missing_load": ("stage steady: 80 arrivals planned, 47 began",)},
    "actions_undone": {"undone_actions": ("VACUUM on chats: no such table",)},
    "without_plan": {"without_plan": "scenario.yaml is missing"},
    "not_counted": {"kept": None},
    "operations_lost": {"kept": Kept(1, 1, 1000, 1000)},
    "saturated": {"saturated": True},
    "short_of_resources": {"saturated": True, "slowed": False, "strain": "this host had no ports for 3 operations"},
    "exhausted": {"exhausted": "pod pod-1 had no descriptors (3 times)"},
    "under_other_load": {"host_load": "the host was under other load for 9.0 s of 9.0 s"},
    "unobserved": {"coverage": ProbeCoverage(142.0, 15.0, "stopped")},
}
"""An example of each line, by the name of its function."""

HIDING = {line.find.__name__ for line in SOUNDNESS if line.bias.lets_fail}


def healthy(counts, number=1, storage="new"):
    return RunEvidence(
        f"{number:02}-{storage}",
        storage,
        number,
        reason="completed",
        kept=Kept(0, 0, 1000, 1000),
        saturated=False,
        coverage=ProbeCoverage(142.0, 0.0),
        no_orphans=True,
        commit_survives="power_loss",
        ledger=(LedgerCheck("orphans", "pass", 0),),
        counts={"accept": counts},
    )


def verdict(*runs, comparison=None):
    return judge(OBJECTIVES, Evidence(tuple(runs)), comparison).overall


def test_every_line_has_an_example():
    assert [line.find.__name__ for line in SOUNDNESS] == list(FAULTS)


@pytest.mark.parametrize("line", SOUNDNESS, ids=lambda line: line.find.__name__)
def test_fault_leaves_the_verdicts_of_its_bias_standing(line):
    fault = FAULTS[line.find.__name__]
    assert verdict(replace(healthy(ALL_GOOD), **fault)) is (PASS if line.bias.lets_pass else UNKNOWN)
    assert verdict(replace(healthy(ALL_BAD), **fault)) is (FAIL if line.bias.lets_fail else UNKNOWN)


@pytest.mark.parametrize("line", SOUNDNESS, ids=lambda line: line.find.__name__)
def test_fault_is_reported_with_its_bias(line):
    judgement = judge(OBJECTIVES, Evidence((replace(healthy(ALL_GOOD), **FAULTS[line.find.__name__]),)))
    (found,) = [c for c in judgement.checks if c.check == line.check]
    assert (found.verdict, found.bias) == (UNKNOWN, line.bias)
    assert found.reason


@pytest.mark.parametrize("counts", [Counts(1494, 7303), Counts(3988, 1619), Counts(1177, 322)])
def test_blind_observer_leaves_fail_of_replayed_outage(counts):
    """Connections, subscriptions and accepts of a replay whose observer was stopped for 15 s, on a busy host."""
    assert verdict(replace(healthy(counts), coverage=ProbeCoverage(142.0, 46.8, "no answer within 0.25 s"))) is FAIL


def test_fault_that_only_causes_failures_lets_pass_stand(monkeypatch):
    line = Soundness(
        "host", lambda _: SoundnessFinding("another process used 2 processors"), Bias.CAUSES, "it slows the pod"
    )
    monkeypatch.setattr(soundness, "SOUNDNESS", (*SOUNDNESS, line))
    assert verdict(healthy(ALL_GOOD)) is PASS
    judgement = judge(OBJECTIVES, Evidence((healthy(ALL_BAD),)))
    assert judgement.overall is UNKNOWN
    (objective,) = [c for c in judgement.checks if c.check == "objective: accept"]
    assert objective.reason == (
        "0 of 1000 good; the figures alone would fail, but not with these faults: host (01-new)"
    )
    (host,) = [c for c in judgement.checks if c.check == "host"]
    assert (host.verdict, host.decides) == (UNKNOWN, False)
    assert host.reason == "another process used 2 processors; this can only cause failures, so a pass stands"


def test_crashed_check_lets_neither_verdict_stand(monkeypatch):
    def crash(_):
        raise RuntimeError("boom")

    monkeypatch.setattr(soundness, "SOUNDNESS", (*SOUNDNESS, Soundness("host", crash, Bias.MISSING, "")))
    for counts in (ALL_GOOD, ALL_BAD):
        judgement = judge(OBJECTIVES, Evidence((healthy(counts),)))
        assert judgement.overall is UNKNOWN
        (host,) = [c for c in judgement.checks if c.check == "host"]
        assert host.reason == "the check crashed: RuntimeError: boom"


# --- at random ---

shares = st.builds(Counts, st.integers(0, 600), st.integers(0, 60), st.just(0), st.integers(0, 3)).filter(
    lambda c: c.unattributed <= c.bad
)
rounds = st.lists(shares, min_size=1, max_size=4)
faults = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(sorted(FAULTS))), min_size=1, max_size=4)


def damaged(runs, some):
    runs = list(runs)
    for number, name in some:
        place = number % len(runs)
        runs[place] = replace(runs[place], **FAULTS[name])
    return runs


@given(rounds, faults)
def test_no_fault_makes_a_pass(counts, some):
    runs = [healthy(c, number) for number, c in enumerate(counts, 1)]
    if verdict(*runs) is not PASS:
        assert verdict(*damaged(runs, some)) is not PASS


@given(rounds, faults)
def test_no_fault_makes_a_fail(counts, some):
    runs = [healthy(c, number) for number, c in enumerate(counts, 1)]
    if verdict(*runs) is not FAIL:
        assert verdict(*damaged(runs, some)) is not FAIL


@given(rounds, faults)
def test_faults_that_only_hide_leave_a_fail(counts, some):
    hiding = [(place, name) for place, name in some if name in HIDING - {"operations_lost"}]
    runs = [healthy(c, number) for number, c in enumerate(counts, 1)]
    if verdict(*runs) is FAIL:
        assert verdict(*damaged(runs, hiding)) is FAIL


@given(rounds, st.integers(1, 3))
def test_round_that_cannot_be_read_leaves_a_fail(counts, more):
    runs = [healthy(c, number) for number, c in enumerate(counts, 1)]
    missing = [RunEvidence(f"0{n}-new", "new", broken="it never began") for n in range(5, 5 + more)]
    before, after = verdict(*runs), verdict(*runs, *missing)
    assert after is (FAIL if before is FAIL else UNKNOWN)


@given(rounds, rounds, faults, st.sampled_from(["old", "new"]))
def test_faults_on_either_side_make_no_verdict_of_a_comparison(old, new, some, side):
    runs = {
        "old": [healthy(c, number, "old") for number, c in enumerate(old, 1)],
        "new": [healthy(c, number, "new") for number, c in enumerate(new, 1)],
    }
    before = no_worse(runs)
    after = no_worse({**runs, side: damaged(runs[side], some)})
    assert after in (before, UNKNOWN)


@given(rounds, rounds, st.sampled_from(["old", "new"]))
def test_blind_observer_on_either_side_leaves_a_worse_candidate(old, new, side):
    runs = {
        "old": [healthy(c, number, "old") for number, c in enumerate(old, 1)],
        "new": [healthy(c, number, "new") for number, c in enumerate(new, 1)],
    }
    if no_worse(runs) is FAIL:
        assert no_worse({**runs, side: damaged(runs[side], [(0, "unobserved")])}) is FAIL


def test_fault_of_the_baseline_is_named_in_a_comparison(monkeypatch):
    line = Soundness(
        "host", lambda r: SoundnessFinding("busy" if r.storage == "old" else ""), Bias.CAUSES, "it slows the pod"
    )
    monkeypatch.setattr(soundness, "SOUNDNESS", (*SOUNDNESS, line))
    runs = {"old": [healthy(ALL_GOOD, storage="old")], "new": [healthy(ALL_GOOD)]}
    judgement = judge(OBJECTIVES, Evidence((*runs["old"], *runs["new"])), Comparison("old", "new"))
    (found,) = [c for c in judgement.checks if c.check == "no worse: accept"]
    assert found.verdict is judgement.overall is UNKNOWN
    assert found.reason.endswith("the figures alone would pass, but not with these faults: host (01-old)")


def no_worse(runs):
    judgement = judge(OBJECTIVES, Evidence((*runs["old"], *runs["new"])), Comparison("old", "new"))
    (found,) = [c for c in judgement.checks if c.check == "no worse: accept"]
    return found.verdict


# --- operations without an outcome ---


@pytest.mark.parametrize(
    ("lost", "expected"),
    [(0, FAIL), (40, FAIL), (1_000, UNKNOWN)],
)
def test_lost_operations_are_counted_as_good_for_fail(lost, expected):
    """100 of 1,000 bad with a target of 95 %: 40 good ones more leave a fail, 1,000 do not."""
    kept = Kept(None if lost else 0, lost, 1000, 1000)
    assert verdict(replace(healthy(Counts(900, 100)), kept=kept)) is expected


def test_lost_operations_of_a_round_do_not_hide_other_failures():
    lost = replace(healthy(Counts(900, 100), 2), kept=Kept(None, 1_000, 1000, 1000))
    assert verdict(healthy(Counts(900, 100), 1), lost) is FAIL


def test_attempts_cut_off_count_against_both_verdicts():
    """80 of 1,000 unattributed: neither the pass (all of them good) nor the fail (all of them bad) is certain."""
    run = healthy(Counts(920, 80, unattributed=80))
    judgement = judge(OBJECTIVES, Evidence((run,)))
    assert judgement.overall is UNKNOWN
    (objective,) = [c for c in judgement.checks if c.check == "objective: accept"]
    assert objective.reason == (
        "920 of 1000 good (80 unattributed); the figures alone would fail, "
        "but not if all lost and all unattributed attempts had been good"
    )
    assert verdict(healthy(Counts(920, 80))) is FAIL


def test_lost_baseline_operations_count_as_bad():
    new = healthy(Counts(900, 100))
    old = healthy(Counts(1000, 0), storage="old")
    assert no_worse({"old": [old], "new": [new]}) is FAIL
    assert no_worse({"old": [replace(old, kept=Kept(None, 10, 1000, 1000))], "new": [new]}) is FAIL
    assert no_worse({"old": [replace(old, kept=Kept(None, 200, 1000, 1000))], "new": [new]}) is UNKNOWN
