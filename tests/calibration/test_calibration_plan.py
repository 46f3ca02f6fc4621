"""What is held, and which waits follow from it."""

import pytest

from loadtests.calibration.contract import SESSIONS, calibration_of, is_calibrated, plan
from loadtests.calibration.plan import PlannedHold
from loadtests.calibration.sessionholds import KEYS
from loadtests.calibration.truth import CompletedHold, LockRequest, expected
from loadtests.engines import having

PLANS = [(engine, form) for engine in having("calibration") for form in calibration_of(engine).plans]


@pytest.mark.parametrize(("engine", "form"), PLANS)
def test_every_hold_fits_and_has_a_name_of_its_own(engine, form):
    holds = plan(engine, form)
    assert calibration_of(engine).counter is not None or calibration_of(engine).tolerances
    assert len({hold.name for hold in holds}) == len(holds)
    assert max(hold.sessions for hold in holds) <= min(SESSIONS, KEYS)


def test_engine_without_locks_is_not_calibrated():
    assert is_calibrated("sqlite", "short")
    assert not is_calibrated("memory", "full")


def test_the_full_form_has_every_kind_of_wait_from_half_a_millisecond_to_five_seconds():
    holds = plan("postgres", "full")
    assert {hold.lock for hold in holds} == {"row", "advisory", "relation", "notify"}
    assert {hold.ending for hold in holds} == {"released", "timed_out", "deadlock"}
    assert {hold.waiters for hold in holds if hold.shape == "chain"} == {2, 3, 4}
    assert (min(hold.seconds for hold in holds), max(hold.seconds for hold in holds)) == (0.0005, 5.0)


def culprits(engine: str, hold: PlannedHold, place: int) -> tuple[set[int], set[int]]:
    done = CompletedHold(hold, [10, 11, 12, 13], [LockRequest(place, 0, 100, 10, "acquired")])
    (wait,) = expected(calibration_of(engine).behind_first, [done], lambda *_: 0)
    return set(wait.blocker), set(wait.root)


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_in_a_chain_each_waits_for_the_one_before(engine):
    chain = PlannedHold(0, "row", 1, 3, "chain")
    assert culprits(engine, chain, 1) == ({10}, {10})
    assert culprits(engine, chain, 3) == ({12}, {10})


def test_in_a_queue_for_a_row_postgres_has_them_wait_for_the_first_and_mariadb_for_the_holder():
    queue = PlannedHold(0, "row", 1, 3)
    assert culprits("postgres", queue, 1) == ({10}, {10})
    assert culprits("postgres", queue, 3) == ({11}, {10})
    assert culprits("mariadb", queue, 3) == ({10}, {10})


def test_readers_behind_a_change_of_the_table_wait_for_the_change():
    assert culprits("postgres", PlannedHold(0, "relation", 1, 3), 2) == ({11}, {10})
    assert culprits("mariadb", PlannedHold(0, "metadata", 1, 3), 2) == ({11}, {10})
    assert culprits("postgres", PlannedHold(0, "advisory", 1, 3), 2) == ({10}, {10})


def test_of_several_holders_the_one_who_stays_is_to_blame():
    held = PlannedHold(0, "relation", 1, holders=2)
    assert held.sessions == 3
    assert culprits("postgres", held, 1) == ({10}, {10})


def test_of_a_deadlock_the_other_one_is_to_blame_and_either_is_the_root():
    circle = PlannedHold(0, "row", 1, ending="deadlock")
    done = CompletedHold(circle, [10, 11], [LockRequest(place, 0, 100, 10, "acquired") for place in (0, 1)])
    one, other = expected(calibration_of("postgres").behind_first, [done], lambda *_: 0)
    assert (one.session, set(one.blocker), set(one.root)) == (10, {11}, {10, 11})
    assert (other.session, set(other.blocker), set(other.root)) == (11, {10}, {10, 11})


def test_a_wait_is_what_its_statement_took_beyond_the_same_statement_in_peace():
    done = CompletedHold(PlannedHold(0, "row", 1), [10, 11], [LockRequest(1, 1_000, 21_000, 4_000, "timed_out")])
    (wait,) = expected(calibration_of("postgres").behind_first, [done], lambda sent, answered: answered - sent)
    assert (wait.started_ns, wait.ended_ns, wait.outcome, wait.error_ns) == (3_000, 19_000, "timed_out", 20_000)


def test_a_wait_that_was_quicker_than_peace_lasted_no_time():
    done = CompletedHold(PlannedHold(0, "row", 0.0005), [10, 11], [LockRequest(1, 1_000, 2_000, 4_000, "acquired")])
    (wait,) = expected(calibration_of("postgres").behind_first, [done], lambda *_: 0)
    assert wait.lasted_ns == 0
