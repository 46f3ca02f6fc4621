"""The holders of each lock over time: the head of a lock queue changes while sessions wait in it."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from reports.analysis.locks.ledger import LockHolders
from reports.data.arrays import Ints, Mask, concatenated, rows_of
from reports.data.interval_index import IntervalIndex, Pairs, running_max
from reports.data.lock_rows import LockRows
from reports.data.transactions import FOR_EVER, Transactions

_LONGEST = 16
"""Sessions in a chain from which on it is treated as a cycle."""
_MOST = 4_000_000
"""Pieces of chains from which on the roots in the rows are used."""


def writer_lock_holders(rows: LockRows, transactions: Transactions) -> LockHolders:
    """The one lock of each database, which every transaction holds from its beginning to its end."""
    queue = transactions.database
    intervals = IntervalIndex(queue, transactions.begun, transactions.ended, max(len(rows.databases), 1))
    holder = rows.waiter[intervals.order]
    return LockHolders(queue, intervals, holder, holder, np.broadcast_to(np.int64(1), len(holder)))


def queued_lock_holders(rows: LockRows, transactions: Transactions) -> LockHolders:
    """A session that waited for a lock holds it until its transaction ends or the next session gets it."""
    queue = _queues(rows)
    queues = int(queue.max(initial=-1)) + 1
    got = np.flatnonzero(rows.acquired)
    over = np.zeros(queues, dtype=np.int64)
    np.maximum.at(over, queue, rows.ends)
    order = got[np.lexsort((rows.ends[got], queue[got]))]
    selected, since = queue[order], rows.ends[order]
    next_one = np.where(np.append(selected[1:] == selected[:-1], False), np.append(since[1:], 0), FOR_EVER)[
        : len(order)
    ]
    until = np.minimum(np.minimum(next_one, over[selected]), transactions.ended_at(rows.transaction)[order])
    held = until > since
    order, selected, since, until = order[held], selected[held], since[held], until[held]
    intervals = IntervalIndex(selected, since, until, queues)
    return _Chains(rows, queue, intervals, order[intervals.order]).held()


def _queues(rows: LockRows) -> Ints:
    """The queue of each wait: waits for the same lock that overlap, directly or through others. An updated row has a
    new position: a wait there for a session that got the lock at the old one is in the same queue."""
    lock = rows.lock.copy()
    lock[lock < 0] = lock.max(initial=0) + 1 + np.arange(int((lock < 0).sum()))
    _, group = np.unique(lock, return_inverse=True)
    order = np.lexsort((rows.starts, group))
    group = group[order]
    reached = running_max(group, rows.ends[order])
    apart = (group[1:] != group[:-1]) | (rows.starts[order][1:] > reached[:-1])
    new = np.append(True, apart)[: len(order)]
    cluster = np.empty(len(rows), dtype=np.int64)
    cluster[order] = np.cumsum(new) - 1
    return _moved(rows, cluster)


def _moved(rows: LockRows, cluster: Ints) -> Ints:
    """Join clusters where the head of one got the lock in another one at the same time."""
    clusters = int(cluster.max(initial=-1)) + 1
    begins, ends = np.full(clusters, FOR_EVER), np.zeros(clusters, dtype=np.int64)
    np.minimum.at(begins, cluster, rows.starts)
    np.maximum.at(ends, cluster, rows.ends)
    got = np.flatnonzero(rows.acquired)
    pairs = Pairs(np.unique(rows.session), len(rows.databases) * len(rows.objects.all))
    where = rows.database.astype(np.int64) * len(rows.objects.all) + rows.object
    # A session holds the lock of a kind of object that it got last: one group per session and kind.
    held, group = np.unique(pairs.of(where[got], rows.session[got]), return_inverse=True)
    since = rows.ends[got]
    order = np.lexsort((since, group))
    until = np.where(np.append(group[order][1:] == group[order][:-1], False), np.append(since[order][1:], 0), FOR_EVER)
    until = np.minimum(until[: len(order)], int(rows.ends.max(initial=0)) + 1)
    intervals = IntervalIndex(group[order], since[order], until, len(held))
    at = intervals.at(_places(pairs.of(where, rows.blocker_session), held), rows.ends)
    some = np.flatnonzero(at >= 0)
    other = cluster[got[order[intervals.order[at[some]]]]] if len(some) else some
    selected = cluster[some]
    same = (selected != other) & (begins[selected] <= ends[other]) & (begins[other] <= ends[selected])
    links = coo_array((np.ones(int(same.sum())), (selected[same], other[same])), shape=(clusters, clusters))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)[cluster]


def _places(numbers: Ints, known: Ints) -> Ints:
    """Position of each number among the known ones, which are sorted; -1 if missing."""
    if not len(known):
        return np.full(len(numbers), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.where(known[place] == numbers, place, -1).astype(np.int64)


@dataclass(frozen=True)
class _Pieces:
    """Pieces of holding: number of the span, beginning, end, last session of the chain so far, and its depth."""

    span: Ints
    start: Ints
    end: Ints
    session: Ints
    root: Ints
    depth: Ints

    def where(self, mask: Mask | Ints) -> "_Pieces":
        return rows_of(self, mask)


class _Chains:
    """Where a holder waits itself, its root is the holder of the lock that it waits for, at that moment."""

    def __init__(self, rows: LockRows, queue: Ints, intervals: IntervalIndex, holder: Ints) -> None:
        """`holder` is the wait by which each interval's session got the lock, in the order of `intervals`."""
        self._rows, self._queue, self._intervals, self._holder = rows, queue, intervals, holder
        self._pairs = Pairs(np.unique(rows.session), len(rows.databases))
        self._session = self._pairs.of(rows.database.astype(np.int64), rows.session)
        self._waits = IntervalIndex(self._session, rows.starts, rows.ends, self._pairs.count)

    def held(self) -> LockHolders:
        intervals, direct = self._intervals, self._rows.waiter[self._holder].astype(np.int64)
        one = np.ones(len(direct), dtype=np.int64)
        pieces = _Pieces(np.arange(len(direct)), *intervals.moments(), self._session[self._holder], direct, one)
        done: list[_Pieces] = []
        for _ in range(_LONGEST):
            free, pieces = self._further(pieces)
            done.append(free)
            if not len(pieces.span):
                break
        # A chain without an end is a cycle, which has no root.
        cycle = replace(pieces, root=direct[pieces.span], depth=np.ones(len(pieces.span), dtype=np.int64))
        found = concatenated([*done, cycle])
        whole = IntervalIndex(intervals.group[found.span], found.start, found.end, intervals.count)
        order = whole.order
        return LockHolders(self._queue, whole, direct[found.span][order], found.root[order], found.depth[order])

    def _further(self, pieces: _Pieces) -> tuple[_Pieces, _Pieces]:
        """Pieces whose last session did not wait, and the others, extended by the holder that it waited for."""
        owner, start, end, interval = self._waits.cut(pieces.session, pieces.start, pieces.end)
        cut = replace(pieces.where(owner), start=start, end=end)
        waiting = interval >= 0
        free, stuck = cut.where(~waiting), cut.where(waiting)
        wait = self._waits.order[interval[waiting]]
        if not len(wait) or len(wait) > _MOST:
            return concatenated([free, stuck]), stuck.where(np.zeros(0, dtype=np.int64))
        owner, start, end, span = self._intervals.cut(self._queue[wait], stuck.start, stuck.end)
        found, known = self._extended(replace(stuck.where(owner), start=start, end=end), wait[owner], span)
        return concatenated([free, found.where(~known)]), found.where(known)

    def _extended(self, pieces: _Pieces, wait: Ints, span: Ints) -> tuple[_Pieces, Mask]:
        """Extend chains by a holder. Where no session got the lock by waiting, use the row's root and depth."""
        known, rows = span >= 0, self._rows
        got = self._holder[np.maximum(span, 0)] if len(self._holder) else wait
        root = np.where(known, rows.waiter[got], rows.root[wait]).astype(np.int64)
        depth = pieces.depth + np.where(known, 1, rows.depth[wait])
        return replace(pieces, session=self._session[got], root=root, depth=depth), known
