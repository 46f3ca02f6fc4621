"""A run that a master is given: where it comes from, its live lines to the conductor, and why it cannot begin."""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import gevent
import gevent.event
import gevent.os
import orjson

from loadtests.scenario import RunPlan

_MOST_WAITING = 2000
"""Lines kept for a reader who is slow; beyond it the oldest go."""


class CannotRunError(Exception):
    """A run that cannot begin; `code` is the process's exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class LiveLines:
    """Writes lines to a pipe from a greenlet of its own. `on_gone` is called once, when the pipe has no reader left."""

    def __init__(self, descriptor: int, on_gone: Callable[[], None]) -> None:
        gevent.os.make_nonblocking(descriptor)
        self._descriptor = descriptor
        self._on_gone = on_gone
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._more = gevent.event.Event()
        self._empty = gevent.event.Event()
        self._writer = gevent.spawn(self._write)

    def report(self, event: str, **fields: Any) -> None:
        self._waiting.append(orjson.dumps({"event": event, **fields}) + b"\n")
        self._empty.clear()
        self._more.set()

    def close(self, timeout_s: float) -> None:
        """Ends the lines, once those reported before are written or the time is over."""
        self._empty.wait(timeout_s)
        self._writer.kill()
        os.close(self._descriptor)

    def _write(self) -> None:
        try:
            while True:
                self._more.wait()
                self._more.clear()
                while self._waiting:
                    self._write_whole(self._waiting.popleft())
                self._empty.set()
        except OSError:
            self._empty.set()
            self._on_gone()

    def _write_whole(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[gevent.os.nb_write(self._descriptor, rest) :]


@dataclass
class Prepared:
    """A run that waits for its load. `finish` is called when every row is kept, and returns an exit code."""

    plan: RunPlan
    secret: str
    lines: LiveLines | None
    finish: Callable[[], int]


class RunSource(Protocol):
    """Where a master gets its runs: the conductor that started it, or one that it starts itself."""

    @property
    def cancelled(self) -> bool:
        """Whether the run that is being prepared is no longer wanted."""

    def prepare(self) -> Prepared:
        """Raises CannotRunError."""

    def abandon(self, problem: CannotRunError) -> None:
        """Releases what was prepared for a run that could not begin; waits for that."""
