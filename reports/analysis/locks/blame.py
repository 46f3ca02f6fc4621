"""The blame matrix: seconds waited by waiter and holder, chain lengths, convoys, and the worst waits."""

from collections.abc import Mapping, Sequence

import numpy as np

from loadtests.records.vocabulary import KNOWN, WAIT_OUTCOMES
from reports.analysis.locks.convoys import convoys
from reports.analysis.locks.ledger import Attribution, LockLedger, SourceWaits, WaitKind
from reports.data.arrays import MISSING, Ints
from reports.data.lock_rows import LockRows
from reports.findings.locks import MOST_WAITS, Blame, Worst, longest_convoys, longest_waits
from reports.findings.pooling import summed


def blame_of(ledger: LockLedger, attributions: Sequence[Attribution]) -> Blame:
    """The blame matrix of one run."""
    if ledger.known is None:
        return Blame()
    direct, root = (_by_pair([getattr(one, by) for one in attributions]) for by in ("direct", "root"))
    depth_s = summed({depth: seconds} for one in attributions for (_, depth), seconds in one.depth.items())
    queues = [c for part in ledger.parts for c in convoys(ledger.run, part.rows, part.held)]
    worst = [wait for part in ledger.parts for wait in _worst(ledger, part)]
    return Blame(ledger.known, direct, root, depth_s, longest_convoys(queues), longest_waits(worst))


def _by_pair(parts: Sequence[Mapping[tuple[WaitKind, str], float]]) -> dict[tuple[str, str], float]:
    """Seconds by waiter and holder."""
    return summed({(kind.waiter, holder): seconds} for part in parts for (kind, holder), seconds in part.items())


def _worst(ledger: LockLedger, part: SourceWaits) -> list[Worst]:
    rows, seen = part.rows, _seen(ledger, part.rows)
    judged = np.flatnonzero(rows.judged & rows.noticed & (seen > 0))
    longest = judged[np.argsort(-seen[judged], kind="stable")[:MOST_WAITS]]
    return [_wait(ledger, part, int(place), int(seen[place])) for place in longest]


def _seen(ledger: LockLedger, rows: LockRows) -> Ints:
    """The time that each wait lasted at least. A sampled wait: until the last sample that shows it, half a period
    before its recorded end."""
    period_s = [source.period_s or 0.0 for source in map(ledger.sources.get, rows.databases) if source is not None]
    half_ns = round(max(period_s, default=0.0) * 0.5e9)
    return np.asarray(rows.ends - rows.starts - np.where(rows.hits >= 0, half_ns, 0), dtype=np.int64)


def _wait(ledger: LockLedger, part: SourceWaits, place: int, waited_ns: int) -> Worst:
    rows = part.rows
    statement = None if rows.statement is None else rows.statement[place].as_py()
    return Worst(
        run=ledger.run.name,
        database=rows.databases[rows.database[place]],
        started_s=float(rows.starts[place] - ledger.run.started_ns) / 1e9,
        waited_ns=waited_ns,
        at_least=bool(rows.open[place] or rows.hits[place] >= 0),
        known=KNOWN[rows.known[place]],
        waiter=rows.names.all[rows.waiter[place]],
        object=rows.objects.all[rows.object[place]],
        outcome=WAIT_OUTCOMES[rows.outcome[place]],
        statement=statement or "",
        chain=_writers(part, place) if rows.timed_by_pod else _chain(rows, place),
    )


def _writers(part: SourceWaits, place: int) -> tuple[str, ...]:
    """The operation that held the write lock longest during this wait."""
    rows, one = part.rows, np.array([place])
    _, start, end, span = part.held.intervals.cut(part.held.queue[one], rows.starts[one], rows.ends[one])
    held = np.where(span >= 0, part.held.direct[span], rows.blocker[place])
    return (rows.names.all[int(np.bincount(held, end - start).argmax())],)


def _chain(rows: LockRows, place: int) -> tuple[str, ...]:
    """The chain of blockers that the rows name at the middle of the wait, ending with the root blocker."""
    chain: list[str] = []
    passed, at = {int(rows.session[place])}, place
    moment = int(rows.starts[place] + rows.ends[place]) // 2
    while len(chain) < rows.depth[place] - 1:
        session = int(rows.blocker_session[at])
        if session in passed:
            break
        chain.append(rows.names.all[rows.blocker[at]])
        passed.add(session)
        same_session = (rows.session == session) & (rows.database == rows.database[place])
        waiting = np.flatnonzero(same_session & (rows.starts <= moment) & (rows.ends >= moment))
        if session == MISSING or not len(waiting):
            break
        at = int(waiting[0])
    return (*chain, rows.names.all[rows.root[place]])
