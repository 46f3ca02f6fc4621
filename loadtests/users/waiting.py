"""How an actor passes the time: until a moment comes, or something happens."""

from gevent.event import Event

from loadtests.generator.talk import Clock
from loadtests.users.alarm import call_at


class Waiter:
    """One greenlet waits; anybody, also in the hub, may `ring`. A ring that comes before the wait is not lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bell = Event()

    def ring(self) -> None:
        self._bell.set()

    def until(self, due_ns: int | None) -> bool:
        """Whether that moment (ns since the origin) has come; False when somebody rang before. None never comes."""
        if due_ns is None:
            self._hear()
            return False
        if due_ns > self._clock.now():
            cancel = call_at(self._clock.origin_ns + due_ns, self._bell.set)
            self._hear()
            cancel()
        return due_ns <= self._clock.now()

    def _hear(self) -> None:
        self._bell.wait()
        self._bell.clear()
