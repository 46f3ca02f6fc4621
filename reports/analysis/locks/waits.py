"""Lock waits by waiter and holder, and how they are known."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reports.analysis.locks.attribution import Attribution
from reports.analysis.locks.ledger import LockLedger, SourceWaits, WaitSource, read_ledger, together_known
from reports.analysis.locks.sampled import Sampled, sampled
from reports.analysis.operations.columns import Axis
from reports.data.arrays import Floats, Ints
from reports.data.density import density
from reports.data.runs import StudyRun

__all__ = ["LockWaits", "read_waits", "together", "waits_of"]


@dataclass
class LockWaits:
    """A run's lock waits. `known` is how: `event`, `pod`, `counter`, `sampled`; None when they were not observed.

    `seconds` counts waits that began in judged stages, by (waiter, root blocker); `sampled` is the sampled part of it,
    by waiter.
    `sessions` is the mean number of sessions waiting in each bin of the whole run, by waiter.
    """

    known: str | None
    period_s: float | None = None
    seconds: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    waits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sampled: dict[str, Sampled] = field(default_factory=lambda: defaultdict(Sampled))
    sessions: dict[str, Floats] = field(default_factory=dict)
    stages: Floats = field(default_factory=lambda: np.zeros(0))
    """The mean number of sessions waiting in each stage: seconds waited in each second."""
    databases: dict[str, "LockWaits"] = field(default_factory=dict)
    """The same by database; empty in each of these."""

    @property
    def total_s(self) -> float:
        return sum(self.seconds.values())

    @property
    def by_sampling(self) -> bool:
        """Whether at least a part was sampled."""
        return self.known is not None and "sampled" in self.known

    def of(self, waiter: str) -> float:
        return sum(s for (w, _), s in self.seconds.items() if w == waiter)

    def behind(self, waiter: str) -> list[tuple[str, float]]:
        """Holders that it waited behind, with seconds, the longest first."""
        found = [(holder, s) for (w, holder), s in self.seconds.items() if w == waiter and s > 0]
        return sorted(found, key=lambda pair: -pair[1])

    def interval_s(self, waiter: str) -> tuple[float, float] | None:
        """The 95 % interval of an at least partly sampled figure; timed parts are exact. None where all was timed."""
        if not self.by_sampling or self.period_s is None:
            return None
        by_samples = self.sampled.get(waiter, Sampled())
        timed = max(self.of(waiter) - by_samples.seconds, 0.0)
        low, high = by_samples.interval_s(self.period_s)
        return timed + low, timed + high


def read_waits(run: StudyRun, axis: Axis) -> LockWaits:
    ledger = read_ledger(run)
    return waits_of(ledger, [part.attribution() for part in ledger.parts], axis)


def waits_of(ledger: LockLedger, attributions: Sequence[Attribution], axis: Axis) -> LockWaits:
    """Waits of each database and of all; the latter are unknown when one database is."""
    databases = {
        name: _of_database(ledger, attributions, axis, name, source) for name, source in ledger.sources.items()
    }
    parts = list(databases.values())
    if len(parts) == 1:
        return replace(parts[0], databases=databases)
    return replace(_added(parts), databases=databases)


def _of_database(
    ledger: LockLedger, attributions: Sequence[Attribution], axis: Axis, name: str, source: WaitSource
) -> LockWaits:
    edges = _stage_edges(ledger.run)
    waits = LockWaits(source.known, source.period_s, stages=np.zeros(len(edges) // 2))
    if source.known is None:
        return LockWaits(None)
    for attribution in attributions:
        for (kind, holder), seconds in attribution.root.items():
            if kind.database == name:
                waits.seconds[kind.waiter, holder] += seconds
    for part in ledger.parts:
        if name in part.rows.databases:
            _count(waits, part, part.rows.databases.index(name), edges, axis.edges_ns(ledger.run))
    return waits


def _count(waits: LockWaits, part: SourceWaits, database: int, stages: Ints, bins: Ints) -> None:
    rows = part.rows
    noticed = rows.noticed
    for code in np.unique(rows.waiter[rows.database == database]):
        selected = (rows.database == database) & (rows.waiter == code)
        name, starts, ends, weight = (
            rows.names.all[code],
            rows.starts[selected],
            rows.ends[selected],
            rows.weight[selected],
        )
        waits.sessions[name] = waits.sessions.get(name, 0.0) + density(bins, starts, ends, weight)
        waits.stages += density(stages, starts, ends, weight)[::2]
        waits.waits[name] += int((rows.judged & noticed & selected).sum())
        waits.sampled[name] += sampled(rows, rows.judged & selected)


def _added(parts: Sequence[LockWaits]) -> LockWaits:
    """The sum over several databases of one run."""
    if not parts or any(part.known is None for part in parts):
        return LockWaits(None)
    whole = LockWaits(_known_together(parts), _longest_s(parts), stages=np.sum([part.stages for part in parts], axis=0))
    for part in parts:
        _count_in(whole, part)
        for waiter, seen in part.sessions.items():
            whole.sessions[waiter] = whole.sessions.get(waiter, np.zeros(len(seen))) + seen
    return whole


def together(runs: Sequence[StudyRun], rounds: Sequence[LockWaits], axis: Axis) -> LockWaits:
    """Rounds of one storage: seconds added, sessions averaged over the time that each lasted; unknown when one of them
    was not observed."""
    databases = dict.fromkeys(name for waits in rounds for name in waits.databases)
    by_database = {name: [w.databases.get(name, LockWaits(None)) for w in rounds] for name in databases}
    found = _averaged(runs, rounds, axis)
    return replace(found, databases={name: _averaged(runs, parts, axis) for name, parts in by_database.items()})


def _averaged(runs: Sequence[StudyRun], rounds: Sequence[LockWaits], axis: Axis) -> LockWaits:
    if not rounds or any(w.known is None for w in rounds):
        return LockWaits(None)
    whole = LockWaits(_known_together(rounds), _longest_s(rounds), stages=_mean([w.stages for w in rounds]))
    for part in rounds:
        _count_in(whole, part)
    whole.sessions = mean_over_time(runs, [part.sessions for part in rounds], axis)
    return whole


def mean_over_time(runs: Sequence[StudyRun], rounds: Sequence[Mapping[str, Floats]], axis: Axis) -> dict[str, Floats]:
    """The mean of the rounds in each bin, over the time that each lasted."""
    widths = [axis.widths_s(run) for run in runs]
    lasted = np.maximum(np.sum(widths, axis=0), 1e-9)
    whole: dict[str, Floats] = {}
    for part, width in zip(rounds, widths, strict=True):
        for name, seen in part.items():
            whole[name] = whole.get(name, np.zeros(axis.count)) + seen * width / lasted
    return whole


def _mean(parts: Sequence[Floats]) -> Floats:
    """The mean over the stages that all rounds have."""
    shared = min(len(part) for part in parts)
    return np.asarray(np.mean([part[:shared] for part in parts], axis=0), dtype=np.float64)


def _longest_s(parts: Sequence[LockWaits]) -> float | None:
    return max((part.period_s for part in parts if part.period_s is not None), default=None)


def _known_together(parts: Sequence[LockWaits]) -> str:
    return together_known([part.known for part in parts if part.known])


def _count_in(whole: LockWaits, part: LockWaits) -> None:
    for pair, seconds in part.seconds.items():
        whole.seconds[pair] += seconds
    for waiter in part.sessions:
        whole.waits[waiter] += part.waits[waiter]
        whole.sampled[waiter] += part.sampled[waiter]


def _stage_edges(run: StudyRun) -> Ints:
    """Edges of the stages: every other bin between these is a stage."""
    edges = [moment for stage in run.stages for moment in (stage.started_ns, stage.ended_ns)]
    return np.maximum.accumulate(np.array(edges or [0, 0], dtype=np.int64))
