"""Who made whom wait: seconds by pair, how long the chains were, queues that outlived their cause, the worst waits."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from loadtests.records.vocabulary import KNOWN, WAIT_OUTCOMES
from reports.charges import Charged
from reports.convoys import LONGEST, Convoy, convoys
from reports.frames import MISSING, Ints
from reports.lockledger import LockLedger, Part, together_known
from reports.lockrows import LockRows

WORST = 10
"""So many of the longest waits are told."""


@dataclass(frozen=True)
class Worst:
    """One wait. `started_s` is since the load began. `chain` are the operations from the direct blocker to the root;
    `at_least`: its end was not seen, as that of a sampled wait never is."""

    run: str
    database: str
    started_s: float
    waited_ns: int
    at_least: bool
    known: str
    waiter: str
    object: str
    outcome: str
    statement: str
    chain: tuple[str, ...]


@dataclass(frozen=True)
class Blame:
    """Seconds waited in the judged stages, all rounds together, by (waiter, holder).

    `direct` by who held the lock then, `root` by the head of the chain, who waited for nobody; `depth_s` by the length
    of the chain. `known` None: nothing could see who waited.
    """

    known: str | None = None
    direct: Mapping[tuple[str, str], float] = field(default_factory=dict)
    root: Mapping[tuple[str, str], float] = field(default_factory=dict)
    depth_s: Mapping[int, float] = field(default_factory=dict)
    convoys: tuple[Convoy, ...] = ()
    worst: tuple[Worst, ...] = ()


def blame_of(ledger: LockLedger, charges: Sequence[Charged]) -> Blame:
    """Of one run."""
    if ledger.known is None:
        return Blame()
    direct, root = (defaultdict[tuple[str, str], float](float) for _ in range(2))
    depth_s: dict[int, float] = defaultdict(float)
    for charged in charges:
        for into, found in ((direct, charged.direct), (root, charged.root)):
            for (kind, holder), seconds in found.items():
                into[kind.waiter, holder] += seconds
        for (_, depth), seconds in charged.depth.items():
            depth_s[depth] += seconds
    queues = [c for part in ledger.parts for c in convoys(ledger.run, part.rows, part.held)]
    worst = [wait for part in ledger.parts for wait in _worst(ledger, part)]
    return Blame(ledger.known, direct, root, depth_s, _longest(queues), _longest_waits(worst))


def blame_together(rounds: Sequence[Blame]) -> Blame:
    """Seconds added; unknown when one of the rounds is."""
    words = [blame.known for blame in rounds if blame.known is not None]
    if not rounds or len(words) < len(rounds):
        return Blame()
    direct, root = (_added([getattr(blame, by) for blame in rounds]) for by in ("direct", "root"))
    depth_s: dict[int, float] = defaultdict(float)
    for blame in rounds:
        for depth, seconds in blame.depth_s.items():
            depth_s[depth] += seconds
    queues, waits = ([each for blame in rounds for each in getattr(blame, name)] for name in ("convoys", "worst"))
    return Blame(together_known(words), direct, root, depth_s, _longest(queues), _longest_waits(waits))


def _added(parts: Sequence[Mapping[tuple[str, str], float]]) -> dict[tuple[str, str], float]:
    whole: dict[tuple[str, str], float] = defaultdict(float)
    for part in parts:
        for pair, seconds in part.items():
            whole[pair] += seconds
    return whole


def _longest(queues: Sequence[Convoy]) -> tuple[Convoy, ...]:
    return tuple(sorted(queues, key=lambda c: c.began_s - c.over_s)[:LONGEST])


def _longest_waits(waits: Sequence[Worst]) -> tuple[Worst, ...]:
    return tuple(sorted(waits, key=lambda w: -w.waited_ns)[:WORST])


def _worst(ledger: LockLedger, part: Part) -> list[Worst]:
    rows, seen = part.rows, _seen(ledger, part.rows)
    judged = np.flatnonzero(rows.judged & rows.noticed & (seen > 0))
    longest = judged[np.argsort(-seen[judged], kind="stable")[:WORST]]
    return [_wait(ledger, part, int(place), int(seen[place])) for place in longest]


def _seen(ledger: LockLedger, rows: LockRows) -> Ints:
    """How long each wait certainly lasted: a sampled one until its last sight, half a period before what is told as its
    end."""
    period_s = [sight.period_s or 0.0 for sight in map(ledger.sights.get, rows.databases) if sight is not None]
    half_ns = round(max(period_s, default=0.0) * 0.5e9)
    return np.asarray(rows.ends - rows.starts - np.where(rows.hits >= 0, half_ns, 0), dtype=np.int64)


def _wait(ledger: LockLedger, part: Part, place: int, waited_ns: int) -> Worst:
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


def _writers(part: Part, place: int) -> tuple[str, ...]:
    """Whoever held the one lock longest meanwhile."""
    rows, one = part.rows, np.array([place])
    _, start, end, span = part.held.lanes.cut(part.held.queue[one], rows.starts[one], rows.ends[one])
    held = np.where(span >= 0, part.held.direct[span], rows.blocker[place])
    return (rows.names.all[int(np.bincount(held, end - start).argmax())],)


def _chain(rows: LockRows, place: int) -> tuple[str, ...]:
    """From blocker to blocker as the rows name them, as of the middle of the wait; the root at the end."""
    told: list[str] = []
    passed, at = {int(rows.session[place])}, place
    moment = int(rows.starts[place] + rows.ends[place]) // 2
    while len(told) < rows.depth[place] - 1:
        session = int(rows.blocker_session[at])
        if session in passed:
            break
        told.append(rows.names.all[rows.blocker[at]])
        passed.add(session)
        its = (rows.session == session) & (rows.database == rows.database[place])
        waiting = np.flatnonzero(its & (rows.starts <= moment) & (rows.ends >= moment))
        if session == MISSING or not len(waiting):
            break
        at = int(waiting[0])
    return (*told, rows.names.all[rows.root[place]])
