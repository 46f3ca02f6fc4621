"""Live figures: HDR histograms for progress, Locust's own statistics for its web UI. Both are fed in batches, once a
second; reports use neither, they compute from the rows.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram
from locust import stats as locust_stats
from locust.stats import RequestStats, StatsEntry, StatsError

from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES
from loadtests.users.rows import NO_TIME, Rows

Latency = dict[str, str]
"""Operation → encoded HDR histogram of its response times in µs: what travels from a worker to the master."""

INTERVAL_S: Final = 1.0

_OK, _REFUSED, _FAIL, _UNKNOWN = range(len(OUTCOMES))
_HIGHEST_US: Final = 3_600_000_000


def histogram() -> HdrHistogram:
    """1 µs to 1 h at two digits: a live figure within 1 %."""
    return HdrHistogram(1, _HIGHEST_US, 2)


def response_us(rows: Rows) -> npt.NDArray[np.int64]:
    """Ended minus planned in whole µs, at least 1."""
    return np.clip((rows["ended_ns"] - rows["planned_ns"]) // 1000, 1, _HIGHEST_US)


def by_operation(rows: Rows) -> Iterator[tuple[str, Rows]]:
    """The rows of each operation that took time from a known moment; a push of unknown cause did not."""
    timed = rows[rows["planned_ns"] != NO_TIME]
    for code in np.unique(timed["operation"]):
        yield OPERATIONS[code], timed[timed["operation"] == code]


class LiveStatistics:
    """A worker's live figures. Give `take_rows` to the recorder as its `on_rows`."""

    def __init__(self, stats: RequestStats, clock: Callable[[], float] = time.time) -> None:
        """`stats` are those of Locust's environment."""
        self._stats = stats
        self._clock = clock
        self._rows: list[Rows] = []
        self._due = clock() + INTERVAL_S
        self._latency: dict[str, HdrHistogram] = {}

    def take_rows(self, rows: Rows) -> None:
        self._rows.append(rows)
        if self._clock() >= self._due:
            self.publish()

    def publish(self) -> None:
        """Works through the rows taken since the last time; the last ones of a run need it called once more."""
        self._due = self._clock() + INTERVAL_S
        kept, self._rows = self._rows, []
        if kept:
            rows = np.concatenate(kept)
            feed_locust(self._stats, rows, self._clock())
            feed_histograms(self._latency, rows)

    def take_latency(self) -> Latency:
        """The histograms since the last call, for the master's `LiveWindow`."""
        taken, self._latency = self._latency, {}
        return {operation: h.encode().decode() for operation, h in taken.items()}


class LiveWindow:
    """The master's live figures: the latencies of all workers over the last seconds."""

    def __init__(self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._taken: deque[tuple[float, Latency]] = deque()

    def add(self, latency: Latency) -> None:
        """What one worker took. Cheap: decoding waits until somebody asks."""
        self._taken.append((self._clock(), latency))
        self._forget()

    def percentile_ms(self, operation: str, percent: float) -> float | None:
        """None when the window has seen no such operation."""
        self._forget()
        merged = histogram()
        for _, latency in self._taken:
            if operation in latency:
                merged.decode_and_add(latency[operation])
        return merged.get_value_at_percentile(percent) / 1000 if merged.get_total_count() else None

    def _forget(self) -> None:
        oldest = self._clock() - self._seconds
        while self._taken and self._taken[0][0] < oldest:
            self._taken.popleft()


def feed_histograms(histograms: dict[str, HdrHistogram], rows: Rows) -> None:
    """Adds response times by operation. Refusals are no attempts at the work, so they are left out."""
    for operation, some in by_operation(rows[rows["outcome"] != _REFUSED]):
        into = histograms.setdefault(operation, histogram())
        for value, count in _counted(_three_digits(response_us(some))).items():
            into.record_value(value, count)


def feed_locust(stats: RequestStats, rows: Rows, now_s: float) -> None:
    """Adds the rows to Locust's statistics as if each had been a request that ended in this second.

    A refusal is a correct answer of another kind: it has a name of its own and counts as a success. What failed or is
    unknown counts as a failure.
    """
    for operation, some in by_operation(rows):
        refused = some["outcome"] == _REFUSED
        _feed_one(stats, operation, some[~refused], now_s)
        _feed_one(stats, f"{operation} (refused)", some[refused], now_s)


def _feed_one(stats: RequestStats, name: str, rows: Rows, now_s: float) -> None:
    if len(rows):
        failed = rows[(rows["outcome"] == _FAIL) | (rows["outcome"] == _UNKNOWN)]
        entry = _entry(stats, name, response_us(rows), len(failed), now_s)
        stats.entries[name, ""].extend(entry)
        stats.total.extend(entry)
        _feed_errors(stats.errors, name, failed, now_s)


def _entry(stats: RequestStats, name: str, took_us: npt.NDArray[np.int64], failures: int, now_s: float) -> StatsEntry:
    """One second's worth of a name, in Locust's terms: whole milliseconds, two digits."""
    # Locust declares whole numbers here and computes just as well with parts of a millisecond.
    entry: Any = StatsEntry(stats, name, "")
    second = int(now_s)
    took_ms = _counted(np.rint(took_us / 1000).astype(np.int64))
    entry.start_time = now_s
    entry.last_request_timestamp = now_s
    entry.num_requests = len(took_us)
    entry.num_failures = failures
    entry.total_response_time = float(took_us.sum()) / 1000
    entry.min_response_time = float(took_us.min()) / 1000
    entry.max_response_time = float(took_us.max()) / 1000
    entry.num_reqs_per_sec[second] = len(took_us)
    if failures:
        entry.num_fail_per_sec[second] = failures
    for value, count in took_ms.items():
        entry.response_times[locust_stats.bucket_response_time(value)] += count
    return cast(StatsEntry, entry)


def _feed_errors(errors: dict[str, Any], name: str, failed: Rows, now_s: float) -> None:
    for code, count in _counted(failed["error"]).items():
        key = StatsError.create_key("", name, ERRORS[code])
        error = errors.setdefault(key, StatsError("", name, ERRORS[code], first_seen=now_s))
        error.occurrences += count
        error.last_seen = now_s


def _three_digits(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Whole values cut to three digits, so that few different ones remain to be counted."""
    unit: npt.NDArray[np.int64] = 10 ** np.maximum(np.floor(np.log10(values)).astype(np.int64) - 2, 0)
    cut: npt.NDArray[np.int64] = values // unit * unit
    return cut


def _counted(values: npt.NDArray[Any]) -> Mapping[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))
