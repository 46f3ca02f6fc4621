"""What is held, for how long, and how it ends: the plan of a calibration. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

Lock = Literal["row", "advisory", "relation", "notify", "metadata", "user lock", "write lock", "thread"]
Shape = Literal["chain", "queue"]
Ending = Literal["released", "timed_out", "deadlock"]
Form = Literal["full", "short"]


BRIEFLY = 0.2
"""As a share: the one who stays is in the way for most of the wait."""


@dataclass(frozen=True)
class Hold:
    """One lock, held for `seconds` after its last waiter has begun to wait.

    `waiters` sessions wait: in a `chain` each for the one before it, in a `queue` all for the same lock. Of a
    `deadlock` both sessions wait; the second one begins `seconds` after the first. Of several `holders` of a lock
    that may be shared, all but one let go before that time begins, BRIEFLY of `seconds` after somebody waits for it.
    """

    number: int
    lock: Lock
    seconds: float
    waiters: int = 1
    shape: Shape = "queue"
    ending: Ending = "released"
    holders: int = 1

    @property
    def name(self) -> str:
        """The operation that its sessions call themselves."""
        return f"calibration.hold-{self.number}"

    @property
    def alone(self) -> bool:
        """Whether it is of a lock that there is once in the server: two at a time would wait for each other."""
        return self.lock == "notify"

    @property
    def sessions(self) -> int:
        return 2 if self.ending == "deadlock" else self.waiters + self.holders


class Several(NamedTuple):
    """A hold of the plan, and how many of it; their numbers come with the plan."""

    times: int
    hold: Hold


def S(times: int, *what: Any, **how: Any) -> Several:  # noqa: N802  the tables below are read like one
    """So many holds: `what` and `how` are what a Hold is made of, but for its number."""
    return Several(times, Hold(0, *what, **how))


PLANS: dict[tuple[str, Form], Sequence[Several]] = {
    ("postgres", "short"): (
        S(1, "row", 0.35, 3, "chain"),
        S(1, "row", 0.35, 3),
        S(1, "relation", 0.25, 2),
        S(1, "relation", 0.3, holders=2),
        S(1, "row", 0.2, ending="timed_out"),
        S(1, "advisory", 0.2),
        S(2, "advisory", 0.1),
        S(4, "row", 0.05),
        S(8, "row", 0.02),
        S(1, "row", 0.02, ending="deadlock"),
        S(1, "row", 0.005),
        S(1, "advisory", 0.002),
        S(1, "advisory", 0.0005),
    ),
    ("postgres", "full"): (
        S(2, "row", 5.0),
        S(1, "advisory", 5.0),
        S(1, "relation", 5.0),
        *(S(2, lock, 2.0) for lock in ("row", "advisory", "relation")),
        *(S(2, "row", seconds, depth, "chain") for seconds in (0.1, 0.5, 1.0) for depth in (2, 3, 4)),
        *(S(3, lock, seconds, 3) for lock in ("row", "relation", "advisory") for seconds in (0.05, 0.3, 1.0)),
        *(S(3, "relation", seconds, holders=2) for seconds in (0.3, 1.0)),
        *(
            S(2, lock, seconds, ending="timed_out")
            for lock in ("row", "advisory", "relation")
            for seconds in (0.1, 0.5)
        ),
        *(S(3, "row", seconds, ending="deadlock") for seconds in (0.02, 0.1, 0.5)),
        *(S(20, lock, seconds) for lock in ("row", "advisory", "relation") for seconds in (0.015, 0.025, 0.05, 0.1)),
        *(S(6, lock, 0.3) for lock in ("row", "advisory", "relation")),
        S(1, "notify", 2.0),
        S(2, "notify", 0.3, 3),
        S(2, "notify", 0.1, ending="timed_out"),
        *(S(6, "notify", seconds) for seconds in (0.2, 0.1, 0.02)),
        *(S(20, lock, seconds) for lock in ("row", "advisory") for seconds in (0.0005, 0.002, 0.005)),
    ),
    ("mariadb", "short"): (
        S(1, "row", 0.85, 2, "chain"),
        S(1, "row", 0.8),
        S(1, "metadata", 0.65),
        S(1, "row", 0.2, ending="deadlock"),
        S(2, "row", 0.05),
    ),
    ("mariadb", "full"): (
        S(2, "row", 5.0),
        S(1, "metadata", 5.0),
        S(1, "user lock", 5.0),
        *(S(2, "row", 1.0, depth, "chain") for depth in (2, 3, 4)),
        *(S(2, "row", seconds, 3) for seconds in (0.6, 1.0)),
        *(S(2, lock, 1.0, ending="timed_out") for lock in ("row", "metadata", "user lock")),
        *(S(2, "row", seconds, ending="deadlock") for seconds in (0.1, 1.0)),
        S(4, "metadata", 0.7, 2),
        S(3, "metadata", 1.0, holders=2),
        S(6, "metadata", 0.7),
        S(6, "user lock", 0.7),
        S(20, "row", 0.6),
        S(10, "row", 2.0),
        *(S(15, "row", seconds) for seconds in (0.02, 0.1, 0.3)),
        *(S(10, "row", seconds) for seconds in (0.0005, 0.005)),
    ),
    ("sqlite", "short"): (
        S(1, "write lock", 0.15, 3),
        S(1, "write lock", 0.1, 2),
        S(3, "write lock", 0.02),
        S(2, "write lock", 0.005),
    ),
    ("sqlite", "full"): (
        S(1, "write lock", 4.5, ending="timed_out"),
        S(1, "write lock", 2.0, 2),
        S(3, "write lock", 0.5, 3),
        S(20, "write lock", 0.1, 3),
        S(20, "write lock", 0.02, 2),
        *(S(15, "write lock", seconds) for seconds in (0.0005, 0.002, 0.005)),
    ),
    ("redis", "full"): (
        S(3, "thread", 1.0),
        S(8, "thread", 0.3),
        S(10, "thread", 0.05),
        *(S(10, "thread", seconds) for seconds in (0.01, 0.001)),
    ),
}
"""Engine and form → what is held."""


def plan(engine: str, form: Form) -> list[Hold]:
    """The holds of an engine, numbered in the order of the plan. Raises KeyError for one that is not calibrated."""
    holds = [hold for times, hold in PLANS[engine, form] for _ in range(times)]
    return [replace(hold, number=number) for number, hold in enumerate(holds)]


def calibrated(engine: str, form: Form) -> bool:
    """Whether there is something to hold in this engine."""
    return (engine, form) in PLANS
