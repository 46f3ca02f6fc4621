"""A list of things to do, in order of when they are due, and how a greenlet waits for the next."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from gevent.event import Event

from loadtests.users.clock import Clock, call_at

Action = Callable[[int, Any], None]
"""Given when it was due (ns since the origin), and what it is about."""


class Agenda:
    """`changed` is called when what is now first was not before. Of two that are due together the older comes first."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._order = count()
        self._entries: list[tuple[int, int, Action, Any]] = []

    def plan(self, due_ns: int, action: Action, subject: Any = None) -> None:
        entry = (due_ns, next(self._order), action, subject)
        heapq.heappush(self._entries, entry)
        if self._entries[0] is entry:
            self._changed()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def due_ns(self) -> int | None:
        """When the first is due; None when there is nothing to do."""
        return self._entries[0][0] if self._entries else None

    def do(self) -> None:
        """Does the first."""
        due_ns, _, action, subject = heapq.heappop(self._entries)
        action(due_ns, subject)

    def forget(self, *actions: Action) -> None:
        """Takes every entry of these actions off."""
        self._entries = [entry for entry in self._entries if entry[2] not in actions]
        heapq.heapify(self._entries)


class Waiter:
    """One greenlet waits; any other, and the hub, may `notify` it. A notification before the wait is not lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._notified = Event()

    def notify(self) -> None:
        self._notified.set()

    def until(self, due_ns: int | None) -> bool:
        """Whether that moment (ns since the origin) has come; False when it was notified before. None never comes."""
        if due_ns is None:
            self._wait()
            return False
        if due_ns > self._clock.now():
            cancel = call_at(self._clock.origin_ns + due_ns, self._notified.set)
            self._wait()
            cancel()
        return due_ns <= self._clock.now()

    def _wait(self) -> None:
        self._notified.wait()
        self._notified.clear()
