"""A study's figures: small values only, whatever the number of rows behind them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES, PUSHES
from reports.comparability import durability
from reports.frames import Floats, Ints, Run
from reports.gather import FROM_CAUSE, FROM_STAMP, MEASURES, Axis, Column, Gathered, axis_for, gather
from reports.resources import Usage, read_usage
from reports.sessions import Sessions, read_sessions
from reports.statistics import Estimate, Sample, by_bin, curve, percentiles, sample
from reports.waits import Waits, read_waits

Bin = tuple[int, int, int, int] | None
_OK, _REFUSED, _FAIL, _UNKNOWN = (OUTCOMES.index(name) for name in ("ok", "refused", "fail", "unknown"))


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
    over_time: Sequence[Bin]

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
    waits: Waits
    usage: Usage
    sessions: Sessions
    planned_per_s: Floats
    ended_per_s: Mapping[str, Floats]
    orphans: int | None

    @property
    def rows(self) -> int:
        return sum(sum(m.outcomes.values()) for m in self.measures.values())

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

    def of(self, measure: str) -> list[tuple[StorageFindings, Measure]]:
        return [(s, s.measures[measure]) for s in self.storages if measure in s.measures]


def find(study: str, runs: Sequence[Run]) -> Findings:
    """Reads every run that counts, storage after storage."""
    axis = axis_for(list(runs))
    storages = dict.fromkeys(run.storage for run in runs)
    found = tuple(_storage(name, pooled(runs, name), axis) for name in storages)
    return Findings(study, tuple(runs), axis, found, durability(runs))


def pooled(runs: Sequence[Run], storage: str) -> list[Run]:
    """The runs whose rows make a storage's figures: the completed ones, or all when none was."""
    mine = [run for run in runs if run.storage == storage]
    return [run for run in mine if run.completed] or mine


def _storage(storage: str, runs: Sequence[Run], axis: Axis) -> StorageFindings:
    gathered = [gather(run, axis) for run in runs]
    judged_s = sum(end - start for run in runs for start, end in run.judged) / 1e9
    bin_s = axis.width_s * len(runs)
    planned = sum((g.planned for g in gathered), np.zeros(axis.count)) / bin_s
    ended = sum((g.ended for g in gathered), np.zeros((axis.count, len(OUTCOMES)))) / bin_s
    measures = {m.name: m for m in _measures(runs, gathered, axis, judged_s)}
    return StorageFindings(
        storage,
        tuple(runs),
        judged_s,
        measures,
        _together([read_waits(run, axis) for run in runs]),
        read_usage(runs, axis),
        read_sessions(runs, axis),
        planned,
        {name: ended[:, code] for code, name in enumerate(OUTCOMES)},
        _orphans(runs),
    )


def _measures(runs: Sequence[Run], gathered: list[Gathered], axis: Axis, judged_s: float) -> Iterator[Measure]:
    for name in MEASURES:
        columns = {r.name: g.columns.pop(name) for r, g in zip(runs, gathered, strict=True) if name in g.columns}
        if columns:
            operation = OPERATIONS.index(FROM_CAUSE if name == FROM_STAMP else name)
            errors = sum((g.errors[operation] for g in gathered), np.zeros(len(ERRORS), dtype=np.int64))
            named = {e: int(n) for e, n in zip(ERRORS, errors, strict=True) if n}
            yield _measure(name, columns, named, axis, judged_s)


def _measure(
    name: str, columns: Mapping[str, Column], errors: Mapping[str, int], axis: Axis, judged_s: float
) -> Measure:
    rounds = {run: percentiles(_sample(c, c.response)) for run, c in columns.items()}
    whole = _pooled(list(columns.values()))
    counts = np.bincount(whole.outcome[whole.judged], minlength=len(OUTCOMES))
    response = _sample(whole, whole.response)
    counted = ~np.isin(whole.outcome, (_REFUSED, _FAIL))
    return Measure(
        name,
        {outcome: int(counts[code]) for code, outcome in enumerate(OUTCOMES)},
        errors,
        float(counts.sum() - counts[_REFUSED]) / judged_s if judged_s else None,
        percentiles(response),
        percentiles(_sample(whole, whole.service)),
        rounds,
        float(whole.response[whole.judged].sum()) / 1e9,
        float((whole.response - whole.service)[whole.judged].sum()) / 1e9,
        curve(response),
        by_bin(whole.response[counted], whole.bin[counted], axis.count),
    )


def _sample(column: Column, durations: Ints) -> Sample:
    counted = column.judged & ((column.outcome == _OK) | (column.outcome == _UNKNOWN))
    return sample(durations[counted], column.outcome[counted] == _UNKNOWN)


def _pooled(columns: Sequence[Column]) -> Column:
    if len(columns) == 1:
        return columns[0]
    return Column(*(np.concatenate([getattr(c, name) for c in columns]) for name in Column.__dataclass_fields__))


def _together(rounds: Sequence[Waits]) -> Waits:
    """Rounds of one storage: seconds added, sessions averaged; unknown when one of them was blind."""
    if not rounds or any(w.known is None for w in rounds):
        return Waits(None)
    whole = Waits(" and ".join(sorted({w.known for w in rounds if w.known})), rounds[0].period_s)
    for part in rounds:
        for pair, seconds in part.seconds.items():
            whole.seconds[pair] += seconds
        for waiter, density in part.sessions.items():
            whole.sessions[waiter] = whole.sessions.get(waiter, np.zeros(len(density))) + density / len(rounds)
            whole.waits[waiter] += part.waits[waiter]
            whole.hits[waiter] += part.hits[waiter]
    return whole


def _orphans(runs: Sequence[Run]) -> int | None:
    """Orphans found in all rounds together; None when one of them could not be read."""
    found = [check.get("count") for run in runs for check in ledger_checks(run) if check.get("check") == "orphans"]
    counts = [count for count in found if isinstance(count, int)]
    return sum(counts) if counts and len(counts) == len(found) >= len(runs) else None


def ledger_checks(run: Run) -> list[Mapping[str, object]]:
    return [c for c in (run.ledger or {}).get("checks") or () if isinstance(c, dict)]
