"""A study's figures: small values only, independent of the number of rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loadtests.records.vocabulary import OPERATIONS, PUSHES
from reports.data.arrays import Floats, Ints
from reports.data.contract import Calibrated, CounterGrowth, StudyRun
from reports.findings.budgets import Budget
from reports.findings.causes import CauseFindings
from reports.findings.locks import Blame, LockWaits, SampledRows, WaitDurations
from reports.findings.operations import FROM_STAMP, Axis, Measure
from reports.findings.resources import ResourceUsage, SessionActivity
from reports.findings.slis import Blast
from reports.findings.transactions import Endings


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
    budgets: tuple[Budget, ...] = ()
    """By objective, in the order of their file; those of single pods after that of all."""

    @property
    def rows(self) -> int:
        return sum(sum(m.outcomes.values()) for m in self.measures.values())

    def per_s(self, counts: Floats) -> Floats:
        """Counts of all rounds in each bin → rates per second."""
        return rates_per_s(counts, self.bin_s)

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
    budgets_from: str = ""
    """The file of objectives whose budgets were counted; empty without one."""

    def of(self, measure: str) -> list[tuple[StorageFindings, Measure]]:
        return [(s, s.measures[measure]) for s in self.storages if measure in s.measures]


def rates_per_s(counts: Ints | Floats, bin_s: Floats) -> Floats:
    return np.divide(counts, bin_s, out=np.zeros(len(counts)), where=bin_s > 0)
