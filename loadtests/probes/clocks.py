"""How far a database's clock is ahead of ours."""

import time
from collections.abc import Awaitable, Callable

from loadtests.probes.contract import ClockOffset

_READINGS = 15


async def clock_offset(read_us: Callable[[], Awaitable[int]]) -> ClockOffset:
    """Of a few readings of the server's clock (Unix µs) the one with the shortest round trip."""
    return min([await _reading(read_us) for _ in range(_READINGS)], key=lambda reading: reading.error_ns)


async def _reading(read_us: Callable[[], Awaitable[int]]) -> ClockOffset:
    before_ns = time.time_ns()
    theirs_us = await read_us()
    half_ns = (time.time_ns() - before_ns) // 2
    return ClockOffset(theirs_us * 1000 - before_ns - half_ns, half_ns)
