"""A study's figures: small values only, independent of the number of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from loadtests.records.files import UnreadableError
from loadtests.records.shapes import MOST_PODS
from loadtests.records.vocabulary import OPERATIONS, OUTCOMES, PUSHES
from reports.analysis.blast import Blast, blast
from reports.analysis.causes.responses import CauseFindings
from reports.analysis.endings import Endings
from reports.analysis.locks.blame import Blame
from reports.analysis.locks.counted_waits import SampledRows
from reports.analysis.locks.durations import WaitDurations
from reports.analysis.locks.figures import lock_figures
from reports.analysis.locks.waits import LockWaits
from reports.analysis.operations.columns import FROM_STAMP, Axis, axis_for, gather
from reports.analysis.operations.measures import Measure, MeasurePool, StageMeasures, measured
from reports.analysis.operations.slo_breaches import LIMITS_S
from reports.analysis.resources import ResourceUsage, read_usage
from reports.analysis.sessions import SessionActivity, read_sessions
from reports.data.arrays import Floats, Ints
from reports.data.calibration import Calibrated, read_calibration
from reports.data.comparability import durability
from reports.data.counters import CounterGrowth
from reports.data.labels import labels
from reports.data.memory import trim_memory
from reports.data.runs import StudyRun, orphans

__all__ = ["Findings", "Measure", "StageMeasures", "StorageFindings", "find", "pooled"]


@dataclass(frozen=True)
class StorageFindings:
    """Figures of a storage system, its rounds pooled. `pooled` are the runs that the figures come from."""

    storage: str
    label: str
    """A short name, unique in the study."""
    pooled: tuple[StudyRun, ...]
    judged_s: float
    measures: Mapping[str, Measure]
    pods: Mapping[str, Mapping[str, Measure]]
    """By pod, where there are several: measures of the operations sent to it."""
    blasts: tuple[Blast, ...]
    """Run by run, where there are several pods."""
    waits: LockWaits
    usage: ResourceUsage
    sessions: SessionActivity
    bin_s: Floats
    """Seconds of all rounds in each bin of the axis."""
    planned_per_s: Floats
    ended_per_s: Mapping[str, Floats]
    orphans: int | None
    causes: CauseFindings
    blame: Blame
    durations: WaitDurations
    calibration: tuple[Calibrated, ...]
    """All rounds."""
    counted: Mapping[str, CounterGrowth]
    """By database, of those whose own totals were requested."""
    sampled: Mapping[str, SampledRows]
    """By database, the sampled waits that some of those totals count as well."""
    endings: Endings

    @property
    def rows(self) -> int:
        return sum(sum(m.outcomes.values()) for m in self.measures.values())

    def per_s(self, counts: Floats) -> Floats:
        """Counts of all rounds in each bin → rates per second."""
        return _per_s(counts, self.bin_s)

    @property
    def acted(self) -> bool:
        """Whether any action ran during the load."""
        return any(event.kind == "action" for run in self.pooled for event in run.events)

    @property
    def swept(self) -> int:
        """Orphans that actions swept during the load, all rounds."""
        return sum(event.counted("swept") for run in self.pooled for event in run.events)

    @property
    def databases(self) -> tuple[str, ...]:
        """Observed databases, sorted by name."""
        return tuple(sorted({*self.waits.databases, *self.database_cores}))

    @property
    def database_cores(self) -> Mapping[str, Floats]:
        """Cores used in each bin, by database."""
        return {name: cores for (role, name), cores in self.usage.processes.items() if role == "database"}

    def lock_wait_interval_s(self, operation: str) -> tuple[float, float] | None:
        """The 95 % interval of `lock_wait_per_1000_s`; None for timed waits."""
        bounds = self.waits.interval_s(operation)
        asked = sum(self.measures[operation].outcomes.values()) if operation in self.measures else 0
        return (bounds[0] / asked * 1000, bounds[1] / asked * 1000) if bounds and asked else None

    @property
    def requests_done(self) -> int:
        """Requests of the judged stages that got an answer."""
        return sum(m.outcomes["ok"] + m.outcomes["refused"] for m in self.requests)

    @property
    def requests(self) -> list[Measure]:
        """Measures of requests: all but pushes."""
        return [m for name, m in self.measures.items() if name in OPERATIONS and name not in PUSHES]

    def cpu_ms(self, role: str) -> float | None:
        """Processor milliseconds of a role per request answered in the judged stages; None when not observed."""
        spent = self.usage.judged_cpu_s.get(role)
        return None if spent is None or not self.requests_done else spent * 1000 / self.requests_done

    def lock_wait_per_1000_s(self, operation: str) -> float | None:
        """Seconds of lock waits per thousand operations of this kind; None when lock waits were not observed."""
        measure = self.measures.get(operation)
        if self.waits.known is None or measure is None or operation in PUSHES or operation == FROM_STAMP:
            return None
        asked = sum(measure.outcomes.values())
        return self.waits.of(operation) / asked * 1000 if asked else None


@dataclass(frozen=True)
class Findings:
    study: str
    runs: tuple[StudyRun, ...]
    axis: Axis
    storages: tuple[StorageFindings, ...]
    survives: Mapping[str, str | None]
    limits_s: Mapping[str, float]
    """The time within which an attempt is good, by operation."""
    limits_from: str
    """The file of objectives that the limits come from; empty for the defaults."""

    def of(self, measure: str) -> list[tuple[StorageFindings, Measure]]:
        return [(s, s.measures[measure]) for s in self.storages if measure in s.measures]


def find(
    study: str, runs: Sequence[StudyRun], limits_s: Mapping[str, float] = MappingProxyType({}), limits_from: str = ""
) -> Findings:
    """Read every run that counts, one storage after another. `limits_s` overrides the default limits."""
    axis, limits = axis_for(list(runs)), {**LIMITS_S, **limits_s}
    storages = dict.fromkeys(run.storage for run in runs)
    named = labels(runs)
    found = tuple(_storage(name, named[name], pooled(runs, name), axis, limits) for name in storages)
    return Findings(study, tuple(runs), axis, found, durability(runs), limits, limits_from)


def pooled(runs: Sequence[StudyRun], storage: str) -> list[StudyRun]:
    """The runs that a storage's figures come from: the completed ones, or all without a completed one."""
    selected = [run for run in runs if run.storage == storage]
    return [run for run in selected if run.completed] or selected


def _storage(
    storage: str, label: str, runs: Sequence[StudyRun], axis: Axis, limits_s: Mapping[str, float]
) -> StorageFindings:
    pods = tuple(dict.fromkeys(pod for run in runs for pod in run.pods))
    if len(pods) > MOST_PODS:
        raise UnreadableError(f"the runs of {storage!a} have {len(pods):,} pods; the most is {MOST_PODS}")
    gathered = [gather(run, axis, pods, limits_s) for run in runs]
    judged_s = sum(end - start for run in runs for start, end in run.judged) / 1e9
    bin_s = np.sum([axis.widths_s(run) for run in runs], axis=0)
    planned, ended = (np.sum([getattr(g, name) for g in gathered], axis=0) for name in ("planned", "ended"))
    whole, by_pod, responses = measured(MeasurePool(runs, axis, judged_s, limits_s, pods), gathered)
    trim_memory()
    locks = lock_figures(runs, axis, responses, [g.under_way for g in gathered])
    return StorageFindings(
        storage,
        label,
        tuple(runs),
        judged_s,
        whole,
        by_pod,
        tuple(blast(r, pods, g.slis) for r, g in zip(runs, gathered, strict=True)) if len(pods) > 1 else (),
        locks.waits,
        read_usage(runs, axis),
        read_sessions(runs, axis),
        bin_s,
        _per_s(planned, bin_s),
        {name: _per_s(ended[:, code], bin_s) for code, name in enumerate(OUTCOMES)},
        orphans(runs),
        locks.causes,
        locks.blame,
        locks.durations,
        tuple(row for run in runs for row in read_calibration(run)),
        locks.counted,
        locks.sampled,
        locks.endings,
    )


def _per_s(counts: Ints | Floats, bin_s: Floats) -> Floats:
    return np.divide(counts, bin_s, out=np.zeros(len(counts)), where=bin_s > 0)
