from pathlib import Path

import pytest

from loadtests.conductor.failures import COMPLETED, Reason
from loadtests.conductor.run.ending import Ending, doubtful, end_document, generator, more_than, operations, saturated
from loadtests.conductor.run.live import LoadState, Worker
from loadtests.records.probe_coverage import Tick, blind_time
from loadtests.records.reservation import Reservation
from loadtests.records.rundirectory import RunDirectory

S = 1_000_000_000


def worker(number: int = 0, **wanted) -> Worker:
    return Worker(str(number), **{"begun": 100, "starts": 100, "cpu_share": 0.2, "drained": True, **wanted})


def test_what_was_begun_and_not_written_is_lost():
    counted = operations([worker(0), worker(1, begun=50, in_flight=3)], written=148, drained=True)
    assert counted == {"begun": 150, "written": 148, "in_flight": 3, "lost": 2}


def test_a_killed_worker_leaves_an_upper_bound_not_a_number():
    counted = operations(
        [worker(0), worker(1, begun=50, reserved=70, drained=False, lost=True)], written=120, drained=True
    )
    assert counted["lost"] is None
    assert counted["lost_at_most"] == 50


def test_a_worker_left_its_upper_bound_itself_where_its_master_stood_still(tmp_path):
    directory = RunDirectory(tmp_path)
    reservation = Reservation(directory.reservation_path("0"))
    reservation.raise_to(80)
    reservation.raise_to(140)
    load = LoadState(workers={"0": worker(0, begun=60, reserved=80, drained=False, lost=True)})
    ended = end_document(Ending(Reason("internal"), 9 * S, load, observed=False), directory)
    assert ended["operations"] == {"begun": 60, "written": 0, "in_flight": 0, "lost": None, "lost_at_most": 140}


def test_rows_beyond_a_killed_workers_report_are_no_negative_loss():
    counted = operations([worker(0, begun=10, drained=False, lost=True)], written=14, drained=True)
    assert (counted["begun"], counted["lost"], counted["lost_at_most"]) == (14, None, 0)


def test_load_that_never_drained_has_no_known_loss():
    assert operations([worker(drained=False)], written=100, drained=False)["lost"] is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, False),
        ({"cpu_share": 0.91}, True),
        ({"late_starts": 1}, False),
        ({"late_starts": 3}, False),
        ({"late_starts": 4}, True),
        ({"stood_still_s": 2.9}, False),
        ({"stood_still_s": 3.1}, True),
        ({"drained": False, "lost": True}, None),
        ({"cpu_share": None}, None),
        ({"cpu_share": 0.95, "drained": False, "lost": True}, True),
    ],
)
def test_saturation(wanted, expected):
    assert saturated([worker(**wanted)], drained=True) is expected


def test_no_workers_no_word_on_saturation():
    assert saturated([], drained=True) is None


def ticks(*at_ms: int, error: str | None = None, probe: str = "postgres") -> list[Tick]:
    return [Tick(probe, t * 1_000_000, 50_000_000, error) for t in at_ms]


def test_regular_ticks_are_not_blind():
    assert blind_time(ticks(*range(0, 10_001, 50)), 0, 10 * S) == (0.0, "")


def test_failed_ticks_are_gaps_with_a_reason():
    seen, failed = ticks(*range(0, 4001, 50), *range(7000, 10_001, 50)), ticks(*range(4050, 7000, 50), error="timeout")
    blind_s, reason = blind_time([*seen, *failed], 0, 10 * S)
    assert blind_s == pytest.approx(3, abs=0.06)
    assert reason == "postgres: timeout"


def test_an_observer_that_died_is_blind_to_the_end():
    blind_s, reason = blind_time(ticks(*range(0, 2001, 50)), 0, 10 * S)
    assert blind_s == pytest.approx(8, abs=0.06)
    assert "not at all" in reason


def test_no_ticks_are_all_blind():
    assert blind_time([], 2 * S, 10 * S) == (8.0, "no tick was written")


def test_the_blindest_probe_counts():
    seeing = ticks(*range(0, 10_001, 50), probe="resources")
    assert blind_time([*seeing, *ticks(0, 50, 100)], 0, 10 * S)[0] > 9


def test_rows_are_counted_in_the_files_not_believed(tmp_path: Path):
    directory = RunDirectory(tmp_path)
    with directory.create_table("operations", "0", pod=["pod-1"]) as table:
        table.write([(n, 0, 0, 0, 0, 0, n, None, 0, 1, 1, 2, None, 0, 0, None) for n in range(5)])
    directory.create_table("host").close()
    load = LoadState()
    load.take(
        b'{"event":"drained","workers":[{"worker":0,"begun":7,"written":7,"in_flight":0,"starts":1,"cpu_share":0.1}]}'
    )
    document = end_document(Ending(COMPLETED, 9 * S, load, observed=False), directory)
    assert document["rows"] == {"operations-0": 5}
    assert document["later_rows"] == {"host": 0}
    assert document["operations"] == {"begun": 7, "written": 5, "in_flight": 0, "lost": 2}
    assert document["observer"] is None


@pytest.mark.parametrize(
    ("wanted", "reasons"),
    [
        ({}, []),
        ({"cpu_share": 0.4, "cpu_allowed": 0.4}, ["cpu"]),
        ({"cpu_share": 0.4, "cpu_allowed": 0.5}, []),
        ({"run_queue_share": 0.6, "throttled_share": 0.3}, ["run_queue", "throttling"]),
        ({"stood_still_s": 9.0, "late_starts": 9}, ["standstill", "late_starts"]),
        ({"starts": 8, "late_starts": 1}, []),
        ({"local_errors": {"ports": 3}}, ["local_errors"]),
    ],
)
def test_signals_that_were_exceeded_are_named(wanted, reasons):
    document = generator([worker(**wanted)], drained=True)
    assert document["reasons"] == reasons
    assert document["saturated"] is bool(reasons)


@pytest.mark.parametrize(
    ("count", "of", "proved"), [(1, 8, False), (2, 8, True), (0, 0, False), (12, 1000, False), (17, 1000, True)]
)
def test_share_of_late_starts_needs_a_lower_bound_above_one_percent(count, of, proved):
    from scipy import special

    assert more_than(0.01, count, of) is proved
    assert proved is (count > 0.01 * of and float(special.betaincinv(count, of - count + 1, 0.05)) > 0.01)


def test_local_errors_are_counted_by_resource_and_component(tmp_path: Path):
    directory = RunDirectory(tmp_path)
    load = LoadState()
    load.take(
        b'{"event":"drained","workers":[{"worker":0,"begun":0,"written":0,"in_flight":0,"starts":1,"cpu_share":0.1,'
        b'"local_errors":{"ports":3,"descriptors":1},"unstamped_connections":7}]}'
    )
    ending = Ending(COMPLETED, 9 * S, load, observed=False, local_errors={"pod pod-1": {"threads": 2}, "observer": {}})
    document = end_document(ending, directory)
    assert document["generator"]["local_errors"] == {"descriptors": 1, "ports": 3}
    assert document["local_errors"] == {"pod pod-1": {"threads": 2}}
    assert document["host"] is None
    assert list(doubtful(document)) == [
        "this host ran out of resources for the load generator: descriptors (1 times), ports (3 times); "
        "the storage is not to blame for that",
        "this host ran out of resources for pod pod-1: threads (2 times); the storage is not to blame for that",
        "arrivals were timed on reading on 7 connections: the kernel has no SO_TIMESTAMPNS",
    ]
