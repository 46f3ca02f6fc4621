"""What a saturated generator may have made late itself, and what stays the storage's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import NS, Op, write_run

from reports.data.objective import Objective, Objectives
from reports.gate.inputs.counting import JudgedAttempts, count
from reports.gate.inputs.delays import UNKNOWN_DELAY, DelayBound, generator_delay, host_delay
from reports.gate.inputs.evidence import Counts
from reports.gate.inputs.reading import read_evidence, study_storages
from reports.gate.judging.judge import judge
from reports.gate.judging.verdicts import Verdict

ACCEPT = Objective("accept", "Accept", "chat.accept", 0.3, 0.95)
SATURATED = {"saturated": True, "reasons": ["run_queue"], "local_errors": {}, "workers": []}


def ns(*seconds):
    return np.array([round(s * NS) for s in seconds], np.int64)


def runnable(share, begins_s=0, ends_s=17):
    """Samples, one a second: the generator ran or waited for this share of the time between the two moments."""
    return [
        (second * NS, "generator_runnable_ns", round(NS * share * min(max(second - begins_s, 0), ends_s - begins_s)))
        for second in range(17)
    ]


def crowded(own, waited):
    """Samples, one a second: other processes use the rest of two processors, while the run's own threads run and wait
    for one for so many seconds a second."""
    grown = {"busy_ns": 2, "own_cpu_ns": own, "measured_cpu_ns": own, "run_queue_ns": waited}
    counters = [(t * NS, name, round(t * rate * NS)) for t in range(17) for name, rate in grown.items()]
    return [*counters, *((t * NS, "processors", 2) for t in range(17))]


def counted(tmp_path, *operations, samples=(), generator=SATURATED):
    write_run(tmp_path / "study", operations=operations, end={"generator": generator}, tables={"host": list(samples)})
    (run,) = read_evidence(study_storages(tmp_path / "study"), [ACCEPT]).runs
    assert not run.broken, run.broken
    return run.counts["accept"]


def accept(planned_s, response_s, **changes):
    return Op("chat.accept", planned_s=planned_s, response_s=response_s, **changes)


def test_lag_is_bounded_by_the_samples():
    lag = DelayBound(ns(0, 1, 2, 3, 4), ns(0, 0.5, 1.5, 1.5, 1.6), NS)
    assert list(lag.most_ns(ns(2.5), ns(2.6))) == [NS // 10]  # no more than it took
    assert list(lag.most_ns(ns(1), ns(3))) == list(ns(1.5))
    assert list(lag.most_ns(ns(3.5), ns(3.9))) == list(ns(0.1))
    assert list(lag.most_ns(ns(3), ns(6))) == list(ns(2.1))  # two seconds that no sample covers


def test_without_samples_all_of_an_operation_may_be_lag():
    assert list(UNKNOWN_DELAY.most_ns(ns(1), ns(4))) == list(ns(3))
    assert host_delay([(0, {"busy_ns": 1}), (NS, {"busy_ns": 2})]) is UNKNOWN_DELAY


def test_time_stopped_by_a_quota_counts():
    samples = [
        (0, {"generator_runnable_ns": 0, "throttled_ns": 0}),
        (NS, {"generator_runnable_ns": 1, "throttled_ns": 5}),
    ]
    saturated = {"generator": {"saturated": True, "reasons": ["throttling"]}}
    assert list(generator_delay(saturated, samples).spent_ns) == [0, 6]


@pytest.mark.parametrize(
    ("reasons", "known"),
    [
        (["cpu"], True),
        (["run_queue", "late_starts", "throttling"], True),
        (["standstill"], False),
        (["run_queue", "local_errors"], False),
    ],
)
def test_lag_of_a_generator_that_was_stopped_or_had_no_memory_is_unknown(reasons, known):
    samples = [(t * NS, {"generator_runnable_ns": 0}) for t in range(3)]
    lag = generator_delay(
        {"generator": {"saturated": True, "reasons": reasons, "local_errors": {"memory": 1}}}, samples
    )
    assert lag is not None
    assert (lag is not UNKNOWN_DELAY) is known


@pytest.mark.parametrize(("share", "kept_up"), [(0.2, True), (0.7, False)])
def test_generator_of_a_run_that_lasts_has_kept_up_so_far_or_not(share, kept_up):
    quiet = [(t * NS // 2, {"generator_runnable_ns": t * NS // 20}) for t in range(20)]
    busy = [(10 * NS + t * NS // 2, {"generator_runnable_ns": NS + round(t * share * NS / 2)}) for t in range(20)]
    assert (generator_delay({}, [*quiet, *busy]) is None) is kept_up


def test_generator_that_kept_up_has_no_lag():
    samples = [(t * NS, {"generator_runnable_ns": 0}) for t in range(3)]
    assert generator_delay({"generator": {"saturated": False, "reasons": []}}, samples) is None
    assert generator_delay({"generator": {"saturated": None, "reasons": []}}, samples) is not None


def test_slow_attempts_beyond_the_lag_stay_bad(tmp_path):
    """Half of the time is lag: of 2.5 s, the second before included, at most 1.75 s."""
    slow, near, lost = accept(7, 2.5), accept(7, 0.6), accept(7, 5.0, outcome="unknown", error="timeout")
    assert counted(tmp_path, slow, near, lost, samples=runnable(0.5)) == Counts(0, 3, unattributed=1)


def test_failures_that_a_pod_returned_are_never_lag(tmp_path):
    failed = [accept(7, 0.01, outcome="fail", error=error) for error in ("internal", "storage_unavailable")]
    assert counted(tmp_path, *failed, samples=runnable(1)) == Counts(0, 2)


def test_all_late_attempts_may_be_those_of_a_generator_that_was_not_sampled(tmp_path):
    late = accept(7, 2.5), accept(7, 5.0, outcome="unknown", error="timeout")
    assert counted(tmp_path, *late) == Counts(0, 2, unattributed=2)


def test_lag_may_have_let_an_attempt_without_a_limit_time_out():
    response_ns = np.array([5, 5, 5, 5]) * NS
    undelayed_ns = np.array([5 * NS, 5 * NS - 1, 0, np.iinfo(np.int64).max])  # the last one: returned by a pod
    attempts = JudgedAttempts(
        ["ok", "unknown", "refused"], np.ones(4, np.uint8), response_ns, undelayed_ns=undelayed_ns
    )
    assert count(attempts, None) == Counts(0, 4, unattributed=2)


def test_generator_that_kept_up_explains_nothing(tmp_path):
    kept_up = {"saturated": False, "reasons": [], "local_errors": {}, "workers": []}
    assert counted(tmp_path, accept(7, 0.5), samples=runnable(1), generator=kept_up) == Counts(0, 1)


@pytest.mark.parametrize(
    ("response_s", "verdict"), [(2.5, Verdict.FAIL), (0.5, Verdict.UNKNOWN), (0.1, Verdict.UNKNOWN)]
)
def test_saturated_generator_never_passes_and_fails_for_what_it_did_not_cause(tmp_path, response_s, verdict):
    study = tmp_path / "study"
    operations = [accept(5 + n / 50, response_s) for n in range(300)]
    write_run(study, operations=operations, end={"generator": SATURATED}, tables={"host": runnable(0.3)})
    objectives = Objectives("slo.yaml", "0" * 64, (ACCEPT,), observer_required=False, ledger_required=False)
    assert judge(objectives, read_evidence(study_storages(study), [ACCEPT])).overall is verdict


@pytest.mark.parametrize(
    ("error", "unattributed"), [("connect_refused", 0), ("internal", 0), ("storage_unavailable", 1)]
)
def test_other_load_explains_only_what_slow_pods_do(tmp_path, error, unattributed):
    kept_up = {"saturated": False, "reasons": [], "local_errors": {}, "workers": []}
    busy = crowded(own=0.5, waited=2.0)
    failed = accept(7, 0.01, outcome="fail", error=error)
    assert counted(tmp_path, failed, samples=busy, generator=kept_up) == Counts(0, 1, unattributed=unattributed)


@given(
    spent=st.lists(st.integers(0, NS), min_size=2, max_size=30),
    begins=st.integers(-2 * NS, 20 * NS),
    lasts=st.integers(0, 10 * NS),
)
def test_lag_never_exceeds_an_operation_and_grows_with_it(spent, begins, lasts):
    lag = DelayBound(np.arange(len(spent), dtype=np.int64) * NS, np.cumsum(np.array(spent, np.int64)), NS)
    begin, end = np.array([begins]), np.array([begins + lasts])
    most = lag.most_ns(begin, end)[0]
    assert 0 <= most <= lasts
    assert lag.most_ns(begin, end + NS)[0] >= most
    uncovered = max(NS - begins, 0) + max(begins + lasts - lag.t_ns[-1], 0)
    assert most <= lag.spent_ns[-1] + uncovered
