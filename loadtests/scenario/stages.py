"""What is asked of the load at a moment: agents, rate of arrivals, reconnect storms. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from loadtests.scenario.arrivals import Segment
from loadtests.scenario.model import Stage


@dataclass(frozen=True)
class StageSpan:
    """A stage with its place in time (s since the stages began) and what the one before it had reached."""

    number: int
    stage: Stage
    starts_s: float
    agents_before: int
    rate_before: float

    @property
    def ends_s(self) -> float:
        return self.starts_s + self.stage.duration_s

    def agents_at(self, t_s: float) -> int:
        if not self.stage.ramp:
            return self.stage.agents
        share = min(max((t_s - self.starts_s) / self.stage.duration_s, 0.0), 1.0)
        return round(self.agents_before + share * (self.stage.agents - self.agents_before))


@dataclass(frozen=True)
class StageTimeline:
    """The stages in order of time."""

    spans: tuple[StageSpan, ...]

    @property
    def duration_s(self) -> float:
        return self.spans[-1].ends_s

    def at(self, t_s: float) -> StageSpan | None:
        """The stage at `t_s`; the first one before the start, None when all are over."""
        return next((span for span in self.spans if t_s < span.ends_s), None)

    def agents_between(self, from_s: float, to_s: float) -> tuple[int, int]:
        """The fewest and the most agents planned from `from_s` to `to_s`; none before the start."""
        planned = [0] if from_s < 0 else []
        for span in self.spans:
            if span.starts_s <= to_s and from_s <= span.ends_s:
                planned += [span.agents_at(max(from_s, span.starts_s)), span.agents_at(min(to_s, span.ends_s))]
        return min(planned, default=0), max(planned, default=0)

    def segments(self) -> list[Segment]:
        """The rates of arrivals, for the schedule: a segment for each stage."""
        return [
            Segment(
                s.stage.duration_s, s.rate_before if s.stage.ramp else s.stage.arrivals_per_s, s.stage.arrivals_per_s
            )
            for s in self.spans
        ]


def timeline(stages: Sequence[Stage]) -> StageTimeline:
    starts = [0.0, *accumulate(stage.duration_s for stage in stages)]
    befores = [(0, 0.0), *((stage.agents, stage.arrivals_per_s) for stage in stages)]
    spans = (StageSpan(i, s, starts[i], *befores[i]) for i, s in enumerate(stages))
    return StageTimeline(tuple(spans))
