"""One clock for what sessions saw, and how far what it says may be off."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

_BEAT_S = 0.005


class Timekeeper:
    """Times are ns since the origin, on CLOCK_MONOTONIC."""

    def __init__(self, origin_ns: int) -> None:
        self._origin_ns = origin_ns
        self._scatter_ns: list[int] = []
        self._late_ns: list[int] = []

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._origin_ns

    def quiet_ns(self, readings: Sequence[int]) -> int:
        """What a statement takes while nobody is in its way: the middle of several readings."""
        middle = round(statistics.median(readings))
        self._scatter_ns += [abs(reading - middle) for reading in readings]
        return middle

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Meanwhile notes how late this process is told of what has happened."""
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
            self._late_ns.append(max(self.now_ns() - due_ns, 0))

    @property
    def error_ns(self) -> int:
        """How far one wait's truth may be off, in 19 of 20: the statement's own scatter, and a late awakening."""
        return percentile(self._scatter_ns, 0.95) + percentile(self._late_ns, 0.95)

    @property
    def bias_ns(self) -> int:
        """How much longer than it was a wait is told to be, on average."""
        return percentile(self._late_ns, 0.5)


def percentile(values: Sequence[int], share: float) -> int:
    """The value that so large a share of the values does not exceed; 0 of none."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0
