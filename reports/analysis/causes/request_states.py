"""Number of concurrent requests by cause: client backlog, lock, session, database, pod, rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.data.arrays import Floats
from reports.data.contract import StudyRun
from reports.data.density import between, elapsed
from reports.data.requests import Requests, by_operation
from reports.findings.causes import CLIENT_BACKLOG
from reports.findings.operations import Axis

States = Mapping[str, Mapping[str, Floats]]
"""Operation → cause → mean number of requests in each bin of the axis."""


def over_time(run: StudyRun, served: Requests, axis: Axis) -> States:
    """Requests that a pod was processing; those in the database include lock waits."""
    edges, found = axis.edges_ns(run), {}
    for name, selected in by_operation(served):
        moments = (served.since, served.asked, served.had, served.ended)
        since, asked, had, ended = (elapsed(edges, each[selected]) for each in moments)
        spans = {"session": (asked, had), "pod": (since, asked), "database": (had, ended)}
        found[name] = {cause: between(edges, *span) for cause, span in spans.items()}
    return found


@dataclass(frozen=True)
class OverTime:
    """Other figures of a run, by operation and bin: requests `under_way` ([all, not begun yet]), and those `waiting`
    for locks."""

    run: StudyRun
    under_way: Mapping[str, Floats]
    waiting: Mapping[str, Floats]


def over_time_together(
    rounds: Sequence[States], others: Sequence[OverTime], axis: Axis
) -> dict[str, dict[str, Floats]]:
    """The mean of the rounds, with the causes that the pods do not record."""
    found: dict[str, dict[str, Floats]] = {}
    named = {name for entry in others for name in entry.under_way}
    for name in dict.fromkeys(name for one in rounds for name in one if name in named):
        parts = [_states(name, one, entry, axis) for one, entry in zip(rounds, others, strict=True)]
        found[name] = axis.mean_of_rounds([entry.run for entry in others], parts)
    return found


def _states(name: str, one: States, entry: OverTime, axis: Axis) -> dict[str, Floats]:
    none, served = np.zeros(axis.count), one.get(name, {})
    whole, backlog = entry.under_way.get(name, np.zeros((2, axis.count)))
    own = served.get("database", none)
    lock = np.minimum(entry.waiting.get(name, none), own)
    states = {CLIENT_BACKLOG: backlog, "lock": lock, "session": served.get("session", none)}
    states |= {"database": own - lock, "pod": served.get("pod", none)}
    states["rest"] = np.maximum(whole - sum(states.values()), 0.0)
    return states
