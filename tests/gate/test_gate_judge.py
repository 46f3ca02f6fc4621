"""The judge, on evidence made by hand: no files are read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.gate.inputs.evidence import Counts, Evidence, Kept, LedgerCheck, ProbeCoverage, RunEvidence
from reports.gate.judging import judge as judging
from reports.gate.judging.judge import judge
from reports.gate.judging.ledgers import NEED_NOT_BE_KNOWN
from reports.gate.judging.shares import judge_share
from reports.gate.judging.verdicts import Comparison, Verdict
from reports.gate.slo.objectives import Objective, Objectives

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN

ACCEPT = Objective("accept", "Accept chat", "chat.accept", 0.3, 0.99)
OBJECTIVES = Objectives("o.yaml", "0" * 64, (ACCEPT,))
ALL_GOOD, ALL_BAD, FEW = Counts(1000, 0), Counts(0, 1000), Counts(10, 0)
ORPHANS = LedgerCheck("orphans", "pass", 0)


def run(share=ALL_GOOD, name="01-sqlite", storage="sqlite", number=1, **changes):
    healthy = RunEvidence(
        name,
        storage,
        number,
        reason="completed",
        kept=Kept(0, 0, 1000, 1000),
        saturated=False,
        coverage=ProbeCoverage(10.0, 0.0),
        no_orphans=True,
        commit_survives="power_loss",
        ledger=(ORPHANS,),
        counts={"accept": share},
    )
    return replace(healthy, **changes)


def judged(*runs, objectives=OBJECTIVES, comparison=None):
    return judge(objectives, Evidence(tuple(runs)), comparison)


def check(judgement, name, storage="sqlite"):
    (found,) = [c for c in judgement.checks if c.check == name and c.storage in (storage, None)]
    return found


# --- shares ---


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        (Counts(299, 0), PASS),
        (Counts(298, 0), UNKNOWN),
        (Counts(0, 0), UNKNOWN),
        (Counts(990, 10), UNKNOWN),
        (Counts(980, 20), FAIL),
        (Counts(0, 1), FAIL),
        (Counts(0, 0, refused=500), UNKNOWN),
    ],
)
def test_a_share_is_judged_by_its_bounds(counts, verdict):
    assert judge_share(counts, 0.99).verdict is verdict


counts = st.builds(Counts, st.integers(0, 3000), st.integers(0, 300), st.integers(0, 50))
targets = st.floats(0.01, 0.999)


@given(counts, st.integers(1, 500), targets)
def test_bad_attempts_never_turn_fail_into_pass(before, more, target):
    after = judge_share(replace(before, bad=before.bad + more), target)
    order = [PASS, UNKNOWN, FAIL]
    if before.n:
        assert order.index(after.verdict) >= order.index(judge_share(before, target).verdict)
    assert not (judge_share(before, target).verdict is FAIL and after.verdict is PASS)


@given(st.lists(counts, min_size=1, max_size=4), st.data())
def test_bad_attempts_in_any_round_never_turn_fail_into_pass(rounds, data):
    worse = list(rounds)
    i = data.draw(st.integers(0, len(rounds) - 1))
    worse[i] = replace(rounds[i], bad=rounds[i].bad + data.draw(st.integers(1, 1000)))
    before, after = (judged(*(run(c, f"0{n}-sqlite", number=n) for n, c in enumerate(r))) for r in (rounds, worse))
    assert not (before.overall is FAIL and after.overall is PASS)


@given(counts, st.integers(0, 1000))
def test_refusals_change_nothing(before, refused):
    assert judge_share(replace(before, refused=refused), 0.99) == judge_share(before, 0.99)


# --- rounds ---


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ([ALL_GOOD], PASS),
        ([ALL_BAD], FAIL),
        ([ALL_GOOD, ALL_GOOD], PASS),
        ([ALL_BAD, ALL_BAD], FAIL),
        ([ALL_GOOD, ALL_BAD], UNKNOWN),
        ([ALL_GOOD, FEW], PASS),
        ([ALL_GOOD, Counts(0, 0)], UNKNOWN),
        ([ALL_BAD, Counts(0, 0)], FAIL),
        ([Counts(200, 0), Counts(200, 0)], PASS),
        ([Counts(50, 0)] * 10, PASS),
        ([Counts(50, 0)] * 5, UNKNOWN),
        ([Counts(90, 2)] * 5, FAIL),
        ([Counts(92, 0), Counts(85, 7)] * 2, UNKNOWN),  # two fail by themselves; together 3.8 % of 1 % are bad
        ([Counts(9999, 1), Counts(9960, 40)], PASS),  # they differ, and both pass by themselves
        ([Counts(9000, 1000), Counts(5000, 5000)], FAIL),  # they differ, and both fail by themselves
        ([*[Counts(200, 0)] * 9, Counts(180, 20)], UNKNOWN),
    ],
)
def test_rounds_are_judged_together_unless_they_contradict(rounds, verdict):
    judgement = judged(*(run(c, f"0{n}-sqlite", number=n) for n, c in enumerate(rounds, 1)))
    assert judgement.overall is judgement.storages["sqlite"] is verdict


def test_a_check_shows_its_rounds():
    found = check(judged(run(ALL_GOOD), run(FEW, "02-sqlite", number=2)), "objective: accept")
    assert [(r.round, r.run, r.n, r.verdict) for r in found.rounds] == [
        (1, "01-sqlite", 1000, PASS),
        (2, "02-sqlite", 10, UNKNOWN),
    ]
    assert (found.n, found.observed, found.limit) == (1010, 1.0, 0.99)


def test_too_few_attempts_name_the_number_needed():
    assert check(judged(run(FEW)), "objective: accept").reason == (
        "10 of 10 good; 300 attempts, all good, are enough to pass: make 30 rounds instead of 1, "
        "or judged stages 30.0 times as long"
    )


# --- every cause of unknown ---

BLIND = ProbeCoverage(10.0, 2.0, "statement timeout")


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({"counts": {}}, "objective: accept", "no data: no chat.accept was planned in judged time"),
        ({"kept": Kept(3, 3, 1000, 1000)}, "operations kept", "3 operations were lost"),
        (
            {"kept": Kept(None, 7, 1000, 1000)},
            "operations kept",
            "it is unknown how many operations were lost, 7 at most",
        ),
        ({"kept": Kept(0, 0, 1000, 900)}, "operations kept", "1000 operations were written, 900 are in the files"),
        ({"kept": None}, "operations kept", "the number of lost operations is unknown"),
        ({"coverage": BLIND}, "observer", "blind for 2.0 s of 10.0 s of judged time: statement timeout"),
        ({"coverage": None}, "observer", "there was no observer"),
        ({"saturated": True}, "generator", "the generator was saturated"),
        ({"saturated": None}, "generator", "it is unknown whether the generator kept up"),
        ({"reason": None}, "completed", "aborted: there is no end.json"),
        ({"reason": "pod_died", "detail": "signal 9"}, "completed", "ended early: pod_died (signal 9)"),
        ({"reason": "interrupted"}, "completed", "ended early: interrupted"),
        ({"broken": "cannot be read: KeyError"}, "readable", "cannot be read: KeyError"),
        ({"ledger": None}, "ledger", "there is no ledger.json"),
        ({"ledger": ()}, "ledger: orphans", "the ledger did not search for orphans"),
        (
            {"ledger": (ORPHANS, LedgerCheck("lost", "unknown", None, "cannot be read"))},
            "ledger: lost",
            "cannot be read",
        ),
        ({"ledger": (LedgerCheck("orphans", "unknown", None),)}, "ledger: orphans", "could not be counted"),
        ({"ledger": (LedgerCheck("orphans", "perhaps", 0),)}, "ledger: orphans", "could not be counted"),
        ({"ledger": (ORPHANS, LedgerCheck("doubles", "pass", 2))}, "ledger: doubles", "the ledger calls 2 a pass"),
        (
            {"ledger": (LedgerCheck("orphans", "fail", 2),), "no_orphans": None},
            "ledger: orphans",
            "unknown whether the storage promises none",
        ),
    ],
)
@pytest.mark.parametrize("share", [ALL_GOOD, ALL_BAD])
def test_every_cause_of_unknown(changes, name, reason, share):
    judgement = judged(run(share, **changes))
    found = check(judgement, name)
    assert found.verdict is UNKNOWN
    assert reason in found.reason
    assert judgement.overall in (UNKNOWN, FAIL)
    if share is ALL_GOOD:
        assert judgement.overall is UNKNOWN


def test_no_run_is_unknown():
    judgement = judged()
    assert judgement.overall is UNKNOWN
    assert judgement.checks[0].reason == "the study holds no run"


def test_one_unsound_round_leaves_the_storage_unknown():
    assert judged(run(), run(name="02-sqlite", number=2, saturated=True)).overall is UNKNOWN


def test_small_gaps_in_observation_are_accepted():
    assert judged(run(coverage=ProbeCoverage(10.0, 0.5))).overall is PASS
    assert judged(run(coverage=ProbeCoverage(10.0, 0.51))).overall is UNKNOWN


def test_a_crashed_check_is_unknown_and_the_rest_is_judged(monkeypatch):
    def crash(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(judging, "check_objective", crash)
    judgement = judged(run())
    found = check(judgement, "objective: accept")
    assert (found.verdict, found.reason) == (UNKNOWN, "the check crashed: RuntimeError: boom")
    assert judgement.overall is UNKNOWN
    assert check(judgement, "ledger: orphans").verdict is PASS


def test_a_ledger_of_nonsense_is_unknown():
    judgement = judged(run(ledger=(None,)))
    assert "the check crashed" in check(judgement, "ledger").reason
    assert judgement.overall is UNKNOWN


# --- the ledger ---


def test_orphans_fail_where_none_were_promised():
    judgement = judged(run(ledger=(LedgerCheck("orphans", "fail", 3),)))
    assert check(judgement, "ledger: orphans").verdict is judgement.overall is FAIL
    assert check(judgement, "ledger: orphans").reason == "3 orphans where none were promised"


def test_orphans_fail_even_if_the_ledger_calls_them_a_pass():
    assert judged(run(ledger=(LedgerCheck("orphans", "pass", 3),))).overall is FAIL


def test_orphans_are_shown_where_they_were_not_ruled_out():
    found = check(judged(run(ledger=(LedgerCheck("orphans", "fail", 3),), no_orphans=False)), "ledger: orphans")
    assert found.verdict is PASS
    assert "3 orphans; sqlite does not promise to leave none" in found.reason


def test_failed_ledger_check_fails():
    assert judged(run(ledger=(ORPHANS, LedgerCheck("doubles", "fail", 1)))).overall is FAIL


@pytest.mark.parametrize("name", sorted(NEED_NOT_BE_KNOWN))
def test_optional_check_decides_only_when_known(name):
    not_observed = judged(run(ledger=(ORPHANS, LedgerCheck(name, "unknown", None, "no data"))))
    assert not_observed.overall is PASS
    assert check(not_observed, f"ledger: {name}").verdict is UNKNOWN
    assert judged(run(ledger=(ORPHANS, LedgerCheck(name, "fail", 1)))).overall is FAIL
    assert judged(run(ledger=(ORPHANS, LedgerCheck(name, "pass", 2)))).overall is UNKNOWN


@pytest.mark.parametrize("kept", [None, Kept(1, 1, 1000, 1000), Kept(None, 5, 1000, 1000), Kept(0, 0, 1000, 999)])
@pytest.mark.parametrize("name", ["accepts_nobody_was_told", "never_offered", "lost_pushes", "diverged"])
def test_lost_row_may_cause_a_ledger_failure(name, kept):
    checks = (ORPHANS, LedgerCheck(name, "fail", 1, "1 of them"))
    assert judged(run(ledger=checks)).overall is FAIL
    lossy = judged(run(ledger=checks, kept=kept))
    assert lossy.overall is check(lossy, f"ledger: {name}").verdict is UNKNOWN
    assert check(lossy, f"ledger: {name}").reason == "1 of them; operations were lost, and that alone can be the cause"


@pytest.mark.parametrize("name", ["accepted_twice", "lost_accepts", "lost_messages", "duplicated_messages"])
def test_lost_rows_leave_what_the_ledger_found(name):
    assert judged(run(ledger=(ORPHANS, LedgerCheck(name, "fail", 1)), kept=Kept(1, 1, 1000, 1000))).overall is FAIL


def test_unknown_check_of_an_optional_ledger_decides_nothing():
    loose = replace(OBJECTIVES, ledger_required=False)
    not_observed = LedgerCheck("orphans", "unknown", None, "memory cannot be read from outside")
    judgement = judged(run(ledger=(not_observed,)), objectives=loose)
    assert judgement.overall is judgement.storages["sqlite"] is PASS
    assert check(judgement, "ledger: orphans").verdict is UNKNOWN
    assert judged(run(ledger=(LedgerCheck("orphans", "fail", 1),)), objectives=loose).overall is FAIL


def test_optional_evidence_may_be_missing():
    loose = replace(OBJECTIVES, observer_required=False, ledger_required=False)
    assert judged(run(ledger=None, coverage=None), objectives=loose).overall is PASS
    assert judged(run(ledger=None, coverage=BLIND), objectives=loose).overall is UNKNOWN


# --- several storages ---

POSTGRES = {"name": "02-postgres", "storage": "postgres"}


def test_every_storage_has_to_pass():
    judgement = judged(run(), run(ALL_BAD, **POSTGRES))
    assert judgement.overall is FAIL
    assert judgement.storages == {"sqlite": PASS, "postgres": FAIL}


@pytest.mark.parametrize("other", ["process_crash", None])
def test_different_durability_is_refused_unless_allowed(other):
    runs = run(), run(**POSTGRES, commit_survives=other)
    judgement = judged(*runs)
    assert judgement.overall is check(judgement, "durability").verdict is UNKNOWN
    assert f"sqlite power_loss, postgres {other or 'unknown'}" in check(judgement, "durability").reason
    allowed = judged(*runs, objectives=replace(OBJECTIVES, allow_different_durability=True))
    assert allowed.overall is PASS
    assert "the objectives allow it" in check(allowed, "durability").reason


def test_durability_of_runs_that_never_began_is_unknown():
    judgement = judged(run(broken="x", commit_survives=None), run(**POSTGRES, broken="y", commit_survives=None))
    assert check(judgement, "durability").verdict is UNKNOWN
    assert (
        "it is unknown what commits survive: sqlite unknown, postgres unknown" in check(judgement, "durability").reason
    )


def test_one_storage_needs_no_durability_to_compare():
    assert judged(run(commit_survives=None)).overall is PASS


def test_rounds_of_one_storage_match_in_every_setting():
    on, off = ({"engine": {"settings": {"fsync": value}}} for value in ("on", "off"))
    found = check(judged(run(manifest=on), run(name="02-sqlite", number=2, manifest=off)), "like runs")
    assert found.verdict is UNKNOWN
    assert "engine.settings.fsync differs among rounds of sqlite: 'on' in 01-sqlite; 'off' in 02-sqlite" in found.reason


def test_storages_may_differ_only_in_settings():
    one, two = ({"engine": {"version": v}, "host": {"cpu": "x"}} for v in "12")
    assert judged(run(manifest=one), run(**POSTGRES, manifest=two)).overall is PASS
    unlike = judged(run(manifest=one), run(**POSTGRES, manifest={"host": {"cpu": "y"}}))
    assert unlike.overall is UNKNOWN
    assert "host.cpu differs among all runs" in check(unlike, "like runs").reason


COMPARISON = Comparison(baseline="sqlite", candidate="postgres")


@pytest.mark.parametrize(
    ("baseline", "candidate", "overall"),
    [
        (ALL_GOOD, ALL_GOOD, PASS),
        (ALL_BAD, ALL_GOOD, PASS),
        (ALL_GOOD, ALL_BAD, FAIL),
        (FEW, ALL_GOOD, PASS),
        (Counts(0, 0), ALL_GOOD, UNKNOWN),
        (ALL_GOOD, Counts(0, 0), UNKNOWN),
    ],
)
def test_the_candidate_decides(baseline, candidate, overall):
    judgement = judged(run(baseline), run(candidate, **POSTGRES), comparison=COMPARISON)
    assert judgement.overall is overall
    assert {c.decides for c in judgement.checks if c.storage == "sqlite"} == {False}


def test_a_third_storage_is_left_out():
    third = run(ALL_BAD, name="03-memory", storage="memory", commit_survives="nothing")
    judgement = judged(run(), run(**POSTGRES), third, comparison=COMPARISON)
    assert judgement.overall is PASS
    assert set(judgement.storages) == {"sqlite", "postgres"}


def test_worse_candidate_fails_although_it_meets_the_target():
    judgement = judged(run(Counts(100_000, 0)), run(Counts(99_500, 500), **POSTGRES), comparison=COMPARISON)
    assert check(judgement, "objective: accept", "postgres").verdict is PASS
    found = check(judgement, "no worse: accept", "postgres")
    assert found.verdict is judgement.overall is FAIL
    assert found.observed == pytest.approx(-0.005)
    assert found.interval[0] < -0.005 < found.interval[1] < 0


def test_too_little_to_compare_is_unknown():
    found = check(judged(run(FEW), run(FEW, **POSTGRES), comparison=COMPARISON), "no worse: accept", "postgres")
    assert found.verdict is UNKNOWN


def test_an_unsound_baseline_leaves_the_comparison_unknown():
    judgement = judged(run(saturated=True), run(**POSTGRES), comparison=COMPARISON)
    assert check(judgement, "no worse: accept", "postgres").verdict is judgement.overall is UNKNOWN
    assert check(judgement, "objective: accept", "postgres").verdict is PASS


# --- runs that are missing ---


def planned(rounds, *storages):
    return {"planned": {"rounds": rounds, "storages": list(storages)}}


def test_missing_planned_round_prevents_a_pass():
    plan = planned(2, "sqlite")
    first, second = run(manifest=plan), run(name="02-sqlite", number=2, manifest=plan)
    assert judged(first, second).overall is PASS
    assert check(judged(first, second), "runs").verdict is PASS
    found = check(judged(first), "runs")
    assert (found.verdict, found.observed, found.limit) == (UNKNOWN, 1, 2)
    assert found.reason == "runs of the study are missing: there are 1 of 2 of sqlite; make it again"
    assert judged(first).overall is UNKNOWN
    assert judged(replace(first, counts={"accept": ALL_BAD})).overall is FAIL


def test_missing_planned_storage_prevents_a_pass():
    plan = planned(1, "sqlite", "postgres", "redis")
    both = run(manifest=plan), run(**POSTGRES, manifest=plan)
    assert "there are 0 of 1 of redis" in check(judged(*both), "runs").reason
    assert judged(*both).overall is UNKNOWN
    assert judged(*both, comparison=COMPARISON).overall is PASS


def test_round_that_is_missing_leaves_a_candidate_worse():
    plan = planned(2, "sqlite", "postgres")
    easy = replace(OBJECTIVES, objectives=(replace(ACCEPT, target=0.9),))
    both = run(manifest=plan), run(Counts(950, 50), **POSTGRES, manifest=plan)
    judgement = judged(*both, objectives=easy, comparison=COMPARISON)
    assert check(judgement, "no worse: accept", "postgres").verdict is judgement.overall is FAIL
    alike = judged(run(manifest=plan), run(**POSTGRES, manifest=plan), objectives=easy, comparison=COMPARISON)
    assert alike.overall is UNKNOWN


def test_runs_of_older_versions_have_no_plan():
    assert "runs" not in {c.check for c in judged(run()).checks}
    assert judged(run()).overall is PASS


def test_plan_of_nonsense_is_unknown():
    assert judged(run(manifest={"planned": {"rounds": "many", "storages": ["sqlite"]}})).overall is UNKNOWN


# --- no worse ---


def no_worse(baseline, candidate, *, objectives=OBJECTIVES, **changes):
    """The check on rounds of both; a count of None is a round without a run."""
    runs = [run(c, f"{n:02}-sqlite", number=n) for n, c in enumerate(baseline, 1) if c is not None]
    runs += [run(c, f"{n:02}-postgres", "postgres", n, **changes) for n, c in enumerate(candidate, 1) if c is not None]
    judgement = judged(*runs, objectives=objectives, comparison=COMPARISON)
    return check(judgement, "no worse: accept", "postgres")


GOOD, WORSE = Counts(999, 1), Counts(939, 61)


@pytest.mark.parametrize(
    ("baseline", "candidate", "verdict"),
    [
        ([GOOD] * 3, [GOOD] * 3, PASS),
        ([GOOD] * 3, [WORSE] * 3, FAIL),
        ([GOOD] * 3, [GOOD, WORSE, GOOD], UNKNOWN),
        ([GOOD] * 3, [WORSE, GOOD, WORSE], UNKNOWN),
        ([GOOD, WORSE, GOOD], [GOOD] * 3, PASS),
        ([GOOD, WORSE, GOOD], [Counts(991, 9)] * 3, UNKNOWN),
        ([GOOD] * 2, [WORSE, WORSE, None], FAIL),
        ([GOOD] * 3, [WORSE, WORSE, None], FAIL),
        ([GOOD] * 3, [GOOD, GOOD, None], UNKNOWN),
        ([GOOD, GOOD, None], [GOOD] * 3, UNKNOWN),
        ([GOOD, None], [None, WORSE], UNKNOWN),
        ([GOOD, Counts(0, 0)], [GOOD, GOOD], UNKNOWN),
        ([GOOD, Counts(0, 0)], [WORSE, WORSE], FAIL),
    ],
)
def test_rounds_of_a_comparison_have_to_agree(baseline, candidate, verdict):
    assert no_worse(baseline, candidate).verdict is verdict


@pytest.mark.parametrize(
    ("good", "margin", "verdict"),
    [
        (199_940, 0.1, PASS),  # 3 in 10,000: 3 % of the budget of 1 %
        (199_940, 0.0, FAIL),
        (199_900, 0.1, PASS),
        (199_785, 0.1, UNKNOWN),  # 10.75 %, which the interval does not separate from 10 %
        (199_600, 0.1, FAIL),
        (199_600, 0.5, PASS),
        (199_600, 1.0, PASS),
        (198_000, 0.1, FAIL),
    ],
)
def test_margin_is_a_share_of_the_error_budget(good, margin, verdict):
    objectives = replace(OBJECTIVES, objectives=(replace(ACCEPT, margin=margin),))
    new = Counts(good, 200_000 - good)
    assert no_worse([Counts(200_000, 0)], [new], objectives=objectives).verdict is verdict


def test_interrupted_baseline_proves_no_candidate_worse():
    baseline = run(GOOD, reason="interrupted")
    judgement = judged(baseline, run(WORSE, **POSTGRES), comparison=COMPARISON)
    assert check(judgement, "no worse: accept", "postgres").verdict is UNKNOWN
    assert judgement.overall is FAIL  # by its own objective
    interrupted = judged(run(GOOD), run(WORSE, **POSTGRES, reason="interrupted"), comparison=COMPARISON)
    assert check(interrupted, "no worse: accept", "postgres").verdict is FAIL


@pytest.mark.parametrize(
    ("changes", "where"),
    [({"manifest": {"host": {"cpu": "y"}}}, "like runs"), ({"commit_survives": "process_crash"}, "durability")],
)
def test_runs_that_are_not_alike_are_not_compared(changes, where):
    easy = replace(OBJECTIVES, objectives=(replace(ACCEPT, target=0.9),))
    base = run(Counts(1000, 0), manifest={"host": {"cpu": "x"}})
    other = run(Counts(950, 50), **{**POSTGRES, "manifest": {"host": {"cpu": "x"}}})
    assert judged(base, other, objectives=easy, comparison=COMPARISON).overall is FAIL
    judgement = judged(base, replace(other, **changes), objectives=easy, comparison=COMPARISON)
    found = check(judgement, "no worse: accept", "postgres")
    assert found.verdict is judgement.overall is UNKNOWN
    assert found.reason == f"the two cannot be compared: see {where}"


def test_odd_round_is_shown_with_its_faults():
    odd = run(Counts(0, 1000), "02-sqlite", number=2, reason="interrupted")
    found = check(judged(run(), odd, run(name="03-sqlite", number=3)), "objective: accept")
    assert "find what was different in 02-sqlite (faults: completed (02-sqlite))" in found.reason


def test_another_commit_of_the_harness_makes_runs_unlike():
    runs = [
        run(name=f"0{n}-sqlite", number=n, manifest={"harness": {"version": "1", "commit": str(n)}}) for n in (1, 2)
    ]
    likeness = check(judged(*runs), "like runs")
    assert likeness.verdict is UNKNOWN
    assert "harness.commit differs" in likeness.reason
