"""Figures of operations: percentiles with their intervals, outcomes, and how they changed over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadtests.records.vocabulary import OPERATIONS
from reports.data.arrays import Floats, Ints
from reports.data.contract import StudyRun
from reports.findings.estimates import Bin, Estimate
from reports.findings.pooling import summed

FROM_CAUSE = "event.deliver"

FROM_STAMP = "event.deliver from stamp"

MEASURES: tuple[str, ...] = (*OPERATIONS, FROM_STAMP)
"""What is measured, in the order shown: operations, and deliveries a second time, from the server's own stamp."""


@dataclass(frozen=True)
class Axis:
    """The time axis that all runs of a study share: bins of `width_ns`, 0 being the start of a run's first stage."""

    width_ns: int
    count: int

    @property
    def width_s(self) -> float:
        return self.width_ns / 1e9

    @property
    def centres_s(self) -> Floats:
        return np.asarray((np.arange(self.count) + 0.5) * self.width_s, dtype=np.float64)

    def widths_s(self, run: StudyRun) -> Floats:
        """Seconds of the run in each bin."""
        return np.asarray(np.diff(self.edges_ns(run)) / 1e9, dtype=np.float64)

    def edges_ns(self, run: StudyRun) -> Ints:
        """Edges of the run's bins. Bins after the end of the run have no width."""
        edges = np.minimum(run.started_ns + np.arange(self.count + 1, dtype=np.int64) * self.width_ns, run.ended_ns)
        return np.append(edges[:-1], max(edges[-1], min(run.ended_ns, edges[-1] + self.width_ns)))

    def mean_of_rounds(self, runs: Sequence[StudyRun], rounds: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
        """The mean in each bin, over the time that each round lasted."""
        widths = [self.widths_s(run) for run in runs]
        lasted = np.maximum(np.sum(widths, axis=0), 1e-9)
        weighted = (
            {name: seen * width / lasted for name, seen in part.items()}
            for part, width in zip(rounds, widths, strict=True)
        )
        return summed(weighted)

    def bins(self, times: Ints, run: StudyRun) -> npt.NDArray[np.int16]:
        """The bin of each time; -1 for one outside the axis."""
        places = (times - run.started_ns) // self.width_ns
        places = np.where((places == self.count) & (times <= run.ended_ns), self.count - 1, places)
        return np.where((places >= 0) & (places < self.count), places, -1).astype(np.int16)


TOLERANCE_NS = 1_000_000
"""Tolerance for reading the two clocks at slightly different moments."""

_FARTHEST_NS = 1 << 61
"""About 70 years: larger values are not clock readings, and differences would overflow."""

_SLOWEST_NS = 1_000_000_000
"""The largest minimum delay of a run that is plausible where no cause is known."""


@dataclass(frozen=True)
class StampClock:
    """How far the stamps' clock is ahead of the harness's in ns: from `low` to `high`. None: nothing bounds it.

    A push was published after the operation that caused it began and before it arrived. With one clock that is so for
    the stamps as well; with two, each push bounds how far they are apart, and a run's pushes bound it to about the
    quickest of them. `low` above `high`: no constant difference explains the stamps.
    """

    low: int | None = None
    high: int | None = None
    tolerance_ns: int = TOLERANCE_NS

    def with_pushes(self, published: Ints, ended: Ints, started: Ints | None = None) -> "StampClock":
        """The bounds tightened by these pushes; `started`: when their causes began, where these are known."""
        if not len(published):
            return self
        stamps = np.clip(published, -_FARTHEST_NS, _FARTHEST_NS)
        lows = [int((stamps - ended).max()), *([] if self.low is None else [self.low])]
        highs = [] if self.high is None else [self.high]
        if started is not None:
            highs.append(int((stamps - started).min()))
        return StampClock(max(lows), min(highs, default=None), self.tolerance_ns)

    @property
    def moved(self) -> bool:
        """Whether one of the clocks was set, or drifted, during the run."""
        return self.low is not None and self.high is not None and self.low > self.high + self.tolerance_ns

    @property
    def usable(self) -> bool:
        """Whether the stamps can be compared with our times; True where there are none."""
        if self.low is None:
            return True
        behind = self.high < -self.tolerance_ns if self.high is not None else self.low < -_SLOWEST_NS
        return not (self.moved or behind or self.low > self.tolerance_ns)


STAGED = ("chat.accept", "connection.create")
"""Operations with figures for each stage."""


@dataclass(frozen=True)
class StageMeasures:
    """One operation in one stage: counts by outcome, and percentiles in ns."""

    outcomes: Mapping[str, int]
    p50: Estimate | None
    p99: Estimate | None


@dataclass(frozen=True)
class Measure:
    """One storage's figures of one operation, rounds pooled, over the judged stages. Durations in ns.

    Percentiles cover operations that were done or whose end was not observed; failures and refusals are only counted.
    """

    name: str
    outcomes: Mapping[str, int]
    errors: Mapping[str, int]
    rate_per_s: float | None
    response: Mapping[str, Estimate | None]
    service: Mapping[str, Estimate | None]
    rounds: Mapping[str, Mapping[str, Estimate | None]]
    """The response's figures by run."""
    waited_s: float
    """Sum of all responses, refusals included."""
    client_backlog_s: float
    """Its client backlog: the time before they began, in which the user was still in an earlier call."""
    curve: tuple[list[float], list[int]]
    over_time: Sequence[Bin | None]
    failed: Floats
    """Failed or unknown attempts planned in each bin, all rounds together."""
    good: int | None
    """Attempts that ended ok within the limit of the operation; None without a limit."""
    stages: Sequence[StageMeasures]
    """By the stages of the run; empty for operations not in `STAGED`."""
    unreliable_clock: StampClock | None = None
    """The clock of the stamps, where it is the reason that only the number of attempts is known."""

    @property
    def n(self) -> int:
        """Attempts: a refusal is an answer, and apart."""
        return sum(n for outcome, n in self.outcomes.items() if outcome != "refused")
