"""Which waits there must have been, told from what the sessions of a calibration did themselves. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from loadtests.calibration.plan import Hold

_BEHIND_THE_FIRST = frozenset({("postgres", "row"), ("postgres", "relation"), ("mariadb", "metadata")})
"""Engine and lock → who comes later in a queue stands behind the first waiter, not the holder: a row's queue in
PostgreSQL is the first one's, and readers behind a change of the table conflict with that one alone."""


@dataclass(frozen=True)
class Ask:
    """One statement that had to wait, as its session saw it.

    `place` in the hold's sessions; `quiet_ns` is what the same statement takes when nobody is in the way; times in ns
    since the origin; `outcome` is a word of WAIT_OUTCOMES.
    """

    place: int
    sent_ns: int
    answered_ns: int
    quiet_ns: int
    outcome: str


@dataclass(frozen=True)
class Done:
    """A hold as it really was: the sessions' numbers in the server, the holder's first."""

    hold: Hold
    sessions: Sequence[int]
    asks: Sequence[Ask]


@dataclass(frozen=True)
class Expected:
    """A wait that there was. `blocker` and `root` are the sessions that may rightly be named."""

    session: int
    started_ns: int
    ended_ns: int
    lock: str
    outcome: str
    blocker: frozenset[int]
    root: frozenset[int]
    error_ns: int = 0
    """How far `lasted_ns` itself may be off."""

    @property
    def lasted_ns(self) -> int:
        return self.ended_ns - self.started_ns


def expected(engine: str, done: Iterable[Done], error_of_ns: Callable[[int, int], int]) -> list[Expected]:
    """Every wait of what was done. `error_of_ns`: how well this process kept the time between two moments."""
    return [_wait(engine, one, ask, error_of_ns(ask.sent_ns, ask.answered_ns)) for one in done for ask in one.asks]


def _wait(engine: str, done: Done, ask: Ask, error_ns: int) -> Expected:
    lasted_ns = max(ask.answered_ns - ask.sent_ns - ask.quiet_ns, 0)
    # What the statement takes besides is before the wait as well as after it.
    started_ns = ask.sent_ns + min(ask.quiet_ns, ask.answered_ns - ask.sent_ns) // 2
    blocker, root = _culprits(engine, done.hold, done.sessions, ask.place)
    return Expected(
        done.sessions[ask.place],
        started_ns,
        started_ns + lasted_ns,
        done.hold.lock,
        ask.outcome,
        frozenset(blocker),
        frozenset(root),
        error_ns,
    )


def _culprits(engine: str, hold: Hold, sessions: Sequence[int], place: int) -> tuple[set[int], set[int]]:
    """The sessions that may be named as direct blocker, and as root, of the one in that place."""
    if hold.ending == "deadlock":  # a circle has no head: whoever closes it, or the other one
        return {sessions[1 - place]}, set(sessions)
    if hold.shape == "chain":
        return {sessions[place - 1]}, {sessions[0]}
    if place > 1 and (engine, hold.lock) in _BEHIND_THE_FIRST:
        return {sessions[1]}, {sessions[0]}
    return {sessions[0]}, {sessions[0]}
