"""How far a database's clock is ahead of ours."""

import time
from collections.abc import Awaitable, Callable

from loadtests.probes.contract import Clock, ServerClockOffset

_READINGS = 15
CLOCK_SET_NS = 250_000_000
"""A clock that differs by more than that from what is expected of it may have been set."""


async def clock_offset(read_us: Callable[[], Awaitable[int]]) -> ServerClockOffset:
    """Of a few readings of the server's clock (Unix µs) the one with the shortest round trip."""
    return min([await _reading(read_us) for _ in range(_READINGS)], key=lambda reading: reading.error_ns)


async def _reading(read_us: Callable[[], Awaitable[int]]) -> ServerClockOffset:
    before_ns = time.time_ns()
    theirs_us = await read_us()
    half_ns = (time.time_ns() - before_ns) // 2
    return ServerClockOffset(theirs_us * 1000 - before_ns - half_ns, half_ns)


class ServerClock:
    """Converts moments between a server's clock (Unix ns) and ours (ns since the run's origin).

    Ours cannot be set. Where this host's Unix clock is, and it is the server's as well, the two agree as before.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = ServerClockOffset(0, 1 << 62)

    def learn(self, offset: ServerClockOffset) -> None:
        """A reading against this host's Unix clock. The surer of two that agree counts, else the newer."""
        ahead = self._of_ours(offset)
        apart_ns, errors_ns = self._apart_ns(ahead)
        if ahead.error_ns <= self._ahead.error_ns or apart_ns > errors_ns:
            self._ahead = ahead

    def was_set(self, offset: ServerClockOffset) -> bool:
        """Whether neither errors nor drift explain how far the reading is from what was learnt before."""
        apart_ns, errors_ns = self._apart_ns(self._of_ours(offset))
        return apart_ns > errors_ns + CLOCK_SET_NS

    def _of_ours(self, offset: ServerClockOffset) -> ServerClockOffset:
        """Of a few readings of the two clocks here the one that least came between."""
        unix = min([self._unix_ahead() for _ in range(_READINGS)], key=lambda reading: reading.error_ns)
        return ServerClockOffset(offset.offset_ns + unix.offset_ns, offset.error_ns + unix.error_ns)

    def _unix_ahead(self) -> ServerClockOffset:
        before_ns = self._clock()
        unix_ns = time.time_ns()
        half_ns = (self._clock() - before_ns) // 2
        return ServerClockOffset(unix_ns - before_ns - half_ns, half_ns)

    def _apart_ns(self, ahead: ServerClockOffset) -> tuple[int, int]:
        return abs(ahead.offset_ns - self._ahead.offset_ns), ahead.error_ns + self._ahead.error_ns

    def here(self, server_ns: int) -> int:
        return server_ns - self._ahead.offset_ns

    def there(self, here_ns: int) -> int:
        return here_ns + self._ahead.offset_ns
