"""Whether the rows show the load that the scenario asked for: its arrivals, its agents, its stages.

The schedule of arrivals follows from the scenario and the seed, so that each planned arrival can be searched for in the
rows: a customer's first connection is planned for the exact moment at which it was due. The other users are agents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.files import UnreadableError
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import read_batches
from loadtests.records.tables import codes_of
from loadtests.records.vocabulary import PUSHES
from loadtests.scenario import Scenario, ScenarioError, parse_scenario
from loadtests.scenario.arrivals import Process, arrivals
from loadtests.scenario.completeness import (
    AgentDeviation,
    StageFigures,
    planned_figures,
    shortfalls,
    with_lengths,
)
from loadtests.scenario.stages import StageTimeline, timeline
from reports.data.arrays import Ints

Json = Mapping[str, Any]

_S = 1_000_000_000
_NEVER = np.iinfo(np.int64).max
_NONE: Ints = np.empty(0, np.int64)
_SAME_MOMENT_NS = 1_000
"""The schedule's moments are computed with floating-point numbers, and cut to nanoseconds."""

_EVERY_S = 0.1
"""How often the number of agents is compared with the plan."""

MOST_USERS = 10_000_000
"""Users of one worker, which numbers them from 0."""

MOST_MOMENTS = 100_000
"""Upper limit of comparisons of the number of agents with the plan, for long runs."""

FEW_ARRIVALS = 1_000_000
"""A schedule of up to this size is always computed. A larger one is only computed when the rows have at least half as
many users; with fewer, the shortfall is clear without it."""

_DRAIN_NS = 30 * _S
"""The longest time from the request to stop the load until it has ended."""


class Users:
    """Each user of one worker: its first connection, and its last row. Fed batch by batch."""

    def __init__(self) -> None:
        self.planned_ns: Ints = np.empty(0, np.int64)
        self.started_ns: Ints = np.empty(0, np.int64)
        self.ended_ns: Ints = np.empty(0, np.int64)
        self.closed = np.empty(0, bool)
        """Whether the last row is the end of a connection."""

    def add(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        names = codes_of(batch.schema)["operation"]
        user, operation = batch.column("user").to_numpy(), batch.column("operation").to_numpy()
        if user.min() < 0 or user.max() >= MOST_USERS:
            raise UnreadableError(
                f"operations: column user: {user.min()} to {user.max()}; expected 0 to {MOST_USERS - 1}"
            )
        self._grow(int(user.max()) + 1)
        creates = operation == names.index("connection.create")
        self._note_first(user[creates], *(_moments(batch, name)[creates] for name in ("planned_ns", "started_ns")))
        own = ~np.isin(operation, [names.index(name) for name in PUSHES])
        self._note_last(user[own], _moments(batch, "ended_ns")[own], operation[own] == names.index("connection.close"))

    def _grow(self, size: int) -> None:
        more = size - len(self.ended_ns)
        if more > 0:
            never = np.full(more, _NEVER, np.int64)
            self.planned_ns = np.append(self.planned_ns, never)
            self.started_ns = np.append(self.started_ns, never)
            self.ended_ns = np.append(self.ended_ns, np.full(more, -1, np.int64))
            self.closed = np.append(self.closed, np.zeros(more, bool))

    def _note_first(self, user: Ints, planned_ns: Ints, started_ns: Ints) -> None:
        order = np.argsort(started_ns, kind="stable")
        users, first = np.unique(user[order], return_index=True)
        at = order[first]
        earlier = started_ns[at] < self.started_ns[users]
        self.started_ns[users[earlier]] = started_ns[at][earlier]
        self.planned_ns[users[earlier]] = planned_ns[at][earlier]

    def _note_last(self, user: Ints, ended_ns: Ints, closes: npt.NDArray[np.bool_]) -> None:
        order = np.argsort(-ended_ns, kind="stable")
        users, last = np.unique(user[order], return_index=True)
        at = order[last]
        later = ended_ns[at] >= self.ended_ns[users]
        self.ended_ns[users[later]] = ended_ns[at][later]
        self.closed[users[later]] = closes[at][later]


def _moments(batch: pa.RecordBatch, name: str) -> Ints:
    moments: Ints = pc.fill_null(batch.column(name), _NEVER).to_numpy(zero_copy_only=False)
    return moments


def missing_load(run: RunDirectory, manifest: Json, end: Json, rows: Sequence[Json]) -> tuple[str, ...]:
    """How the load differs from the plan, one sentence a difference; `rows` are those of the timeline.

    Empty when it does not differ, and where that cannot be determined: without a scenario that this version can read,
    and where no row matches its schedule of arrivals although arrivals were reported.
    """
    begun = [(str(row["subject"]), int(row["started_ns"])) for row in rows if row["kind"] == "stage"]
    scenario = _scenario(run)
    if scenario is None or not begun or "seed" not in manifest:
        return ()
    line, process, seed = timeline(scenario.stages), scenario.customer.arrivals, int(manifest["seed"])
    origin_ns, users = begun[0][1], _users(run)
    if problem := _much_less(line, users, (int(end["ended_ns"]) - origin_ns) / _S):
        return (problem,)
    due_ns, stage_of = _schedule(line, process, seed)
    due_ns += origin_ns
    found = _among(due_ns, np.sort(np.concatenate([_NONE, *(u.planned_ns for u in users)])))
    if len(due_ns) and not found.any() and (end.get("late_starts") or {}).get("of"):
        return ()
    counts = np.bincount(stage_of[found], minlength=len(line.spans))
    planned = planned_figures(line, process, seed)
    stages = [replace(stage, arrivals_begun=int(n)) for stage, n in zip(planned, counts, strict=True)]
    stages = _with_agents(stages, line, users, due_ns, origin_ns)
    starts = [(name, (at_ns - origin_ns) / _S) for name, at_ns in begun]
    return tuple(shortfalls(with_lengths(stages, starts, (_stopped_ns(line, begun, end) - origin_ns) / _S)))


def planned_actions(run: RunDirectory) -> int | None:
    """How many actions the scenario's timeline has; None where this version does not understand the scenario."""
    scenario = _scenario(run)
    return None if scenario is None else len(scenario.timeline)


def _much_less(line: StageTimeline, users: Sequence[Users], lasted_s: float) -> str:
    """A shortfall that is so large that it is clear without the schedule, which may be arbitrarily large."""
    if line.duration_s > 2 * max(lasted_s, 0.0) + 60:
        return f"stages of {line.duration_s:,.0f} s were planned, and the load had ended after {lasted_s:,.0f} s"
    arrivals_planned = sum(segment.expected for segment in line.segments())
    users_found = sum(int(np.count_nonzero(u.started_ns != _NEVER)) for u in users)
    if arrivals_planned > max(FEW_ARRIVALS, 2 * users_found):
        return f"{arrivals_planned:,.0f} arrivals were planned, and {users_found:,} users are in the rows"
    return ""


def _scenario(run: RunDirectory) -> Scenario | None:
    try:
        text = run.read_text("scenario.yaml")
        return None if text is None else parse_scenario(text, "scenario.yaml")
    except (ScenarioError, UnreadableError):
        return None


def _users(run: RunDirectory) -> list[Users]:
    """Users of each worker with records."""
    found = []
    for path in run.table_files("operations"):
        users = Users()
        for batch in read_batches(path):
            users.add(batch)
        found.append(users)
    return found


def _schedule(line: StageTimeline, process: Process, seed: int) -> tuple[Ints, Ints]:
    """When each planned arrival is due, in ns since the stages began, and the number of its stage."""
    planned = list(arrivals(line.segments(), process, seed))
    due_ns = np.fromiter((int(arrival.at_s * 1e9) for arrival in planned), np.int64, len(planned))
    return due_ns, np.fromiter((arrival.segment for arrival in planned), np.int64, len(planned))


def _among(moments: Ints, known: Ints) -> npt.NDArray[np.bool_]:
    """Which of the moments are among the known ones, which are in order."""
    if not len(known):
        return np.zeros(len(moments), bool)
    place = np.searchsorted(known, moments - _SAME_MOMENT_NS)
    nearest = known[np.minimum(place, len(known) - 1)]
    return (place < len(known)) & (nearest <= moments + _SAME_MOMENT_NS)


def _with_agents(
    stages: Sequence[StageFigures], line: StageTimeline, workers: Sequence[Users], due_ns: Ints, origin_ns: int
) -> list[StageFigures]:
    """An agent is present from its first connection on. It is certainly gone once it has closed its last one, and
    certainly present only until its last row ends.

    An agent without a connection, because the pod refuses it, tries again; one that leaves meanwhile, or is stopped in
    a call that takes too long, closes nothing. So agents are missing only when they are certainly gone, and in excess
    only when they are certainly present.
    """
    first_ns, gone_ns, last_ns = [_NONE], [_NONE], [_NONE]
    for users in workers:
        agents = (users.started_ns != _NEVER) & ~_among(users.planned_ns, due_ns)
        first_ns.append(users.started_ns[agents])
        gone_ns.append(np.where(users.closed, users.ended_ns, _NEVER)[agents])
        last_ns.append(users.ended_ns[agents])
    first, gone, last = (np.sort(np.concatenate(moments)) for moments in (first_ns, gone_ns, last_ns))
    at_most, at_least = AgentDeviation(line), AgentDeviation(line)
    for at_s in np.arange(0.0, line.duration_s, max(_EVERY_S, line.duration_s / MOST_MOMENTS)):
        at_ns = origin_ns + round(float(at_s) * _S)
        begun = int(np.searchsorted(first, at_ns, "right"))
        at_most.note(float(at_s), begun - int(np.searchsorted(gone, at_ns, "left")))
        at_least.note(float(at_s), begun - int(np.searchsorted(last, at_ns, "left")))
    return [
        replace(stage, agents_missing=missing, agents_extra=extra)
        for stage, missing, extra in zip(stages, at_most.missing, at_least.extra, strict=True)
    ]


def _stopped_ns(line: StageTimeline, begun: Sequence[tuple[str, int]], end: Json) -> int:
    """When the load was requested to stop. Older versions recorded only when it had ended, which is at most the time
    of a drain later."""
    recorded = ((end.get("load") or {}).get("stages") or [{}])[-1].get("lasted_s")
    if recorded is not None:
        return begun[-1][1] + round(float(recorded) * _S)
    planned_ns = begun[0][1] + round(line.duration_s * _S)
    ended_ns = int(end["ended_ns"])
    return planned_ns if planned_ns <= ended_ns <= planned_ns + _DRAIN_NS else ended_ns
