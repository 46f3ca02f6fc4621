"""Live figures: HDR histograms for progress, Locust's own statistics for its web UI. Rows are counted when they are
flushed and handed on once a second; reports use neither, they compute from the rows.
"""

import base64
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram
from locust import stats as locust_stats
from locust.stats import RequestStats, StatsEntry, StatsError

from loadtests.generator.rows import NO_TIME, Rows
from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES

Latency = dict[str, str]
"""Operation → encoded HDR histogram of its response times in µs: what travels from a worker to the master."""

Counts = dict[str, tuple[int, int]]
"""Operation → how many have ended since the run began, and how many of those failed or are unknown. Refusals apart."""

INTERVAL_S: Final = 1.0

_UNREADABLE: Final = (
    *(ValueError, TypeError, IndexError, OverflowError, MemoryError, zlib.error),
    *(HdrCookieException, HdrHistogramSettingsException, HdrLengthException),
)
"""What a histogram of a worker raises when its counters contradict its header."""

_REFUSED, _FAIL = OUTCOMES.index("refused"), OUTCOMES.index("fail")
_HIGHEST_US: Final = 3_600_000_000
_BUCKETS: Final = 26 << 8

_OUTER_HEADER: Final = 8
_SETTINGS: Final = struct.Struct(">8xIIQQ8x")
"""The inner header of an encoded histogram: offset of its indexes, digits, lowest and highest value."""

_LARGEST_WINDOW: Final = 32 << 20
"""Characters of all encoded histograms in a window: those of a hundred workers take some 4 MB."""

_LARGEST_HISTOGRAM: Final = 9 * _BUCKETS + _SETTINGS.size
"""Bytes before compression, of one with the largest possible counters."""


def histogram() -> HdrHistogram:
    """1 µs to 1 h at two digits: a live figure within 1 %."""
    return HdrHistogram(1, _HIGHEST_US, 2)


def is_latency(encoded: str) -> bool:
    """Whether a worker's text is a histogram as `histogram()` makes them, of a size that such a one can have."""
    try:
        data = base64.b64decode(encoded, validate=True)
        inflater = zlib.decompressobj()
        payload = inflater.decompress(data[_OUTER_HEADER:], _LARGEST_HISTOGRAM)
        settings = _SETTINGS.unpack_from(payload)
    except (ValueError, zlib.error, struct.error):
        return False
    expected = histogram()
    return (
        inflater.eof
        and not inflater.unused_data
        and settings
        == (0, expected.significant_figures, expected.lowest_trackable_value, expected.highest_trackable_value)
    )


class Counted:
    """Response times of one name, counted in buckets less than 1 % wide, and the errors among them.

    Counting costs 0.1 µs a row, where recording each in a histogram or in Locust's statistics costs 1.5 µs and more.
    """

    def __init__(self) -> None:
        self.total_us = 0
        self.highest_us = 0
        self.lowest_us = _HIGHEST_US
        self._buckets = np.zeros(_BUCKETS, np.int64)
        self._errors = np.zeros(len(ERRORS), np.int64)

    def add(self, took_us: npt.NDArray[np.int64], errors: npt.NDArray[np.uint8]) -> None:
        """`errors` are the codes of the rows that failed or are unknown."""
        self.total_us += int(took_us.sum())
        self.highest_us = max(self.highest_us, int(took_us.max()))
        self.lowest_us = min(self.lowest_us, int(took_us.min()))
        # Eight leading binary digits and how many follow: value = digits << shift.
        shift = np.maximum(np.frexp(took_us)[1] - 8, 0)
        self._buckets += np.bincount((shift << 8) + (took_us >> shift), minlength=_BUCKETS)
        self._errors += np.bincount(errors, minlength=len(ERRORS))

    @property
    def count(self) -> int:
        return int(self._buckets.sum())

    def times_us(self) -> list[tuple[int, int]]:
        """Response time → how often, ascending."""
        found = np.flatnonzero(self._buckets)
        return list(zip(((found & 255) << (found >> 8)).tolist(), self._buckets[found].tolist(), strict=True))

    def errors(self) -> list[tuple[str, int]]:
        return [(ERRORS[code], int(self._errors[code])) for code in np.flatnonzero(self._errors)]


class LiveStatistics:
    """A worker's live figures. Give `take_rows` to the recorder as its `on_rows`."""

    def __init__(self, stats: RequestStats, clock: Callable[[], float] = time.time) -> None:
        self._stats = stats
        self._clock = clock
        self._due = clock() + INTERVAL_S
        self._counted: dict[tuple[int, bool], Counted] = {}
        self._latency: dict[str, HdrHistogram] = {}
        self.counts: Counts = {}

    def take_rows(self, rows: Rows) -> None:
        count_rows(self._counted, rows)
        if self._clock() >= self._due:
            self.publish()

    def publish(self) -> None:
        """Hands on what was counted since the last time; the last rows of a run need it called once more."""
        now_s = self._clock()
        self._due = now_s + INTERVAL_S
        counted, self._counted = self._counted, {}
        for (operation, refused), some in counted.items():
            name = OPERATIONS[operation]
            # A refusal is a correct answer of another kind: no part of the latency, and a name of its own.
            feed_locust(self._stats, f"{name} (refused)" if refused else name, some, now_s)
            if not refused:
                ended, failed = self.counts.get(name, (0, 0))
                self.counts[name] = ended + some.count, failed + sum(count for _, count in some.errors())
                into = self._latency.setdefault(name, histogram())
                for value, count in some.times_us():
                    into.record_value(value, count)

    def take_latency(self) -> Latency:
        """The histograms since the last call, for the master's `LiveWindow`."""
        taken, self._latency = self._latency, {}
        return {operation: h.encode().decode() for operation, h in taken.items()}


def count_rows(into: dict[tuple[int, bool], Counted], rows: Rows) -> None:
    """Counts the rows by operation and whether they were refused; a push of unknown cause took no known time."""
    planned = rows["planned_ns"]
    took_us = np.clip((rows["ended_ns"] - planned) // 1000, 1, _HIGHEST_US)
    outcome, error = rows["outcome"], rows["error"]
    # One small number for each combination, so that most rows are read once.
    group = (rows["operation"].astype(np.int16) << 1) + (outcome == _REFUSED)
    group[planned == NO_TIME] = -1
    for code in np.unique(group).tolist():
        if code >= 0:
            mine = group == code
            counted = into.setdefault((code >> 1, bool(code & 1)), Counted())
            counted.add(took_us[mine], error[mine & (outcome >= _FAIL)])


class LiveWindow:
    """The master's live figures: the latencies of all workers over the last seconds, those before the end for good."""

    def __init__(self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._taken: deque[tuple[float, Latency]] = deque()
        self._size = 0
        self._ended = False

    def end(self) -> None:
        """The run is over: what the window shows now it goes on showing."""
        self._forget()
        self._ended = True

    def add(self, latency: Latency) -> None:
        """What one worker took. Cheap: decoding waits until a percentile is asked for."""
        if latency:
            self._taken.append((self._clock(), latency))
            self._size += sum(map(len, latency.values()))
        self._forget()

    def percentile_ms(self, operation: str, percent: float) -> float | None:
        """None when the window has seen no such operation."""
        self._forget()
        merged = histogram()
        for _, latency in self._taken:
            if operation in latency:
                with suppress(*_UNREADABLE):
                    merged.decode_and_add(latency[operation])
        return merged.get_value_at_percentile(percent) / 1000 if merged.get_total_count() else None

    def _forget(self) -> None:
        oldest = self._clock() - self._seconds
        while self._taken and ((not self._ended and self._taken[0][0] < oldest) or self._size > _LARGEST_WINDOW):
            _, latency = self._taken.popleft()
            self._size -= sum(map(len, latency.values()))


def feed_locust(stats: RequestStats, name: str, counted: Counted, now_s: float) -> None:
    """Adds what was counted to Locust's statistics, as if it had been that many requests that ended in this second.
    What failed or is unknown counts as a failure. In Locust's terms: whole milliseconds, two digits."""
    # Locust declares whole numbers here and computes just as well with parts of a millisecond.
    entry: Any = StatsEntry(stats, name, "")
    entry.start_time = entry.last_request_timestamp = now_s
    entry.total_response_time = counted.total_us / 1000
    entry.min_response_time = counted.lowest_us / 1000
    entry.max_response_time = counted.highest_us / 1000
    for value, count in counted.times_us():
        entry.response_times[locust_stats.bucket_response_time(value / 1000)] += count
    entry.num_requests = entry.num_reqs_per_sec[int(now_s)] = counted.count
    for error, count in counted.errors():
        entry.num_failures += count
        entry.num_fail_per_sec[int(now_s)] += count
        key = StatsError.create_key("", name, error)
        known = stats.errors.setdefault(key, StatsError("", name, error, first_seen=now_s))
        known.occurrences += count
        known.last_seen = now_s
    stats.entries[name, ""].extend(entry)
    stats.total.extend(entry)
