"""A run that a master is given: where it comes from, its live lines to the conductor, and why it cannot begin."""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
                    rest = memoryview(self._waiting.popleft())
                    while rest:
                        rest = rest[gevent.os.nb_write(self._descriptor, rest) :]
                self._empty.set()
        except OSError:
            self._empty.set()
            self._on_gone()


@dataclass
class Prepared:
    """A run that waits for its load. `finish` is called when every row is kept, and returns an exit code."""

    plan: RunPlan
    secret: str
    lines: LiveLines | None
    finish: Callable[[], int]


class GivenRun:
    """The one run that the conductor's environment variables describe."""

    def __init__(self, plan: RunPlan, gone: Callable[[], None]) -> None:
        self._plan = plan
        descriptor = os.environ.get("LOADTESTS_LIVE_FD")
        self._lines = LiveLines(int(descriptor), gone) if descriptor else None
        self._used = False

    cancelled = False

    def abandon(self, problem: CannotRunError) -> None:
        """Reports the problem, unless the run that was prepared has."""
        if not self._used and self._lines is not None:
            self._lines.report("refused", problem=str(problem), code=problem.code)

    def prepare(self) -> Prepared:
        secret = os.environ.get("LOADTESTS_TOKEN_SECRET")
        if not secret:
            raise CannotRunError(64, "LOADTESTS_TOKEN_SECRET is not set")
        if self._used:
            raise CannotRunError(64, "LOADTESTS_PLAN describes one run, which has already finished")
        self._used = True
        return Prepared(self._plan, secret, self._lines, lambda: 0)
