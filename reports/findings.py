"""A study's figures: small values only, whatever the number of rows behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES, PUSHES
from reports.blame import Blame
from reports.blast import Blast, blast
from reports.calibration import Calibrated, read_calibration
from reports.causes import Causes
from reports.comparability import durability
from reports.durations import WaitDurations
from reports.frames import Floats, Ints, Run
from reports.gather import FROM_CAUSE, FROM_STAMP, MEASURES, Axis, Column, Gathered, axis_for, gather
from reports.ledgerchecks import orphans
from reports.resources import Usage, read_usage
from reports.sessions import Sessions, read_sessions
from reports.signals import LIMITS_S
from reports.statistics import Bin, Estimate, Sample, by_bin, curve, percentile, percentiles, sample
from reports.waits import Waits, read_waits, together

_OK, _REFUSED, _FAIL, _UNKNOWN = (OUTCOMES.index(name) for name in ("ok", "refused", "fail", "unknown"))


STAGED = ("chat.accept", "connection.create")
"""Operations whose figures are told stage by stage."""


@dataclass(frozen=True)
class StageFigures:
    """One operation in one stage: how many ended how, and percentiles in ns."""

    outcomes: Mapping[str, int]
    p50: Estimate | None
    p99: Estimate | None


@dataclass(frozen=True)
class Measure:
    """One storage's figures of one operation, rounds pooled, over the judged stages. Durations in ns.

    Percentiles are of those that were done or whose end nobody saw; failures and refusals are counted beside.
    """

    name: str
    outcomes: Mapping[str, int]
    errors: Mapping[str, int]
    rate_per_s: float | None
    response: Mapping[str, Estimate | None]
    service: Mapping[str, Estimate | None]
    rounds: Mapping[str, Mapping[str, Estimate | None]]
    """The response's figures by run."""
    waited_s: float
    """All responses together, refusals too."""
    held_back_s: float
    """How much of it passed before they began: whoever was to begin them was still in an earlier call."""
    curve: tuple[list[float], list[int]]
    over_time: Sequence[Bin | None]
    failed: Floats
    """Failed or unknown attempts planned in each bin, all rounds together."""
    good: int | None
    """Those that ended ok within the limit of their operation; None where it has none."""
    stages: Sequence[StageFigures]
    """By the stages of the run; empty for operations that are not told stage by stage."""

    @property
    def n(self) -> int:
        """Attempts: a refusal is an answer, and apart."""
        return sum(n for outcome, n in self.outcomes.items() if outcome != "refused")


@dataclass(frozen=True)
class StorageFindings:
    """What a storage system's rounds showed together. `pooled` are the runs behind the figures."""

    storage: str
    pooled: tuple[Run, ...]
    judged_s: float
    measures: Mapping[str, Measure]
    pods: Mapping[str, Mapping[str, Measure]]
    """By pod, where there are several: measures of what was sent to it."""
    blasts: tuple[Blast, ...]
    """Run by run, where there are several pods."""
    waits: Waits
    usage: Usage
    sessions: Sessions
    bin_s: Floats
    """How much time of its rounds each bin of the axis holds."""
    planned_per_s: Floats
    ended_per_s: Mapping[str, Floats]
    orphans: int | None
    causes: Causes
    blame: Blame
    durations: WaitDurations
    calibration: tuple[Calibrated, ...]
    """Of all rounds."""

    @property
    def rows(self) -> int:
        return sum(sum(m.outcomes.values()) for m in self.measures.values())

    def per_s(self, counts: Floats) -> Floats:
        """Counts of all rounds together in each bin → how many a second."""
        return _per_s(counts, self.bin_s)

    @property
    def acted(self) -> bool:
        """Whether anything was done to it in mid-run."""
        return any(event.kind == "action" for run in self.pooled for event in run.events)

    @property
    def swept(self) -> int:
        """Orphans that actions swept away in mid-run, all rounds together."""
        return sum(event.counted("swept") for run in self.pooled for event in run.events)

    @property
    def databases(self) -> tuple[str, ...]:
        """Those that were watched, in the order of their names."""
        return tuple(sorted({*self.waits.databases, *self.database_cores}))

    @property
    def database_cores(self) -> Mapping[str, Floats]:
        """Cores used in each bin, by database."""
        return {name: cores for (role, name), cores in self.usage.processes.items() if role == "database"}

    def lock_wait_interval_s(self, operation: str) -> tuple[float, float] | None:
        """The 95 % interval of `lock_wait_per_1000_s`; None for waits that were timed."""
        bounds = self.waits.interval_s(operation)
        asked = sum(self.measures[operation].outcomes.values()) if operation in self.measures else 0
        return (bounds[0] / asked * 1000, bounds[1] / asked * 1000) if bounds and asked else None

    @property
    def requests_done(self) -> int:
        """Requests of the judged stages that got an answer."""
        return sum(m.outcomes["ok"] + m.outcomes["refused"] for m in self.requests)

    @property
    def requests(self) -> list[Measure]:
        """The measures that are no pushes."""
        return [m for name, m in self.measures.items() if name in OPERATIONS and name not in PUSHES]

    def cpu_ms(self, role: str) -> float | None:
        """Processor milliseconds of a role for each request answered in the judged stages; None when nobody looked."""
        spent = self.usage.judged_cpu_s.get(role)
        return None if spent is None or not self.requests_done else spent * 1000 / self.requests_done

    def lock_wait_per_1000_s(self, operation: str) -> float | None:
        """Seconds that a thousand operations of this kind waited for locks; None when nothing could see it."""
        measure = self.measures.get(operation)
        if self.waits.known is None or measure is None or operation in PUSHES or operation == FROM_STAMP:
            return None
        asked = sum(measure.outcomes.values())
        return self.waits.of(operation) / asked * 1000 if asked else None


@dataclass(frozen=True)
class Findings:
    study: str
    runs: tuple[Run, ...]
    axis: Axis
    storages: tuple[StorageFindings, ...]
    survives: Mapping[str, str | None]
    limits_s: Mapping[str, float]
    """In what time an attempt is good, by operation."""
    limits_from: str
    """Who says so: a file of objectives, or nothing where the limits are our own."""

    def of(self, measure: str) -> list[tuple[StorageFindings, Measure]]:
        return [(s, s.measures[measure]) for s in self.storages if measure in s.measures]


def find(
    study: str, runs: Sequence[Run], limits_s: Mapping[str, float] = MappingProxyType({}), limits_from: str = ""
) -> Findings:
    """Reads every run that counts, storage after storage. `limits_s` takes the place of our own limits."""
    axis, limits = axis_for(list(runs)), {**LIMITS_S, **limits_s}
    storages = dict.fromkeys(run.storage for run in runs)
    found = tuple(_storage(name, pooled(runs, name), axis, limits) for name in storages)
    return Findings(study, tuple(runs), axis, found, durability(runs), limits, limits_from)


def pooled(runs: Sequence[Run], storage: str) -> list[Run]:
    """The runs whose rows make a storage's figures: the completed ones, or all when none was."""
    mine = [run for run in runs if run.storage == storage]
    return [run for run in mine if run.completed] or mine


def _storage(storage: str, runs: Sequence[Run], axis: Axis, limits_s: Mapping[str, float]) -> StorageFindings:
    pods = tuple(dict.fromkeys(pod for run in runs for pod in run.pods))
    gathered = [gather(run, axis, pods, limits_s) for run in runs]
    judged_s = sum(end - start for run in runs for start, end in run.judged) / 1e9
    bin_s = np.sum([axis.widths_s(run) for run in runs], axis=0)
    planned, ended = (np.sum([getattr(g, name) for g in gathered], axis=0) for name in ("planned", "ended"))
    whole, by_pod = _measures(_Pool(runs, axis, judged_s, limits_s, pods), gathered)
    return StorageFindings(
        storage,
        tuple(runs),
        judged_s,
        whole,
        by_pod,
        tuple(blast(r, pods, g.signals) for r, g in zip(runs, gathered, strict=True)) if len(pods) > 1 else (),
        together(runs, [read_waits(run, axis) for run in runs], axis),
        read_usage(runs, axis),
        read_sessions(runs, axis),
        bin_s,
        _per_s(planned, bin_s),
        {name: _per_s(ended[:, code], bin_s) for code, name in enumerate(OUTCOMES)},
        orphans(runs),
        Causes(),
        Blame(),
        WaitDurations(),
        tuple(row for run in runs for row in read_calibration(run)),
    )


def _per_s(counts: Ints | Floats, bin_s: Floats) -> Floats:
    return np.divide(counts, bin_s, out=np.zeros(len(counts)), where=bin_s > 0)


@dataclass(frozen=True)
class _Pool:
    """What the measures of one storage share."""

    runs: Sequence[Run]
    axis: Axis
    judged_s: float
    limits_s: Mapping[str, float]
    pods: tuple[str, ...]


def _measures(pool: _Pool, gathered: Sequence[Gathered]) -> tuple[dict[str, Measure], dict[str, dict[str, Measure]]]:
    """All pods together, and each of them where there are several. Takes the columns: no two measures are in memory."""
    whole: dict[str, Measure] = {}
    by_pod: dict[str, dict[str, Measure]] = {pod: {} for pod in pool.pods} if len(pool.pods) > 1 else {}
    for name in MEASURES:
        columns = {r.name: g.columns.pop(name) for r, g in zip(pool.runs, gathered, strict=True) if name in g.columns}
        if not columns:
            continue
        operation = OPERATIONS.index(FROM_CAUSE if name == FROM_STAMP else name)
        errors = np.sum([g.errors[:, operation] for g in gathered], axis=0)
        whole[name] = _measure(pool, name, columns, errors.sum(axis=0))
        apart = {run: column.by_pod(len(by_pod)) for run, column in columns.items()} if by_pod else {}
        for place, pod in enumerate(by_pod):
            mine = {run: parts[place] for run, parts in apart.items() if len(parts[place].outcome)}
            if mine:
                by_pod[pod][name] = _measure(pool, name, mine, errors[place])
    return whole, by_pod


def _measure(pool: _Pool, name: str, columns: Mapping[str, Column], errors: Ints) -> Measure:
    samples = {run: _sample(c, c.response) for run, c in columns.items()}
    whole = _pooled(list(columns.values()))
    counts = np.bincount(whole.outcome[whole.judged], minlength=len(OUTCOMES))
    response = next(iter(samples.values())) if len(samples) == 1 else _sample(whole, whole.response)
    counted = ~np.isin(whole.outcome, (_REFUSED, _FAIL))
    bad = whole.bin[((whole.outcome == _FAIL) | (whole.outcome == _UNKNOWN)) & (whole.bin >= 0)]
    bins = by_bin(whole.response[counted], whole.outcome[counted] == _UNKNOWN, whole.bin[counted], pool.axis.count)
    return Measure(
        name,
        {outcome: int(counts[code]) for code, outcome in enumerate(OUTCOMES)},
        {e: int(n) for e, n in zip(ERRORS, errors, strict=True) if n},
        float(counts.sum() - counts[_REFUSED]) / pool.judged_s if pool.judged_s else None,
        percentiles(response),
        percentiles(_sample(whole, whole.service)),
        {run: percentiles(one) for run, one in samples.items()},
        float(whole.response[whole.judged].sum()) / 1e9,
        float((whole.response - whole.service)[whole.judged].sum()) / 1e9,
        curve(response),
        bins,
        np.bincount(bad, minlength=pool.axis.count).astype(np.float64),
        _good(whole, pool.limits_s.get(name)),
        _stage_figures(whole, len(pool.runs[0].stages)) if name in STAGED else (),
    )


def _good(column: Column, limit_s: float | None) -> int | None:
    if limit_s is None:
        return None
    return int((column.judged & (column.outcome == _OK) & (column.response <= round(limit_s * 1e9))).sum())


def _stage_figures(column: Column, stages: int) -> list[StageFigures]:
    figures = []
    for place in range(stages):
        mine = column.stage == place
        counts = np.bincount(column.outcome[mine], minlength=len(OUTCOMES))
        rows = _sample(replace(column, judged=mine), column.response)
        outcomes = {outcome: int(counts[code]) for code, outcome in enumerate(OUTCOMES)}
        figures.append(StageFigures(outcomes, percentile(rows, 0.5), percentile(rows, 0.99)))
    return figures


def _sample(column: Column, durations: Ints) -> Sample:
    counted = column.judged & ((column.outcome == _OK) | (column.outcome == _UNKNOWN))
    return sample(durations[counted], column.outcome[counted] == _UNKNOWN)


def _pooled(columns: Sequence[Column]) -> Column:
    if len(columns) == 1:
        return columns[0]
    return Column(*(np.concatenate([getattr(c, name) for c in columns]) for name in Column.__dataclass_fields__))
