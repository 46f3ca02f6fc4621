"""Whether a load was all that its stages asked for: agents, arrivals and time, planned and actual. Pure.

The conductor compares what the load reports, the gate what the rows show; both use these figures and tolerances.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from loadtests.scenario.arrivals import Process, arrivals
from loadtests.scenario.stages import StageSpan, StageTimeline

SETTLE_S = 5.0
"""How long the number of agents may take to follow the plan: Locust adjusts it once a second."""

_LEAST_SETTLE_S = 3.0
"""In short stages: half of the stage, but no less than what a busy host may take."""

_SPAWNED_PER_S = 1000
"""Agents that a busy worker certainly starts in a second."""

_LEAVE_TIMES = 2
"""So many times as long for agents that leave: they end their calls first."""

LAST_ARRIVALS_S = 1.0
"""Arrivals that are due in the run's last second may be cut off by its end."""

LATE_END_S = 2.0
"""How much longer than planned a load may last: the time in which a busy master ends it."""

_EARLY_END_S = 0.05


@dataclass(frozen=True)
class StageFigures:
    """One stage, planned and actual. None: not known."""

    name: str
    planned_s: float
    lasted_s: float | None
    agents: int
    """Planned at its end."""
    agents_missing: int | None
    """The most agents that were missing at any moment, beyond the time that the number may take to follow the plan."""
    agents_extra: int | None
    """The same of agents too many."""
    arrivals: int
    """Planned."""
    arrivals_required: int
    """Those of them that are not due in the run's last second."""
    arrivals_begun: int | None


@dataclass
class AgentDeviation:
    """How far the number of agents was from the plan, by stage: `note` it as often as it is known."""

    timeline: StageTimeline
    missing: list[int] = field(init=False)
    extra: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.missing = [0] * len(self.timeline.spans)
        self.extra = [0] * len(self.timeline.spans)

    def note(self, at_s: float, alive: int) -> None:
        """`alive` agents were there `at_s` seconds after the stages began."""
        span = self.timeline.at(at_s) if at_s >= 0 else None
        if span is not None:
            settle_s = _settle_s(span)
            least, _ = self.timeline.agents_between(at_s - settle_s, at_s)
            _, most = self.timeline.agents_between(at_s - _LEAVE_TIMES * settle_s, at_s)
            self.missing[span.number] = max(self.missing[span.number], least - alive)
            self.extra[span.number] = max(self.extra[span.number], alive - most)


def _settle_s(span: StageSpan) -> float:
    change = abs(span.stage.agents - span.agents_before)
    longest_s = SETTLE_S + change / _SPAWNED_PER_S
    return min(longest_s, max(_LEAST_SETTLE_S, span.stage.duration_s / 2))


def planned_figures(timeline: StageTimeline, process: Process, seed: int) -> list[StageFigures]:
    """What is planned of each stage; nothing is known yet of what happened."""
    planned = [
        StageFigures(span.stage.name, span.stage.duration_s, None, span.stage.agents, None, None, 0, 0, None)
        for span in timeline.spans
    ]
    counts, required = [0] * len(planned), [0] * len(planned)
    for arrival in arrivals(timeline.segments(), process, seed):
        counts[arrival.segment] += 1
        required[arrival.segment] += arrival.at_s < timeline.duration_s - LAST_ARRIVALS_S
    return [
        replace(stage, arrivals=count, arrivals_required=least)
        for stage, count, least in zip(planned, counts, required, strict=True)
    ]


def shortfalls(stages: Iterable[StageFigures]) -> list[str]:
    """How the load differs from the plan, one sentence a difference; empty when it was complete."""
    return [text for stage in stages for text in _shortfalls(stage)]


def _shortfalls(stage: StageFigures) -> list[str]:
    of = f"stage {stage.name}"
    if stage.lasted_s is None:
        return [f"{of}: never began"]
    found = []
    if not -_EARLY_END_S <= stage.lasted_s - stage.planned_s <= LATE_END_S:
        found.append(f"{of}: lasted {stage.lasted_s:.1f} s instead of {stage.planned_s:g} s")
    found += agent_shortfalls(stage.name, stage.agents, stage.agents_missing, stage.agents_extra)
    begun = stage.arrivals_begun
    if begun is not None and not stage.arrivals_required <= begun <= stage.arrivals:
        found.append(f"{of}: {stage.arrivals} arrivals planned, {begun} began")
    return found


def agent_shortfalls(stage: str, agents: int, missing: int | None, extra: int | None) -> list[str]:
    """How the number of agents differed from the plan in one stage, `agents` at its end."""
    of = f"stage {stage}: {agents} agents planned"
    found = [f"{of}, up to {missing} missing"] if missing else []
    return [*found, f"{of}, up to {extra} more were there"] if extra else found


def with_lengths(
    stages: Sequence[StageFigures], started: Sequence[tuple[str, float]], stopped_s: float
) -> list[StageFigures]:
    """The stages with how long each lasted: from its start to that of the next one that began. `started` are the
    names and starts of those that did, in order."""
    found, rest = [], [*started]
    for stage in stages:
        lasted_s = None
        if rest and rest[0][0] == stage.name:
            _, started_s = rest.pop(0)
            # A load that is asked to end may still begin a stage before it does.
            lasted_s = max(0.0, (rest[0][1] if rest else stopped_s) - started_s)
        found.append(replace(stage, lasted_s=lasted_s))
    return found
