"""One place that waits: for lines, for deaths, for Ctrl-C.

Everything happens on the main thread: the parent-death signal belongs to the thread that started a child, and with one
thread there is nothing to lock.
"""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.last = number

    def __enter__(self) -> Self:
        # nohup and its like have had SIGHUP ignored: it stays so.
        heeded = [s for s in SIGNALS if not (s is signal.SIGHUP and signal.getsignal(s) is signal.SIG_IGN)]
        self._before = {s: signal.signal(s, self._note) for s in heeded}
        self._wakeup_before = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.wakes.close()
        self._waker.close()

    def check(self) -> None:
        """Raises RunEnded when somebody asked to stop."""
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
        """The lines that have come since the last call; `ended` tells whether there will be more."""
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


class Watch:
    """Calls back when a descriptor can be read or a process has ended, until told to stop."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._selector = selectors.DefaultSelector()
        self._pidfds: dict[int, int] = {}
        self._selector.register(interrupts.wakes, selectors.EVENT_READ, lambda: self._drain(interrupts.wakes))

    @staticmethod
    def _drain(wakes: socket.socket) -> None:
        try:
            while wakes.recv(64):
                pass
        except BlockingIOError:
            pass

    def on_readable(self, descriptor: int, call: Callable[[], Any]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, call)

    def forget_readable(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)

    def on_death(self, pid: int, call: Callable[[], Any]) -> None:
        """Also for processes that are not our children; one that is gone already is reported at once."""
        if pid in self._pidfds:
            return
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            call()
            return
        self._pidfds[pid] = pidfd
        self._selector.register(pidfd, selectors.EVENT_READ, lambda: self._died(pid, call))

    def _died(self, pid: int, call: Callable[[], Any]) -> None:
        self.forget_death(pid)
        call()

    def forget_death(self, pid: int) -> None:
        pidfd = self._pidfds.pop(pid, None)
        if pidfd is not None:
            self._selector.unregister(pidfd)
            os.close(pidfd)

    def wait(self, timeout_s: float) -> None:
        """Waits for something to happen, at most `timeout_s`, and makes the calls that it is due."""
        for key, _ in self._selector.select(max(timeout_s, 0.0)):
            key.data()

    def close(self) -> None:
        for pid in list(self._pidfds):
            self.forget_death(pid)
        self._selector.close()


@contextmanager
def watching(interrupts: Interrupts) -> Iterator[Watch]:
    watch = Watch(interrupts)
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
