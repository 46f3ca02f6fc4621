"""A storage's stages as phases: the actions in each, and their effect on operations and resources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from reports.data.arrays import Floats
from reports.data.contract import StudyRun, TimelineEvent
from reports.findings.operations import StageMeasures
from reports.findings.study import StorageFindings

_NOTHING = StageMeasures({"ok": 0, "refused": 0, "fail": 0, "unknown": 0}, None, None)


@dataclass(frozen=True)
class StudyPhase:
    """One stage, rounds pooled. `waiting` and `cores` are means by database, None where not observed; `events` are
    those of the first round that began in it, `swept` the orphans that actions swept in all rounds."""

    name: str
    judge: bool
    starts_s: float
    lasted_s: float
    """All rounds together."""
    events: tuple[TimelineEvent, ...]
    accept: StageMeasures
    connect: StageMeasures
    waiting: Mapping[str, float | None]
    pod_cores: float | None
    cores: Mapping[str, float | None]
    swept: int

    @property
    def accepts_per_s(self) -> float | None:
        return self._per_s(self.accept.outcomes["ok"])

    @property
    def accept_failures_per_s(self) -> float | None:
        return self._per_s(self.accept.outcomes["fail"] + self.accept.outcomes["unknown"])

    @property
    def connections_failed_per_s(self) -> float | None:
        return self._per_s(self.connect.outcomes["fail"] + self.connect.outcomes["unknown"])

    def _per_s(self, count: int) -> float | None:
        return count / self.lasted_s if self.lasted_s else None


def phases(storage: StorageFindings) -> list[StudyPhase]:
    return [_phase(storage, place) for place in range(len(storage.pooled[0].stages))]


def _phase(storage: StorageFindings, place: int) -> StudyPhase:
    run = storage.pooled[0]
    stage = run.stages[place]
    selected = [_events(r.events, r.stages[place].started_ns, r.stages[place].ended_ns) for r in _with(storage, place)]
    usage = storage.usage.stage_cores
    pods = [_at(cores, place) for (role, _), cores in usage.items() if role == "pod"]
    known = [cores for cores in pods if cores is not None]
    return StudyPhase(
        stage.name,
        stage.judge,
        (stage.started_ns - run.started_ns) / 1e9,
        sum(r.stages[place].ended_ns - r.stages[place].started_ns for r in _with(storage, place)) / 1e9,
        selected[0],
        _figures(storage, "chat.accept", place),
        _figures(storage, "connection.create", place),
        {n: None if w.known is None else _at(w.stages, place) for n, w in storage.waits.databases.items()},
        sum(known) if known and len(known) == len(pods) else None,
        {name: _at(cores, place) for (role, name), cores in usage.items() if role == "database"},
        sum(event.counted("swept") for events in selected for event in events),
    )


def _with(storage: StorageFindings, place: int) -> list[StudyRun]:
    """The rounds that reached this stage."""
    return [run for run in storage.pooled if len(run.stages) > place]


def _events(events: Sequence[TimelineEvent], started_ns: int, ended_ns: int) -> tuple[TimelineEvent, ...]:
    return tuple(event for event in events if started_ns <= event.started_ns < ended_ns)


def _figures(storage: StorageFindings, operation: str, place: int) -> StageMeasures:
    measure = storage.measures.get(operation)
    return measure.stages[place] if measure is not None and place < len(measure.stages) else _NOTHING


def _at(values: Floats, place: int) -> float | None:
    """The value at this position, without rounding errors around zero; None if unknown."""
    return round(float(values[place]), 9) if place < len(values) and not isnan(values[place]) else None
