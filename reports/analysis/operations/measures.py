"""A storage's figures of each operation, its rounds pooled, over the judged stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES, PUSHES
from reports.analysis.operations.budgets import BudgetPool
from reports.analysis.operations.columns import MeasureColumn, OperationResponses
from reports.analysis.operations.exemplars import exemplars
from reports.analysis.operations.gathering import Gathered
from reports.analysis.operations.statistics import Sample, by_bin, curve, percentile, percentiles, sample
from reports.data.arrays import Ints, concatenated
from reports.data.contract import StudyRun
from reports.findings.estimates import Estimate
from reports.findings.operations import (
    FROM_CAUSE,
    FROM_STAMP,
    MEASURES,
    STAGED,
    Axis,
    Measure,
    StageMeasures,
    StampClock,
)

_OK, _REFUSED, _FAIL, _UNKNOWN = (OUTCOMES.index(name) for name in ("ok", "refused", "fail", "unknown"))


@dataclass(frozen=True)
class MeasurePool:
    """Values that the measures of one storage share."""

    runs: Sequence[StudyRun]
    axis: Axis
    judged_s: float
    limits_s: Mapping[str, float]
    pods: tuple[str, ...]


Measures = dict[str, Measure]


def measured(
    pool: MeasurePool, gathered: Sequence[Gathered], budgets: BudgetPool
) -> tuple[Measures, dict[str, Measures], dict[str, OperationResponses]]:
    """Measures of all pods together, of each of several pods, and the responses to attribute.

    Consumes the columns, so that one measure at a time is in memory; `budgets` counts each on the way."""
    whole: Measures = {}
    by_pod: dict[str, Measures] = {pod: {} for pod in pool.pods} if len(pool.pods) > 1 else {}
    responses: dict[str, OperationResponses] = {}
    for name in MEASURES:
        columns = {g.run.name: column for g in gathered if (column := g.take(name)) is not None}
        if not columns:
            continue
        budgets.add(name, columns)
        operation = OPERATIONS.index(FROM_CAUSE if name == FROM_STAMP else name)
        errors = np.sum([g.errors[:, operation] for g in gathered], axis=0)
        clock = _unreliable_clock(name, gathered)
        whole[name] = _measure(pool, name, columns, errors.sum(axis=0), clock)
        if name in OPERATIONS and name not in PUSHES:
            responses[name] = _responses(whole[name], columns, gathered)
        apart = {run: column.by_pod(len(by_pod)) for run, column in columns.items()} if by_pod else {}
        for place, pod in enumerate(by_pod):
            selected = {run: parts[place] for run, parts in apart.items() if len(parts[place].outcome)}
            if selected:
                by_pod[pod][name] = _measure(pool, name, selected, errors[place], clock)
    return whole, by_pod, responses


def _unreliable_clock(name: str, gathered: Sequence[Gathered]) -> StampClock | None:
    if name != FROM_STAMP:
        return None
    return next((g.stamp_clock for g in gathered if not g.stamp_clock.usable), None)


def _responses(
    measure: Measure, columns: Mapping[str, MeasureColumn], gathered: Sequence[Gathered]
) -> OperationResponses:
    identities = {g.run.name: identity for g in gathered if (identity := g.take_identity(measure.name)) is not None}
    return OperationResponses(
        sum(measure.outcomes.values()),
        measure.waited_s * 1e9,
        measure.client_backlog_s * 1e9,
        measure.outcomes["unknown"] > 0,
        {name: (float(e.value), e.at_least) for name, e in measure.response.items() if e is not None},
        exemplars(measure.response, columns, identities),
    )


def _measure(
    pool: MeasurePool,
    name: str,
    columns: Mapping[str, MeasureColumn],
    errors: Ints,
    unreliable_clock: StampClock | None,
) -> Measure:
    measure = _figures(pool, name, columns, errors)
    if unreliable_clock is None:
        return measure
    nothing: dict[str, Estimate | None] = dict.fromkeys(measure.response)
    return replace(
        measure,
        response=nothing,
        service=nothing,
        rounds=dict.fromkeys(measure.rounds, nothing),
        waited_s=0.0,
        client_backlog_s=0.0,
        curve=([], []),
        over_time=[None] * len(measure.over_time),
        good=None,
        unreliable_clock=unreliable_clock,
    )


def _figures(pool: MeasurePool, name: str, columns: Mapping[str, MeasureColumn], errors: Ints) -> Measure:
    samples = {run: _sample(c, c.response) for run, c in columns.items()}
    whole = concatenated(list(columns.values()))
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


def _good(column: MeasureColumn, limit_s: float | None) -> int | None:
    if limit_s is None:
        return None
    return int((column.judged & (column.outcome == _OK) & (column.response <= round(limit_s * 1e9))).sum())


def _stage_figures(column: MeasureColumn, stages: int) -> list[StageMeasures]:
    figures = []
    for place in range(stages):
        selected = column.stage == place
        counts = np.bincount(column.outcome[selected], minlength=len(OUTCOMES))
        rows = _sample(replace(column, judged=selected), column.response)
        outcomes = {outcome: int(counts[code]) for code, outcome in enumerate(OUTCOMES)}
        figures.append(StageMeasures(outcomes, percentile(rows, 0.5), percentile(rows, 0.99)))
    return figures


def _sample(column: MeasureColumn, durations: Ints) -> Sample:
    counted = column.judged & ((column.outcome == _OK) | (column.outcome == _UNKNOWN))
    return sample(durations[counted], column.outcome[counted] == _UNKNOWN)
