"""The run's time, and waking up on time.

The hub's timers come up to a millisecond late (0.7 ms at the median, measured), which would be added to every operation
that has a planned moment. A timer of the kernel, watched like a socket, comes within 0.1 ms.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush
from time import CLOCK_MONOTONIC, monotonic_ns
from typing import Any, Final

from gevent import getcurrent
from gevent.hub import get_hub

_ABSOLUTE: Final = 1
_SECOND_NS: Final = 1_000_000_000
_MANY: Final = 1000


@dataclass(frozen=True, slots=True)
class Clock:
    """This process's view of the run's time: ns since the origin."""

    origin_ns: int
    """The run's origin on this process's CLOCK_MONOTONIC."""
    unix_at_origin_ns: int
    """What the pod's Unix clock showed at the origin, by the master's clock pair."""

    def now(self) -> int:
        return monotonic_ns() - self.origin_ns

    def of_unix(self, unix_ns: int) -> int:
        return unix_ns - self.unix_at_origin_ns


class _KernelTimer:
    """One kernel timer for a hub: it is set for the earliest of the calls."""

    def __init__(self, hub: Any) -> None:
        """Raises OSError where the kernel gives no such timer."""
        self._hub = hub
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._setting = (ctypes.c_long * 4)()
        self._descriptor: int = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._calls: list[tuple[int, int, list[Callable[[], Any]]]] = []
        self._count = 0
        self._cancelled = 0
        self._set_for = 0
        self._watcher = hub.loop.io(self._descriptor, 1)
        self._watcher.start(self._on_expiry)

    def call_at(self, at_ns: int, callback: Callable[[], Any]) -> Callable[[], None]:
        call = [callback]
        self._count += 1
        heappush(self._calls, (at_ns, self._count, call))
        if not self._set_for or at_ns < self._set_for:
            self._set(at_ns)
        return partial(self._cancel, call)

    def _cancel(self, call: list[Callable[[], Any]]) -> None:
        if not call:
            return
        call.clear()
        self._cancelled += 1
        # Those who are often woken before their time would fill the memory until it comes.
        if self._cancelled > _MANY and self._cancelled > len(self._calls) // 2:
            self._calls[:] = [entry for entry in self._calls if entry[2]]
            heapify(self._calls)
            self._cancelled = 0

    def _set(self, at_ns: int) -> None:
        self._set_for = at_ns
        # 0 would turn the timer off; the past expires at once.
        self._setting[2], self._setting[3] = divmod(max(at_ns, 1), _SECOND_NS)
        if self._libc.timerfd_settime(self._descriptor, _ABSOLUTE, self._setting, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime: no greenlet would be woken on time")

    def _on_expiry(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._descriptor, 8)
        calls = self._calls
        now = monotonic_ns()
        while calls and calls[0][0] <= now:
            call = heappop(calls)[2]
            if call:
                self._call(call.pop())
            else:
                self._cancelled -= 1
        self._set_for = 0
        if calls:
            self._set(calls[0][0])

    def _call(self, callback: Callable[[], Any]) -> None:
        try:
            callback()
        except BaseException:
            # The loop would stop the watcher, and no greenlet would be woken again: not those either that a run needs
            # to end in order after Ctrl-C. The hub raises KeyboardInterrupt and SystemExit in the main greenlet.
            self._hub.handle_error(callback, *sys.exc_info())


_kernel_timers: dict[tuple[int, int], _KernelTimer] = {}


def _kernel_timer() -> _KernelTimer | None:
    """The hub's own; a forked process makes itself a new one, for the old one's descriptor is its parent's too."""
    hub = get_hub()
    key = (os.getpid(), id(hub))
    if key not in _kernel_timers and sys.platform == "linux":
        _kernel_timers.clear()
        _kernel_timers[key] = _KernelTimer(hub)
    return _kernel_timers.get(key)


def call_at(at_ns: int, callback: Callable[[], Any]) -> Callable[[], None]:
    """Calls `callback` in the hub when CLOCK_MONOTONIC shows `at_ns`; it must not wait. Returns what cancels that;
    cancelling afterwards is harmless."""
    timer = _kernel_timer()
    if timer is not None:
        return timer.call_at(at_ns, callback)
    timer = get_hub().loop.timer(max(at_ns - monotonic_ns(), 0) / _SECOND_NS)
    timer.start(callback)
    cancel: Callable[[], None] = timer.close
    return cancel


def sleep_until(at_ns: int) -> None:
    """Lets other greenlets run until CLOCK_MONOTONIC shows `at_ns`; returns at once when it does already."""
    if at_ns <= monotonic_ns():
        return
    cancel = call_at(at_ns, getcurrent().switch)
    try:
        get_hub().switch()
    finally:
        cancel()
