"""Lock waits: holders of the lock, and intervals of sampled figures."""

import pytest
from studies import NS, Op, lock_wait, write_run

from loadtests.records.rundirectory import run_directories
from loadtests.records.vocabulary import KNOWN, OPERATIONS, TRANSACTION_OUTCOMES
from reports.analysis.locks.attribution import attribute
from reports.analysis.locks.reading import read_ledger
from reports.analysis.locks.waits import waits_of
from reports.analysis.operations.gathering import axis_for
from reports.data.contract import NO_HOLDER, UNNAMED
from reports.data.runs import read_run

MS = 1_000_000
PERIOD = 20 * MS


def transaction(operation, waiting_ms, begun_ms, ended_ms):
    times = (None if waiting_ms is None else 6 * NS + waiting_ms * MS, 6 * NS + begun_ms * MS, 6 * NS + ended_ms * MS)
    return (1, OPERATIONS.index(operation), None, *times, TRANSACTION_OUTCOMES.index("committed"), "sqlite", None, None)


def wait(number, waiter, root, at_s=6.0, lasts_ms=50, hits=None, known="sampled"):  # noqa: PLR0917  a row
    who = {"waiter_operation": waiter, "blocker_operation": "message.send", "root_operation": root}
    return lock_wait(at_s, lasts_ms / 1000, wait=number, known=KNOWN.index(known), hits=hits, **who)


def ticks(error=None):
    return [("postgres", i * PERIOD, i * PERIOD, i * PERIOD + 1, 0, error, PERIOD) for i in range(800)]


def read_waits(directory):
    run = read_run(directory)
    ledger = read_ledger(run)
    return waits_of(ledger, [attribute(part.rows, part.held) for part in ledger.parts], axis_for([run]))


def test_a_writer_waits_behind_those_who_held_the_lock_meanwhile(tmp_path):
    rows = [
        transaction("message.send", 0, 0, 30),
        transaction("chat.offer", 0, 30, 40),
        transaction("chat.accept", 10, 45, 50),
        transaction("chat.close", None, 0, 45),
    ]
    waits = read_waits(write_run(tmp_path, transactions=rows))
    assert waits.known == "pod"
    assert dict(waits.behind("chat.accept")) == pytest.approx(
        {"message.send": 0.020, "chat.offer": 0.010, NO_HOLDER: 0.005}
    )
    assert waits.of("chat.close") == 0


def test_sampled_waits_count_ticks_times_period_with_an_interval(tmp_path):
    tables = {
        "lock_waits": [wait(0, "chat.accept", "chat.close", hits=4), wait(1, None, None, hits=1)],
        "ticks": ticks(),
    }
    waits = read_waits(write_run(tmp_path, tables=tables))
    assert waits.known == "sampled"
    assert waits.behind("chat.accept") == [("chat.close", pytest.approx(0.08))]
    assert waits.of(UNNAMED) == pytest.approx(0.02)
    low, high = waits.interval_s("chat.accept")
    assert (low, high) == pytest.approx((1.09 * 0.02, 10.24 * 0.02), rel=0.01)


def test_logged_waits_count_their_own_time(tmp_path):
    waits = read_waits(
        write_run(tmp_path, tables={"lock_waits": [wait(0, "chat.accept", "chat.accept", known="event")]})
    )
    assert waits.known == "event"
    assert waits.of("chat.accept") == pytest.approx(0.05)
    assert waits.interval_s("chat.accept") is None


def test_waits_of_other_stages_are_drawn_but_not_counted(tmp_path):
    tables = {"lock_waits": [wait(0, "chat.accept", "chat.accept", at_s=1.0, lasts_ms=1000, hits=50)], "ticks": ticks()}
    waits = read_waits(write_run(tmp_path, tables=tables))
    assert waits.of("chat.accept") == 0
    assert max(waits.sessions["chat.accept"]) == pytest.approx(1.0)
    assert sum(waits.sessions["chat.accept"]) * axis_width(tmp_path) == pytest.approx(1.0)


def axis_width(study):
    return axis_for([read_run(d) for d in run_directories(study)]).width_s


def test_blind_observer_is_unknown_idle_one_is_not(tmp_path):
    assert read_waits(write_run(tmp_path, "01-postgres", tables={"ticks": []})).known is None
    assert read_waits(write_run(tmp_path, "02-postgres", tables={"ticks": ticks("timeout")})).known is None
    seeing = read_waits(write_run(tmp_path, "03-postgres", tables={"ticks": ticks(), "lock_waits": []}))
    assert seeing.known == "sampled"
    assert seeing.of("chat.accept") == 0


def test_operations_alone_leave_waits_unknown(tmp_path):
    resources = [("resources", *tick[1:]) for tick in ticks()]
    assert read_waits(write_run(tmp_path, operations=[Op("chat.accept")], tables={"ticks": resources})).known is None


def test_observation_weighs_more_between_failed_samples(tmp_path):
    failing = [(*tick[:5], "timeout" if i % 2 else None, PERIOD) for i, tick in enumerate(ticks())]
    waits = [wait(0, "chat.accept", "chat.close", lasts_ms=2000, hits=50)]
    seen = read_waits(write_run(tmp_path, tables={"lock_waits": waits, "ticks": failing}))
    assert seen.behind("chat.accept") == [("chat.close", pytest.approx(2.0))]


def test_the_interval_of_a_sampled_figure_holds_the_figure(tmp_path):
    failing = [(*tick[:5], "timeout" if i % 2 else None, PERIOD) for i, tick in enumerate(ticks())]
    waits = [wait(0, "chat.accept", "chat.close", lasts_ms=2000, hits=50)]
    seen = read_waits(write_run(tmp_path, tables={"lock_waits": waits, "ticks": failing}))
    low, high = seen.interval_s("chat.accept")
    assert low < seen.of("chat.accept") < high


def test_a_probe_that_was_blind_most_of_the_time_knows_nothing(tmp_path):
    blind = [(*tick[:5], None if i < 300 else "timeout", PERIOD) for i, tick in enumerate(ticks())]
    assert read_waits(write_run(tmp_path, tables={"lock_waits": [], "ticks": blind})).known is None
