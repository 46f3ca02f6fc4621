"""Lock waits by waiter and holder, and how they are known."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np

from reports.analysis.locks.ledger import Attribution, LockLedger, SourceWaits, WaitSource
from reports.analysis.locks.sampled import sampled
from reports.data.arrays import Ints
from reports.data.contract import StudyRun
from reports.data.density import density
from reports.findings.locks import LockWaits
from reports.findings.operations import Axis
from reports.findings.pooling import summed


def waits_of(ledger: LockLedger, attributions: Sequence[Attribution], axis: Axis) -> LockWaits:
    """Waits of each database and of all; the latter are unknown when one database is."""
    databases = {
        name: _of_database(ledger, attributions, axis, name, source) for name, source in ledger.sources.items()
    }
    return replace(_sum(list(databases.values())), databases=databases)


def together(runs: Sequence[StudyRun], rounds: Sequence[LockWaits], axis: Axis) -> LockWaits:
    """Rounds of one storage: seconds added, sessions averaged over the time that each lasted; unknown when one of them
    was not observed."""
    names = dict.fromkeys(name for waits in rounds for name in waits.databases)
    databases = {name: [waits.databases.get(name, LockWaits(None)) for waits in rounds] for name in names}
    averaged = {name: together(runs, parts, axis) for name, parts in databases.items()}
    whole = replace(_sum(rounds), databases=averaged)
    if whole.known is None:
        return whole
    sessions = axis.mean_of_rounds(runs, [part.sessions for part in rounds])
    return replace(whole, sessions=sessions, stages=whole.stages / len(rounds))


def _sum(parts: Sequence[LockWaits]) -> LockWaits:
    return reduce(add, parts) if parts else LockWaits(None)


def _of_database(
    ledger: LockLedger, attributions: Sequence[Attribution], axis: Axis, name: str, source: WaitSource
) -> LockWaits:
    if source.known is None:
        return LockWaits(None)
    seconds = summed(
        {(kind.waiter, holder): waited_s}
        for attribution in attributions
        for (kind, holder), waited_s in attribution.root.items()
        if kind.database == name
    )
    edges = _stage_edges(ledger.run)
    waits = LockWaits(source.known, source.period_s, seconds, stages=np.zeros(len(edges) // 2))
    for part in ledger.parts:
        if name in part.rows.databases:
            waits = _with_counts(waits, part, part.rows.databases.index(name), edges, axis.edges_ns(ledger.run))
    return waits


def _with_counts(waits: LockWaits, part: SourceWaits, database: int, stages: Ints, bins: Ints) -> LockWaits:
    """Add the waits of one source, except their seconds."""
    rows = part.rows
    for code in np.unique(rows.waiter[rows.database == database]):
        selected = (rows.database == database) & (rows.waiter == code)
        name, times = rows.names.all[code], (rows.starts[selected], rows.ends[selected], rows.weight[selected])
        waits += LockWaits(
            waits.known,
            waits.period_s,
            waits={name: int((rows.judged & rows.noticed & selected).sum())},
            sampled={name: sampled(rows, rows.judged & selected)},
            sessions={name: density(bins, *times)},
            stages=density(stages, *times)[::2],
        )
    return waits


def _stage_edges(run: StudyRun) -> Ints:
    """Edges of the stages: every other bin between these is a stage."""
    edges = [moment for stage in run.stages for moment in (stage.started_ns, stage.ended_ns)]
    return np.maximum.accumulate(np.array(edges or [0, 0], dtype=np.int64))
