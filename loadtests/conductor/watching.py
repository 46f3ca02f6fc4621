"""The one place that waits: for lines, exits of processes, interrupts and the tasks of actions.

One asyncio loop on the main thread runs while the conductor waits. The parent-death signal belongs to the thread that
started a child, and with one thread there is nothing to lock.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from types import FrameType
from typing import Any, Self

from loadtests.conductor.failures import RunEnded

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Counts SIGINT, SIGTERM and SIGHUP instead of raising in the middle of something."""

    def __init__(self) -> None:
        self.count = 0
        self.last: int | None = None
        """The signal that came last."""
        self.wakes, self._waker = socket.socketpair()
        for end in (self.wakes, self._waker):
            end.setblocking(False)

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the main thread, closed with the interrupts."""
        return asyncio.new_event_loop()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.last = number

    def __enter__(self) -> Self:
        # nohup and similar programs ignore SIGHUP: it stays ignored.
        handled = [s for s in SIGNALS if not (s is signal.SIGHUP and signal.getsignal(s) is signal.SIG_IGN)]
        self._before = {s: signal.signal(s, self._note) for s in handled}
        self._wakeup_before = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.wakes.close()
        self._waker.close()
        if "loop" in self.__dict__:
            self.loop.close()

    def check(self) -> None:
        """Raises RunEnded after an interrupt."""
        if self.count:
            raise RunEnded("interrupted", "stopped by hand")


class Lines:
    """Whole lines out of a non-blocking descriptor, which it owns."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.ended = False
        self._rest = b""

    def read(self) -> list[bytes]:
        """The lines that have come since the last call; `ended` becomes true when there will be no more."""
        try:
            while chunk := os.read(self.descriptor, 65536):
                self._rest += chunk
            self.ended = True
        except BlockingIOError:
            pass
        *lines, self._rest = self._rest.split(b"\n")
        return lines

    def close(self) -> None:
        os.close(self.descriptor)


class ProcessWatch:
    """Calls back when a descriptor is readable or a process has exited, until closed.

    The calls are made by the loop of `interrupts` while it runs, which is in `wait`. One watch at a time."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._loop = interrupts.loop
        self._readable: set[int] = set()
        self._pidfds: dict[int, int] = {}
        self._called = asyncio.Event()
        self._error: BaseException | None = None
        self.on_readable(interrupts.wakes.fileno(), lambda: self._drain(interrupts.wakes))

    @staticmethod
    def _drain(wakes: socket.socket) -> None:
        with suppress(BlockingIOError):
            while wakes.recv(64):
                pass

    def on_readable(self, descriptor: int, call: Callable[[], Any]) -> None:
        self._loop.add_reader(descriptor, self._call, call)
        self._readable.add(descriptor)

    def forget_readable(self, descriptor: int) -> None:
        self._readable.discard(descriptor)
        self._loop.remove_reader(descriptor)

    def on_death(self, pid: int, call: Callable[[], Any]) -> None:
        """Also for processes that are not our children; for one that has exited already the call is made at once."""
        if pid in self._pidfds:
            return
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            call()
            return
        self._pidfds[pid] = pidfd
        self.on_readable(pidfd, lambda: self._died(pid, call))

    def _died(self, pid: int, call: Callable[[], Any]) -> None:
        self.forget_death(pid)
        call()

    def forget_death(self, pid: int) -> None:
        pidfd = self._pidfds.pop(pid, None)
        if pidfd is not None:
            self.forget_readable(pidfd)
            os.close(pidfd)

    def _call(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except BaseException as error:
            self.fail(error)
        self._called.set()

    def wake(self) -> None:
        """Ends the wait."""
        self._called.set()

    def fail(self, error: BaseException) -> None:
        """Ends the wait with an error."""
        self._error = self._error or error
        self._called.set()

    def wait(self, timeout_s: float) -> None:
        """Runs the loop until a call has been made, at most for `timeout_s`. Raises the error of a call."""
        self._loop.run_until_complete(self._until_called(max(timeout_s, 0.0)))
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    async def _until_called(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._called.wait()
        self._called.clear()

    def close(self) -> None:
        for pid in list(self._pidfds):
            self.forget_death(pid)
        for descriptor in list(self._readable):
            self.forget_readable(descriptor)


@contextmanager
def watching(interrupts: Interrupts) -> Iterator[ProcessWatch]:
    watch = ProcessWatch(interrupts)
    try:
        yield watch
    finally:
        watch.close()


class Deadline:
    """A moment that must not be passed."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        return max(self._at - time.monotonic(), 0.0)

    @property
    def passed(self) -> bool:
        return self.left_s == 0.0
