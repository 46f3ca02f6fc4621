"""Whether the load was what the scenario asked for, by what its master and its workers reported."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from loadtests.conductor.failures import COMPLETED, Reason
from loadtests.conductor.run.live import LoadState
from loadtests.scenario import Scenario
from loadtests.scenario.completeness import StageFigures, planned_figures, shortfalls, with_lengths
from loadtests.scenario.stages import timeline

_NAMED = 3
"""Differences that are named in a sentence when there are more."""


def stage_figures(load: LoadState, scenario: Scenario, seed: int) -> list[StageFigures]:
    """Each stage, planned and actual; None where the load has reported nothing."""
    planned = planned_figures(timeline(scenario.stages), scenario.customer.arrivals, seed)
    starts = [(str(stage["name"]), stage["started_ns"] / 1e9) for stage in load.stages]
    if load.stopped_ns is None:
        return planned
    stages = with_lengths(planned, starts, load.stopped_ns / 1e9)
    return [_with_load(stage, number, load) for number, stage in enumerate(stages)]


def _with_load(stage: StageFigures, number: int, load: LoadState) -> StageFigures:
    arrivals = [worker.arrivals[number] for worker in load.workers.values() if number < len(worker.arrivals)]
    missing, extra = load.agents_missing or [], load.agents_extra or []
    return replace(
        stage,
        agents_missing=missing[number] if number < len(missing) else None,
        agents_extra=extra[number] if number < len(extra) else None,
        arrivals_begun=sum(arrivals),
    )


def checked(reason: Reason, stages: Sequence[StageFigures], lost: int | None) -> Reason:
    """The run's reason: `incomplete` in place of `completed` where the load was not what was asked for. `lost` are
    the operations that left no row; None: not known."""
    if reason.code != COMPLETED.code:
        return reason
    found = shortfalls(stages)
    if lost != 0:
        found.append("operations without a row: " + ("not known how many" if lost is None else f"{lost}"))
    if not found:
        return reason
    more = f" (and {len(found) - _NAMED} more)" if len(found) > _NAMED else ""
    return Reason("incomplete", "; ".join(found[:_NAMED]) + more)


def stage_documents(stages: Sequence[StageFigures]) -> list[dict[str, Any]]:
    """The stages as end.json has them, times to the millisecond."""
    return [
        {**asdict(stage), "lasted_s": None if stage.lasted_s is None else round(stage.lasted_s, 3)} for stage in stages
    ]
