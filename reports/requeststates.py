"""How many requests were where at a time: held back, waiting for a lock, for a session, worked upon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.density import density
from reports.frames import Floats, Run
from reports.gather import Axis
from reports.requests import Requests, by_operation
from reports.waits import mean_over_time

States = Mapping[str, Mapping[str, Floats]]
"""Operation → cause → mean number of requests in each bin of the axis."""


def over_time(run: Run, served: Requests, axis: Axis) -> States:
    """Those in the hands of a pod; where its database has them, waits for locks are inside."""
    edges = axis.edges_ns(run)
    spans = {"session": (served.asked, served.had), "pod": (served.since, served.asked)}
    spans["database"] = (served.had, served.ended)
    return {
        name: {cause: density(edges, start[mine], end[mine]) for cause, (start, end) in spans.items()}
        for name, mine in by_operation(served)
    }


@dataclass(frozen=True)
class OverTime:
    """What else is known of a run, by operation and bin: requests `under_way` ([whole, not begun yet]), and how many of
    them were `waiting` for locks."""

    run: Run
    under_way: Mapping[str, Floats]
    waiting: Mapping[str, Floats]


def over_time_together(rounds: Sequence[States], told: Sequence[OverTime], axis: Axis) -> dict[str, dict[str, Floats]]:
    """The mean of the rounds, with what the pods do not know of."""
    found: dict[str, dict[str, Floats]] = {}
    named = {name for its in told for name in its.under_way}
    for name in dict.fromkeys(name for one in rounds for name in one if name in named):
        parts = [_states(name, one, its, axis) for one, its in zip(rounds, told, strict=True)]
        found[name] = mean_over_time([its.run for its in told], parts, axis)
    return found


def _states(name: str, one: States, its: OverTime, axis: Axis) -> dict[str, Floats]:
    none, served = np.zeros(axis.count), one.get(name, {})
    whole, held_back = its.under_way.get(name, np.zeros((2, axis.count)))
    own = served.get("database", none)
    lock = np.minimum(its.waiting.get(name, none), own)
    states = {"held back": held_back, "lock": lock, "session": served.get("session", none)}
    states |= {"database": own - lock, "pod": served.get("pod", none)}
    states["rest"] = np.maximum(whole - sum(states.values()), 0.0)
    return states
