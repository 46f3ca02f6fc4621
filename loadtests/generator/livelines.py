"""What the master tells the conductor while the run goes: one JSON object a line, never blocking the load."""

import os
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.os
import orjson

_MOST_WAITING = 2000
"""Lines kept for a reader who is slow; beyond it the oldest go."""


class LiveLines:
    """Writes lines to a pipe from a greenlet of its own. `on_gone` is called once when nobody reads them any more."""

    def __init__(self, descriptor: int, on_gone: Callable[[], None]) -> None:
        gevent.os.make_nonblocking(descriptor)
        self._descriptor = descriptor
        self._on_gone = on_gone
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._more = gevent.event.Event()
        self._empty = gevent.event.Event()
        self._writer = gevent.spawn(self._write)

    def say(self, event: str, **fields: Any) -> None:
        self._waiting.append(orjson.dumps({"event": event, **fields}) + b"\n")
        self._empty.clear()
        self._more.set()

    def close(self, timeout_s: float) -> None:
        """Ends the lines, once those said before are written or the time is over."""
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
