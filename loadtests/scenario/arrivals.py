"""When customers arrive: one seeded schedule for the whole run, thinned over the workers. Pure.

Every worker walks the same schedule and takes its own places in it, so that N workers together make exactly the
schedule that one would have made, and workers need not communicate.
"""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Process = Literal["poisson", "constant"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One customer: its place in the schedule, when it is due (s since the stages began), which account, by a number
    in [0, 1) that is scaled to however many there are, and the number of the segment that it is due in."""

    index: int
    at_s: float
    account: float
    segment: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time over which the rate of arrivals goes linearly from `start_rate` to `end_rate` (per s)."""

    duration_s: float
    start_rate: float
    end_rate: float

    @property
    def expected(self) -> float:
        return self.duration_s * (self.start_rate + self.end_rate) / 2

    def moment(self, expected: float) -> float:
        """The time within this segment (s) by which `expected` arrivals are due; the inverse of the rate's integral."""
        slope = (self.end_rate - self.start_rate) / self.duration_s
        root = math.sqrt(max(self.start_rate**2 + 2 * slope * expected, 0.0))
        return min(2 * expected / (self.start_rate + root), self.duration_s) if expected > 0 else 0.0


def arrivals(segments: Sequence[Segment], process: Process, seed: int) -> Iterator[Arrival]:
    """The schedule: for `poisson` a process with the segments' rate, for `constant` an arrival each time that the
    integral of the rate has grown by one, the first when it has grown by a half."""
    gaps, accounts = random.Random(f"arrivals {seed}"), random.Random(f"accounts {seed}")  # noqa: S311  no secrets
    due = gaps.expovariate(1.0) if process == "poisson" else 0.5
    index, start_s, before = 0, 0.0, 0.0
    for number, segment in enumerate(segments):
        while due < before + segment.expected:
            yield Arrival(index, start_s + segment.moment(due - before), accounts.random(), number)
            index += 1
            due += gaps.expovariate(1.0) if process == "poisson" else 1.0
        before += segment.expected
        start_s += segment.duration_s


def thinned(schedule: Iterable[Arrival], worker: int, workers: int) -> Iterator[Arrival]:
    """The places in the schedule that are this worker's: every `workers`-th, from its own number."""
    return (arrival for arrival in schedule if arrival.index % workers == worker)
