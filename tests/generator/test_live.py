"""Live figures: Locust's statistics as if each row had been a request, and histograms that workers merge."""

import random

import numpy as np
import pytest
from locust.stats import RequestStats

from loadtests.generator.live import LiveStatistics, LiveWindow
from loadtests.generator.rows import NO_KEY, NO_TIME, Rows, pack, unpack
from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.25

    def __call__(self) -> float:
        return self.now


def row(operation: str, took_ms: float | None, outcome: str = "ok", error: str = "") -> bytes:
    """A row that took so long; None: a push of unknown cause."""
    planned = NO_TIME if took_ms is None else 1_000_000_000
    ended = 1_000_000_000 + int((took_ms or 0) * 1e6)
    return pack(
        0, 0, 0, 0, 0, OPERATIONS.index(operation), 0, NO_KEY, OUTCOMES.index(outcome), planned, planned, ended,
        NO_TIME, ERRORS.index(error), 0, NO_TIME,
    )  # fmt: skip


def rows(*packed: bytes) -> Rows:
    return unpack(packed)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stats() -> RequestStats:
    return RequestStats(use_response_times_cache=False)


def test_locust_shows_what_it_would_have_counted_itself(stats: RequestStats, clock: Clock) -> None:
    took = [random.Random(1).lognormvariate(3, 1) for _ in range(2000)]
    its_own = RequestStats(use_response_times_cache=False)
    for took_ms in took:
        its_own.log_request("", "chat.accept", took_ms, 0)
    live = LiveStatistics(stats, clock)
    for some in (took[:700], took[700:]):
        live.take_rows(rows(*(row("chat.accept", t) for t in some)))
        live.publish()
    mine, theirs = stats.entries["chat.accept", ""], its_own.entries["chat.accept", ""]
    assert mine.num_requests == theirs.num_requests == stats.total.num_requests == 2000
    assert mine.avg_response_time == pytest.approx(theirs.avg_response_time, rel=1e-3)
    assert mine.max_response_time == pytest.approx(theirs.max_response_time, rel=1e-3)
    for part in (0.5, 0.95, 0.99):
        expected = theirs.get_response_time_percentile(part)
        assert mine.get_response_time_percentile(part) == pytest.approx(expected, rel=0.02, abs=1)
    assert mine.num_reqs_per_sec == {1_700_000_000: 2000}


def test_failures_and_unknowns_are_failures_and_refusals_have_a_name(stats: RequestStats, clock: Clock) -> None:
    live = LiveStatistics(stats, clock)
    live.take_rows(
        rows(
            row("chat.accept", 5),
            row("chat.accept", 6, "refused", "already_accepted"),
            row("chat.accept", 7, "fail", "internal"),
            row("chat.accept", 5000, "unknown", "timeout"),
            row("chat.offer", 5000, "unknown", "timeout"),
            row("event.deliver", None),
        )
    )
    live.publish()
    assert {name: (e.num_requests, e.num_failures) for (name, _), e in stats.entries.items()} == {
        "chat.accept": (3, 2),
        "chat.accept (refused)": (1, 0),
        "chat.offer": (1, 1),
    }
    assert stats.total.num_failures == 3
    errors = {(e.name, e.error): e.occurrences for e in stats.errors.values()}
    assert errors == {("chat.accept", "internal"): 1, ("chat.accept", "timeout"): 1, ("chat.offer", "timeout"): 1}


def test_rows_are_handed_on_once_a_second(stats: RequestStats, clock: Clock) -> None:
    live = LiveStatistics(stats, clock)
    live.take_rows(rows(row("chat.offer", 1)))
    assert stats.total.num_requests == 0
    clock.now += 1
    live.take_rows(rows(row("chat.offer", 1)))
    assert stats.total.num_requests == 2


def test_workers_histograms_merge_over_a_window(stats: RequestStats) -> None:
    now = Clock()
    window = LiveWindow(seconds=10, clock=now)
    took = np.random.default_rng(2).lognormal(3, 1, 3000)
    for part in np.split(took, 3):
        worker = LiveStatistics(stats, now)
        worker.take_rows(rows(*(row("chat.accept", float(t)) for t in part)))
        worker.take_rows(rows(row("chat.accept", 10_000, "refused", "already_accepted")))
        worker.publish()
        window.add(worker.take_latency())
        assert worker.take_latency() == {}
    for percent in (50, 99, 99.9):
        expected = float(np.percentile(took, percent, method="inverted_cdf"))
        assert window.percentile_ms("chat.accept", percent) == pytest.approx(expected, rel=0.02)
    assert window.percentile_ms("chat.offer", 99) is None
    now.now += 11
    assert window.percentile_ms("chat.accept", 99) is None


@pytest.mark.parametrize("took_ms", [0.0005, 0.001, 0.2, 1, 999.9, 1e6, 1e9])
def test_no_time_is_out_of_range(stats: RequestStats, took_ms: float) -> None:
    live, window = LiveStatistics(stats), LiveWindow()
    live.take_rows(rows(row("chat.accept", took_ms)))
    live.publish()
    window.add(live.take_latency())
    expected = min(max(took_ms, 0.001), 3_600_000)
    assert window.percentile_ms("chat.accept", 50) == pytest.approx(expected, rel=0.02)


def test_a_workers_counts_grow_and_leave_refusals_out(stats: RequestStats, clock: Clock) -> None:
    live = LiveStatistics(stats, clock)
    for _ in range(2):
        live.take_rows(
            rows(
                row("chat.accept", 5),
                row("chat.accept", 6, "refused", "already_accepted"),
                row("chat.accept", 5000, "unknown", "timeout"),
            )
        )
        live.publish()
    assert live.counts == {"chat.accept": (4, 2)}


def test_what_a_window_shows_at_the_end_it_goes_on_showing(stats: RequestStats) -> None:
    now = Clock()
    live, window = LiveStatistics(stats, now), LiveWindow(seconds=10, clock=now)
    live.take_rows(rows(row("chat.accept", 5)))
    live.publish()
    window.add(live.take_latency())
    window.end()
    now.now += 60
    assert window.percentile_ms("chat.accept", 99) == pytest.approx(5, rel=0.02)
