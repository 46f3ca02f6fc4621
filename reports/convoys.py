"""Queues that outlived their cause: whoever began them had let go, and still people waited, behind each other."""

from dataclasses import dataclass

import numpy as np

from reports.frames import Ints, Run
from reports.lanes import running_max
from reports.lockrows import LockRows
from reports.queues import Held
from reports.transactions import FOR_EVER

LONGEST = 10
"""So many of the longest are told."""
_SESSIONS = 3
"""Fewer are no queue."""
_LASTED_NS = 100_000_000
"""A shorter one is over before anybody notices."""


@dataclass(frozen=True)
class Convoy:
    """A queue that outlived its cause.

    Moments in s since the load began: `cause` held the lock when the queue began, and let go at `cause_over_s`; the
    queue went on until `over_s`. `sessions` different ones were in it, and waited `waited_s` together.
    """

    run: str
    database: str
    object: str
    began_s: float
    cause: str
    cause_over_s: float
    over_s: float
    sessions: int
    waited_s: float


def convoys(run: Run, rows: LockRows, held: Held) -> list[Convoy]:
    """The longest queues that went on, after their cause had let go, for longer than it took that one to do so.

    A queue are waits for one lock that follow each other without a gap, at least one of them begun in a judged stage.
    Its cause is whoever held the lock when the first one began to wait; it let go when its transaction ended or the
    first of the queue got the lock, whatever was earlier.
    """
    queue, order = _in_order(rows, held)
    if not len(order):
        return []
    first = np.flatnonzero(np.append(True, queue[1:] != queue[:-1]))
    began, over = rows.starts[order][first], np.maximum.reduceat(rows.ends[order], first)
    judged = np.logical_or.reduceat(rows.judged[order], first)
    got = np.where(rows.acquired, rows.ends, FOR_EVER)[order]
    let_go = np.minimum(np.minimum.reduceat(got, first), rows.root_ended[order][first])
    lasted = over - began
    outlived = judged & (lasted >= _LASTED_NS) & (let_go > began) & (over - let_go > let_go - began)
    past = np.append(first[1:], len(order))
    found = []
    for place in np.flatnonzero(outlived)[np.argsort(-lasted[outlived], kind="stable")]:
        members = order[first[place] : past[place]]
        moments = began[place], let_go[place], over[place]
        if len(np.unique(rows.session[members])) >= _SESSIONS:
            found.append(_convoy(run, rows, held, members, moments))
        if len(found) == LONGEST:
            break
    return found


def _in_order(rows: LockRows, held: Held) -> tuple[Ints, Ints]:
    """The waits queue by queue, each begun with the first: a lock that nobody waited for meanwhile is another queue."""
    noticed = np.flatnonzero(rows.noticed)
    order = noticed[np.lexsort((rows.starts[noticed], held.queue[noticed]))]
    lane = held.queue[order].astype(np.int64)
    reached = running_max(lane, rows.ends[order])
    apart = np.append(True, (lane[1:] != lane[:-1]) | (rows.starts[order][1:] > reached[:-1]))[: len(order)]
    return np.cumsum(apart), order


def _convoy(run: Run, rows: LockRows, held: Held, members: Ints, moments: tuple[int, int, int]) -> Convoy:
    began_s, let_go_s, over_s = (float(moment - run.started_ns) / 1e9 for moment in moments)
    first = members[:1]
    return Convoy(
        run=run.name,
        database=rows.databases[rows.database[first[0]]],
        object=_object(rows, members),
        began_s=began_s,
        cause=rows.names.all[_cause(rows, held, first)],
        cause_over_s=let_go_s,
        over_s=over_s,
        sessions=len(np.unique(rows.session[members])),
        waited_s=float(rows.weight[members].sum()) / 1e9,
    )


def _object(rows: LockRows, members: Ints) -> str:
    """What most of them waited for."""
    return rows.objects.all[int(np.bincount(rows.object[members]).argmax())]


def _cause(rows: LockRows, held: Held, first: Ints) -> int:
    """Who held it when the first one began to wait; the head of the chain."""
    found = held.lanes.at(held.queue[first], rows.starts[first])
    return int(held.root[found[0]] if found[0] >= 0 else rows.root[first[0]])
