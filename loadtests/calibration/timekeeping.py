"""The clock of a calibration, and the error of what it measures."""

import asyncio
import statistics
import time
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal, TypeVar

T = TypeVar("T", int, float)

_BEAT_S = 0.005


class Timekeeper:
    """Times are ns since the origin, on CLOCK_MONOTONIC."""

    def __init__(self, origin_ns: int) -> None:
        self._origin_ns = origin_ns
        self._scatter_ns: list[int] = []
        self._beats_ns: list[int] = []
        self._late_ns: list[int] = []

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._origin_ns

    def quiet_ns(self, readings: Sequence[int]) -> int:
        """The time of a statement that waits for no lock: the median of several readings."""
        middle = round(statistics.median(readings))
        self._scatter_ns += [abs(reading - middle) for reading in readings]
        return middle

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Measures meanwhile how late this process is scheduled."""
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _beat(self) -> None:
        while True:
            due_ns = self.now_ns() + round(_BEAT_S * 1e9)
            await asyncio.sleep(_BEAT_S)
            self._beats_ns.append(due_ns)
            self._late_ns.append(max(self.now_ns() - due_ns, 0))

    @property
    def error_ns(self) -> int:
        """The error of a wait's truth, in 19 of 20: the statement's own scatter plus the scheduling delay."""
        return self._usual_scatter_ns + percentile(self._late_ns, 0.95)

    @property
    def _usual_scatter_ns(self) -> int:
        """Without readings in which this process itself was late, which the beats measure for each wait."""
        return percentile(self._scatter_ns, 0.75)

    def error_of_ns(self, started_ns: int, ended_ns: int) -> int:
        """The same of one wait, by the scheduling delay at its beginning and its end."""
        return self._usual_scatter_ns + self._lateness_ns(started_ns) + self._lateness_ns(ended_ns)

    def _lateness_ns(self, moment_ns: int) -> int:
        window_ns = round(2 * _BEAT_S * 1e9)
        first = bisect_left(self._beats_ns, moment_ns - window_ns)
        past = bisect_right(self._beats_ns, moment_ns + window_ns)
        return max(self._late_ns[first:past], default=0)


def percentile(values: Sequence[T], share: float) -> T | Literal[0]:
    """The value that `share` of the values do not exceed; 0 of none."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0
