"""How far a database's clock is ahead of ours."""

import time
from collections.abc import Awaitable, Callable

from loadtests.probes.contract import Clock, ClockOffset

_READINGS = 15


async def clock_offset(read_us: Callable[[], Awaitable[int]]) -> ClockOffset:
    """Of a few readings of the server's clock (Unix µs) the one with the shortest round trip."""
    return min([await _reading(read_us) for _ in range(_READINGS)], key=lambda reading: reading.error_ns)


async def _reading(read_us: Callable[[], Awaitable[int]]) -> ClockOffset:
    before_ns = time.time_ns()
    theirs_us = await read_us()
    half_ns = (time.time_ns() - before_ns) // 2
    return ClockOffset(theirs_us * 1000 - before_ns - half_ns, half_ns)


class ServerClock:
    """Converts moments between a server's clock (Unix ns) and ours (ns since the run's origin)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset = ClockOffset(0, 1 << 62)

    def learn(self, offset: ClockOffset) -> None:
        """The surer of two readings that agree counts, else the newer."""
        apart_ns = abs(offset.offset_ns - self.offset.offset_ns)
        if offset.error_ns <= self.offset.error_ns or apart_ns > offset.error_ns + self.offset.error_ns:
            self.offset = offset

    def here(self, server_ns: int) -> int:
        return server_ns - self.offset.offset_ns + self._clock() - time.time_ns()

    def there(self, here_ns: int) -> int:
        return here_ns + self.offset.offset_ns + time.time_ns() - self._clock()
