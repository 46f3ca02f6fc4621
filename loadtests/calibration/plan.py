"""What a calibration holds, for how long, and how each hold ends. Pure; the plans are the engines' own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

Lock = Literal["row", "advisory", "relation", "notify", "metadata", "user lock", "write lock", "thread"]
Shape = Literal["chain", "queue"]
Ending = Literal["released", "timed_out", "deadlock"]
Form = Literal["full", "short"]


SHARED_FOR = 0.2
"""Share of a hold's time for which all of its holders have the lock: the last one blocks for most of the wait."""


@dataclass(frozen=True)
class PlannedHold:
    """One lock, held for `seconds` after its last waiter has begun to wait.

    `waiters` sessions wait: in a `chain` each for the one before it, in a `queue` all for the same lock. In a
    `deadlock` both sessions wait; the second one begins `seconds` after the first. Of several `holders` of a shared
    lock all but one release it SHARED_FOR of `seconds` after the first session waits, before `seconds` begins.
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
        """The operation that its sessions report."""
        return f"calibration.hold-{self.number}"

    @property
    def alone(self) -> bool:
        """Whether the server has one such lock only: two holds at a time would wait for each other."""
        return self.lock == "notify"

    @property
    def sessions(self) -> int:
        return 2 if self.ending == "deadlock" else self.waiters + self.holders


class Several(NamedTuple):
    """A hold of a plan and how often it is made; `numbered` gives the holds their numbers."""

    times: int
    hold: PlannedHold


def S(times: int, *fields: Any, **named: Any) -> Several:  # noqa: N802  keeps the tables of plans readable
    """`times` holds of these fields of Hold, without its number."""
    return Several(times, PlannedHold(0, *fields, **named))


def numbered(plan: Sequence[Several]) -> list[PlannedHold]:
    """The holds of a plan in its order."""
    holds = [hold for times, hold in plan for _ in range(times)]
    return [replace(hold, number=number) for number, hold in enumerate(holds)]
