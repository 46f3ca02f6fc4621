"""Who held a lock, moment by moment: the head of a queue changes while one waits in it."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from reports.frames import Ints, Mask
from reports.lanes import Lanes, Pairs, running_max
from reports.lockrows import LockRows
from reports.transactions import FOR_EVER, Transactions

_LONGEST = 16
"""Sessions in a chain before it is taken for a ring."""
_MOST = 4_000_000
"""Pieces of chains before the rest is left to what the rows say of their roots."""

Places = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Held:
    """Who held the lock of each queue when. `queue` is that of each wait; in the lanes are spans of holding, told by
    `direct` (who held it), `root` (whom that one waited for then) and `depth`, in the lanes' order. What no span covers
    of a wait is told by its own row."""

    queue: Ints | Places
    lanes: Lanes
    direct: Ints | Places
    root: Ints | Places
    depth: Ints


def held_by_writers(rows: LockRows, transactions: Transactions) -> Held:
    """The one lock of each database, which every transaction holds from its beginning to its end."""
    queue = transactions.database
    lanes = Lanes(queue, transactions.begun, transactions.ended, max(len(rows.databases), 1))
    holder = rows.waiter[lanes.order]
    return Held(queue, lanes, holder, holder, np.broadcast_to(np.int64(1), len(holder)))


def held_in_queues(rows: LockRows, transactions: Transactions) -> Held:
    """Who got a lock by waiting for it holds it until its transaction ends or the next one gets it."""
    queue = _queues(rows)
    queues = int(queue.max(initial=-1)) + 1
    got = np.flatnonzero(rows.acquired)
    over = np.zeros(queues, dtype=np.int64)
    np.maximum.at(over, queue, rows.ends)
    order = got[np.lexsort((rows.ends[got], queue[got]))]
    mine, since = queue[order], rows.ends[order]
    next_one = np.where(np.append(mine[1:] == mine[:-1], False), np.append(since[1:], 0), FOR_EVER)[: len(order)]
    until = np.minimum(np.minimum(next_one, over[mine]), transactions.ended_at(rows.transaction)[order])
    held = until > since
    order, mine, since, until = order[held], mine[held], since[held], until[held]
    lanes = Lanes(mine, since, until, queues)
    return _Chains(rows, queue, lanes, order[lanes.order]).held()


def _queues(rows: LockRows) -> Ints:
    """The queue of each wait: waits for the same lock that overlap, link by link. A row that is changed has a new
    place: who waits there for one that got it at the old place is in the same queue."""
    lock = rows.lock.copy()
    lock[lock < 0] = lock.max(initial=0) + 1 + np.arange(int((lock < 0).sum()))
    _, lane = np.unique(lock, return_inverse=True)
    order = np.lexsort((rows.starts, lane))
    lane = lane[order]
    reached = running_max(lane, rows.ends[order])
    apart = (lane[1:] != lane[:-1]) | (rows.starts[order][1:] > reached[:-1])
    new = np.append(True, apart)[: len(order)]
    cluster = np.empty(len(rows), dtype=np.int64)
    cluster[order] = np.cumsum(new) - 1
    return _moved(rows, cluster)


def _moved(rows: LockRows, cluster: Ints) -> Ints:
    """Clusters joined where the head of one is who got the lock in another that lasts at the same time."""
    clusters = int(cluster.max(initial=-1)) + 1
    begins, ends = np.full(clusters, FOR_EVER), np.zeros(clusters, dtype=np.int64)
    np.minimum.at(begins, cluster, rows.starts)
    np.maximum.at(ends, cluster, rows.ends)
    got = np.flatnonzero(rows.acquired)
    pairs = Pairs(np.unique(rows.session), len(rows.databases) * len(rows.objects.all))
    where = rows.database.astype(np.int64) * len(rows.objects.all) + rows.object
    # What a session holds of a kind of object it got last before: a lane for each session and kind.
    held, lane = np.unique(pairs.of(where[got], rows.session[got]), return_inverse=True)
    since = rows.ends[got]
    order = np.lexsort((since, lane))
    until = np.where(np.append(lane[order][1:] == lane[order][:-1], False), np.append(since[order][1:], 0), FOR_EVER)
    until = np.minimum(until[: len(order)], int(rows.ends.max(initial=0)) + 1)
    lanes = Lanes(lane[order], since[order], until, len(held))
    at = lanes.at(_places(pairs.of(where, rows.blocker_session), held), rows.ends)
    some = np.flatnonzero(at >= 0)
    other = cluster[got[order[lanes.order[at[some]]]]] if len(some) else some
    mine = cluster[some]
    same = (mine != other) & (begins[mine] <= ends[other]) & (begins[other] <= ends[mine])
    links = coo_array((np.ones(int(same.sum())), (mine[same], other[same])), shape=(clusters, clusters))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)[cluster]


def _places(numbers: Ints, known: Ints) -> Ints:
    """Where each number is among the known ones, which are sorted; -1 where it is not."""
    if not len(known):
        return np.full(len(numbers), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.where(known[place] == numbers, place, -1).astype(np.int64)


@dataclass(frozen=True)
class _Pieces:
    """Pieces of holding: of which span, from, to, who is the last one found of the chain, how far down it is."""

    span: Ints
    start: Ints
    end: Ints
    session: Ints
    root: Ints
    depth: Ints

    def where(self, mask: Mask | Ints) -> "_Pieces":
        return _Pieces(*(getattr(self, name)[mask] for name in _Pieces.__dataclass_fields__))


def _joined(pieces: list[_Pieces]) -> _Pieces:
    names = _Pieces.__dataclass_fields__
    return _Pieces(*(np.concatenate([getattr(p, name) for p in pieces]) for name in names))


class _Chains:
    """Where a holder waited itself, the root is whoever held what that one waited for, at that moment."""

    def __init__(self, rows: LockRows, queue: Ints, lanes: Lanes, holder: Ints) -> None:
        """`holder` is the wait by which each span's session got the lock, in the order of the lanes."""
        self._rows, self._queue, self._lanes, self._holder = rows, queue, lanes, holder
        self._pairs = Pairs(np.unique(rows.session), len(rows.databases))
        self._session = self._pairs.of(rows.database.astype(np.int64), rows.session)
        self._waits = Lanes(self._session, rows.starts, rows.ends, self._pairs.count)

    def held(self) -> Held:
        lanes, direct = self._lanes, self._rows.waiter[self._holder].astype(np.int64)
        one = np.ones(len(direct), dtype=np.int64)
        pieces = _Pieces(np.arange(len(direct)), *lanes.moments(), self._session[self._holder], direct, one)
        done: list[_Pieces] = []
        for _ in range(_LONGEST):
            free, pieces = self._further(pieces)
            done.append(free)
            if not len(pieces.span):
                break
        # What goes on without an end is a ring, which has no head.
        ring = replace(pieces, root=direct[pieces.span], depth=np.ones(len(pieces.span), dtype=np.int64))
        found = _joined([*done, ring])
        whole = Lanes(lanes.lane[found.span], found.start, found.end, lanes.count)
        order = whole.order
        return Held(self._queue, whole, direct[found.span][order], found.root[order], found.depth[order])

    def _further(self, pieces: _Pieces) -> tuple[_Pieces, _Pieces]:
        """Pieces whose last session waited for nobody, and the others, followed to who held what it waited for."""
        whose, start, end, which = self._waits.cut(pieces.session, pieces.start, pieces.end)
        cut = replace(pieces.where(whose), start=start, end=end)
        waiting = which >= 0
        free, stuck = cut.where(~waiting), cut.where(waiting)
        wait = self._waits.order[which[waiting]]
        if not len(wait) or len(wait) > _MOST:
            return _joined([free, stuck]), stuck.where(np.zeros(0, dtype=np.int64))
        whose, start, end, span = self._lanes.cut(self._queue[wait], stuck.start, stuck.end)
        found, known = self._followed(replace(stuck.where(whose), start=start, end=end), wait[whose], span)
        return _joined([free, found.where(~known)]), found.where(known)

    def _followed(self, pieces: _Pieces, wait: Ints, span: Ints) -> tuple[_Pieces, Mask]:
        """Where nobody got the lock by waiting, the row says who held it, and how many were before that one."""
        known, rows = span >= 0, self._rows
        got = self._holder[np.maximum(span, 0)] if len(self._holder) else wait
        root = np.where(known, rows.waiter[got], rows.root[wait]).astype(np.int64)
        depth = pieces.depth + np.where(known, 1, rows.depth[wait])
        return replace(pieces, session=self._session[got], root=root, depth=depth), known
