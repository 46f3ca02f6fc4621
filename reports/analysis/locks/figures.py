"""Figures of a storage's lock waits and transactions, rounds pooled. Holds one run at a time in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from reports.analysis.causes.request_states import OverTime, over_time_together
from reports.analysis.causes.responses import RunCauses, run_causes, splits_together
from reports.analysis.endings import endings, endings_together
from reports.analysis.locks.attribution import attribute
from reports.analysis.locks.blame import blame_of
from reports.analysis.locks.counted_waits import sampled_rows, sampled_together
from reports.analysis.locks.durations import durations_of
from reports.analysis.locks.reading import read_ledger
from reports.analysis.locks.waits import together, waits_of
from reports.analysis.operations.columns import OperationResponses
from reports.data.arrays import MISSING, Floats
from reports.data.contract import CounterGrowth, StudyRun, length_ns
from reports.data.counters import counted, counted_together
from reports.data.tables import trim_memory
from reports.findings.causes import CauseFindings
from reports.findings.locks import Blame, LockWaits, SampledRows, WaitDurations
from reports.findings.operations import Axis
from reports.findings.transactions import Endings


@dataclass(frozen=True)
class LockFigures:
    waits: LockWaits
    blame: Blame
    durations: WaitDurations
    causes: CauseFindings
    counted: Mapping[str, CounterGrowth]
    sampled: Mapping[str, SampledRows]
    endings: Endings


@dataclass(frozen=True)
class _Round:
    waits: LockWaits
    blame: Blame
    durations: WaitDurations
    causes: RunCauses
    counted: Mapping[str, CounterGrowth]
    sampled: Mapping[str, SampledRows]
    endings: Endings
    transactions: int
    asks: bool
    """Whether its pods record when they asked for a session."""


def lock_figures(
    runs: Sequence[StudyRun],
    axis: Axis,
    responses: Mapping[str, OperationResponses],
    under_way: Sequence[Mapping[str, Floats]],
) -> LockFigures:
    """`responses` by operation; `under_way`: number of concurrent requests, by run."""
    rounds = [_round(run, axis, responses) for run in runs]
    waits = together(runs, [one.waits for one in rounds], axis)
    over_time = [
        OverTime(run, lasting, one.waits.sessions) for run, lasting, one in zip(runs, under_way, rounds, strict=True)
    ]
    return LockFigures(
        waits,
        reduce(add, [one.blame for one in rounds]),
        reduce(add, [one.durations for one in rounds]),
        _causes(waits, rounds, responses, over_time, axis),
        counted_together([one.counted for one in rounds], [length_ns(run.judged) / 1e9 for run in runs]),
        sampled_together([one.sampled for one in rounds], [one.counted for one in rounds]),
        endings_together([one.endings for one in rounds]),
    )


def _round(run: StudyRun, axis: Axis, responses: Mapping[str, OperationResponses]) -> _Round:
    ledger = read_ledger(run)
    attributions = [attribute(part.rows, part.held) for part in ledger.parts]
    trim_memory()
    totals = counted(run)
    exemplars = {
        name: {figure: by_run[run.name] for figure, by_run in entry.exemplars.items() if run.name in by_run}
        for name, entry in responses.items()
    }
    return _Round(
        waits_of(ledger, attributions, axis),
        blame_of(ledger, attributions),
        durations_of(ledger),
        run_causes(ledger, attributions, axis, exemplars),
        totals,
        sampled_rows(ledger, totals),
        endings(run, ledger.transactions),
        len(ledger.transactions),
        bool((ledger.transactions.asked != MISSING).any()),
    )


def _causes(
    waits: LockWaits,
    rounds: Sequence[_Round],
    responses: Mapping[str, OperationResponses],
    over_time: Sequence[OverTime],
    axis: Axis,
) -> CauseFindings:
    if not any(one.transactions for one in rounds):
        return CauseFindings(None, "no pod wrote a table of its transactions")
    if waits.known is None:
        return CauseFindings(None, "lock waits were not observed")
    parts = [one.causes for one in rounds]
    folded = "" if all(one.asks for one in rounds) else "the pods did not record when they asked for sessions"
    return CauseFindings(
        waits.known,
        folded,
        splits_together(responses, parts, waits.period_s if waits.by_sampling else None),
        over_time_together([one.over_time for one in parts], over_time, axis),
    )
