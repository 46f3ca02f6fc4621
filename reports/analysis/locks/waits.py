"""Lock waits by waiter and holder, and how they are known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reports.analysis.locks.ledger import Attribution, LockLedger, SourceWaits, WaitSource, together_known
from reports.analysis.locks.sampled import sampled
from reports.analysis.rounds import mean_over_time
from reports.data.arrays import Floats, Ints
from reports.data.contract import StudyRun
from reports.data.density import density
from reports.findings.locks import LockWaits
from reports.findings.operations import Axis


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
