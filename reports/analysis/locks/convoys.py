"""Convoys: lock queues that outlive their cause. The first holder has released the lock, and the queue remains."""

from typing import NamedTuple

import numpy as np

from reports.analysis.locks.ledger import LockHolders
from reports.data.arrays import Ints
from reports.data.contract import UNNAMED, StudyRun
from reports.data.interval_index import running_max
from reports.data.lock_rows import LockRows
from reports.findings.locks import MOST_CONVOYS, Convoy

_SESSIONS = 3
"""Sessions that make a queue."""
_LASTED_NS = 100_000_000
"""Shorter queues have no effect that a user would notice."""


class _Queues(NamedTuple):
    """Waits for one lock that follow each other without a gap: a queue is `order[first:past]`. Its longest hold, in
    which no session of the queue got the lock, began at `held` and lasted `longest`."""

    order: Ints
    first: Ints
    past: Ints
    began: Ints
    over: Ints
    held: Ints
    longest: Ints


def convoys(run: StudyRun, rows: LockRows, held: LockHolders) -> list[Convoy]:
    """The longest queues that lasted longer after the release of the lock by their cause than that had held it. At
    least one wait of each began in a judged stage."""
    queues = _queues(rows, held)
    if not len(queues.order):
        return []
    judged = np.logical_or.reduceat(rows.judged[queues.order], queues.first)
    lasted = queues.over - queues.began
    after = queues.over - queues.held - queues.longest
    outlived = np.flatnonzero(judged & (lasted >= _LASTED_NS) & (queues.longest > 0) & (after > queues.longest))
    found = []
    for number in outlived[np.argsort(-lasted[outlived], kind="stable")]:
        members = queues.order[queues.first[number] : queues.past[number]]
        if len(np.unique(rows.session[members])) >= _SESSIONS:
            cause = _cause(rows, held, members, queues.held[number], queues.longest[number])
            let_go = queues.held[number] + queues.longest[number]
            found.append(_convoy(run, rows, members, cause, (queues.began[number], let_go, queues.over[number])))
        if len(found) == MOST_CONVOYS:
            break
    return found


def _queues(rows: LockRows, held: LockHolders) -> _Queues:
    queue, order = _in_order(rows, held)
    first = np.flatnonzero(np.append(True, queue[1:] != queue[:-1]))[: len(order)]
    if not len(order):
        return _Queues(order, first, *[first] * 5)
    began, over = rows.starts[order][first], np.maximum.reduceat(rows.ends[order], first)
    past = np.append(first[1:], len(order))
    of_each = np.repeat(np.arange(len(first)), past - first)
    # A sampled wait that is no longer observed counts as having got the lock.
    got = (rows.acquired | (rows.hits >= 0))[order]
    at_first = np.clip(rows.root_ended[order][first], began, over)
    each = np.arange(len(first))
    where = np.concatenate((each, each, each, of_each[got]))
    moments = np.concatenate((began, at_first, over, rows.ends[order][got]))
    return _Queues(order, first, past, began, over, *_longest(where, moments))


def _longest(where: Ints, moments: Ints) -> tuple[Ints, Ints]:
    """The longest time between two moments of each group: its beginning and its length. Groups are 0, 1, 2, …"""
    order = np.lexsort((moments, where))
    where, moments = where[order], moments[order]
    length = np.diff(moments, append=moments[-1:])
    length[np.append(where[1:] != where[:-1], True)] = 0
    longest = np.maximum.reduceat(length, np.searchsorted(where, np.arange(where[-1] + 1)))
    places = np.flatnonzero(length == longest[where])
    _, firsts = np.unique(where[places], return_index=True)
    return moments[places[firsts]], longest


def _in_order(rows: LockRows, held: LockHolders) -> tuple[Ints, Ints]:
    """Waits sorted by queue, and the queue of each. A moment without waits for a lock ends its queue."""
    noticed = np.flatnonzero(rows.noticed)
    order = noticed[np.lexsort((rows.starts[noticed], held.queue[noticed]))]
    group = held.queue[order].astype(np.int64)
    reached = running_max(group, rows.ends[order])
    apart = np.append(True, (group[1:] != group[:-1]) | (rows.starts[order][1:] > reached[:-1]))[: len(order)]
    return np.cumsum(apart), order


def _convoy(run: StudyRun, rows: LockRows, members: Ints, cause: str, moments: tuple[int, int, int]) -> Convoy:
    began_s, let_go_s, over_s = (float(moment - run.started_ns) / 1e9 for moment in moments)
    return Convoy(
        run=run.name,
        database=rows.databases[rows.database[members[0]]],
        object=_object(rows, members),
        began_s=began_s,
        cause=cause,
        cause_over_s=let_go_s,
        over_s=over_s,
        sessions=len(np.unique(rows.session[members])),
        waited_s=float(rows.weight[members].sum()) / 1e9,
    )


def _object(rows: LockRows, members: Ints) -> str:
    """The object that most of them waited for."""
    return rows.objects.all[int(np.bincount(rows.object[members]).argmax())]


def _cause(rows: LockRows, held: LockHolders, members: Ints, since: int, length: int) -> str:
    """The root blocker during the longest hold; else the session that had just got the lock, or the first wait's
    root."""
    name = rows.names.all.__getitem__
    found = int(held.intervals.at(held.queue[members[:1]], np.array([since + length // 2]))[0])
    if found >= 0:
        return name(int(held.root[found]))
    if since == rows.starts[members[0]]:
        return name(int(rows.root[members[0]]))
    got = members[rows.ends[members] == since]
    return name(int(rows.waiter[got[0]])) if len(got) else UNNAMED
