"""From snapshots of locks to waits with a beginning, an end and a blocker. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from loadtests.probes.locknames import Named
from loadtests.probes.wait_samples import WaitSample, add

_MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
_CONFLICTS = {
    mode: frozenset(_MODES[i] for i in others)
    for mode, others in zip(
        _MODES,
        ((7,), (6, 7), (4, 5, 6, 7), (3, 4, 5, 6, 7), (2, 3, 5, 6, 7), range(2, 8), range(1, 8), range(8)),
        strict=True,
    )
}
"""Lock mode → the modes that cannot be held beside it (PostgreSQL's own table, chapter Explicit Locking)."""


def conflicting(mode: str) -> frozenset[str]:
    return _CONFLICTS.get(mode, frozenset(_MODES))


class Lock(NamedTuple):
    """One session and one lock that it holds or waits for, as a snapshot shows them.

    `tag` identifies a lock; `since` separates one wait for a lock from the next by the same session; `age_ns` is how
    long it has waited, None where the server does not say. `session` is None for a transaction that no session serves.
    `named` is the lock's name, where a tag is not enough; `began` when the session's transaction began, `asked`
    when its statement did."""

    session: int | None
    tag: str
    kind: str
    mode: str
    granted: bool
    relation: str | None = None
    detail: str | None = None
    since: int | None = None
    age_ns: int | None = None
    operation: str | None = None
    pod: str | None = None
    statement: str | None = None
    named: Named | None = None
    began: int | None = None
    asked: int | None = None


class Party(NamedTuple):
    """A session and what it was doing."""

    session: int | None
    operation: str | None


class Chain(NamedTuple):
    """The direct blocker, and the root blocker, `depth` sessions on."""

    blocker: Party
    root: Party
    depth: int


class Observation(NamedTuple):
    """A wait as one snapshot shows it. `chain` is None when no holder of the lock was found."""

    lock: Lock
    object: str
    chain: Chain | None
    name: str | None = None


@dataclass(slots=True)
class Wait:
    """One wait, from its first sample to its last. `ended_ns` is None while it lasts; `hits` when it was not
    sampled."""

    lock: Lock
    object: str
    started_ns: int
    error_ns: int
    last_ns: int
    hits: int | None = 0
    ended_ns: int | None = None
    known: str = "sampled"
    outcome: str = "unknown"
    chains: Counter[Chain | None] = field(default_factory=Counter)
    name: str | None = None
    """The lock's name; None where its tag is enough."""
    samples: list[WaitSample] = field(default_factory=list)
    since: int | None = None
    """Of its first lock, where the server reports for how long that was waited for."""

    @property
    def chain(self) -> Chain | None:
        """The chain that most snapshots showed: who blocks may change while one waits."""
        return max(self.chains, key=self.chains.__getitem__)


def waits_in(locks: Sequence[Lock]) -> list[Observation]:
    """Every wait of a snapshot with its blocker and root."""
    by_tag: dict[str, list[Lock]] = defaultdict(list)
    for lock in locks:
        by_tag[lock.tag].append(lock)
    waiting = [lock for lock in locks if not lock.granted and lock.session is not None]
    against = {(tag, mode): _against(mode, by_tag[tag]) for tag, mode in {(w.tag, w.mode) for w in waiting}}
    blockers = {w.session: blocker for w in waiting if (blocker := _blocker(w, *against[w.tag, w.mode]))}
    rows = {lock.session: lock for lock in locks if lock.granted and lock.kind == "tuple"}
    return [_observation(w, rows, _chain(w, blockers)) for w in waiting]


def _observation(waiter: Lock, rows: Mapping[int | None, Lock], chain: Chain | None) -> Observation:
    row = rows.get(waiter.session) if waiter.kind == "transactionid" else None
    named = (row or waiter).named
    if named:
        return Observation(waiter, named.object, chain, named.lock)
    return Observation(waiter, _object(waiter, rows), chain)


def waits_behind(waits: Sequence[tuple[Lock, Lock | None]]) -> list[Observation]:
    """As `waits_in`, where the server itself says who stands in whose way: waiters, each with its blocker."""
    blockers = {waiter.session: blocker for waiter, blocker in waits if blocker}
    return [_observation(waiter, {}, _chain(waiter, blockers)) for waiter, _ in waits]


def _against(mode: str, of_tag: Iterable[Lock]) -> tuple[list[Lock], list[Lock]]:
    """Holders in a mode that conflicts with it, and waiters for such a mode, the foremost first."""
    modes = conflicting(mode)
    against = [lock for lock in of_tag if lock.mode in modes]
    queue = sorted((lock for lock in against if not lock.granted), key=lambda lock: -(lock.age_ns or 0))
    return [lock for lock in against if lock.granted], queue


def _blocker(waiter: Lock, holders: Iterable[Lock], queue: Iterable[Lock]) -> Lock | None:
    """A holder in a conflicting mode; else the foremost session that queues before the waiter and would conflict."""
    for holder in holders:
        if holder.session != waiter.session:
            return holder
    ahead = next((lock for lock in queue if lock.session != waiter.session), None)
    return ahead if ahead and (ahead.age_ns or 0) > (waiter.age_ns or 0) else None


def _chain(waiter: Lock, blockers: Mapping[int | None, Lock]) -> Chain | None:
    """Follows blockers of blockers to one that does not wait; a deadlock ends where it closes."""
    first = blockers.get(waiter.session)
    if first is None:
        return None
    root, passed = first, {waiter.session, first.session}
    while (following := blockers.get(root.session)) and following.session not in passed:
        root = following
        passed.add(root.session)
    return Chain(_party(first), _party(root), len(passed) - 1)


def _party(lock: Lock) -> Party:
    return Party(lock.session, lock.operation)


def _object(waiter: Lock, rows: Mapping[int | None, Lock]) -> str:
    """The name of what was waited for. A waiter for a transaction that holds a row's queue waits for that row."""
    row = rows.get(waiter.session)
    if waiter.kind == "transactionid":
        return f"row of {row.relation}" if row else "transaction"
    if waiter.kind == "tuple":
        return f"row of {waiter.relation}"
    if waiter.kind == "relation":
        return f"relation {waiter.relation}"
    words = (waiter.kind, waiter.detail, waiter.relation and f"of {waiter.relation}")
    return " ".join(word for word in words if word)


_Key = tuple[int | None, str, str, int | None]


class Waits:
    """Follows waits from snapshot to snapshot. A sampled wait ends half a period after its last sample, on average.

    A statement that wants a hot row waits for its queue, for the transaction that holds it, for the row's new
    version: that is one wait.
    """

    def __init__(self, period_ns: int) -> None:
        self._half_ns = period_ns // 2
        self._open: dict[_Key, Wait] = {}
        self._ended: list[Wait] = []

    def observe(self, at_ns: int, error_ns: int, observations: Iterable[Observation]) -> list[Wait]:
        """Takes a snapshot made at `at_ns` ± `error_ns`; returns the waits that it no longer shows."""
        still = {}
        statements = {(w.lock.session, w.lock.asked): key for key, w in self._open.items() if _of_row(w.lock)}
        for sample in observations:
            lock = sample.lock
            key = (lock.session, lock.tag, lock.mode, lock.since)
            wait = self._open.pop(key, None) or self._open.pop((*key[:3], None), None)
            if wait is not None:
                self._refine_beginning(wait, lock, at_ns, error_ns)
            else:
                before = statements.get((lock.session, lock.asked))
                wait = self._continued(before, sample) or self._new(sample, at_ns, error_ns)
            still[key] = self._add_sample(wait, sample, at_ns, error_ns)
        over, self._open = self._open, still
        self._end(over.values())
        ended, self._ended = self._ended, []
        return ended

    def cut(self) -> None:
        """Ends all waits: the server is a new one."""
        over, self._open = self._open, {}
        self._end(over.values())

    def _end(self, over: Iterable[Wait]) -> None:
        for wait in over:
            wait.ended_ns = wait.last_ns + self._half_ns
            self._ended.append(wait)

    def rest(self) -> list[Wait]:
        """The waits that still last, and those that no `observe` has returned."""
        over, self._open, self._ended = [*self._ended, *self._open.values()], {}, []
        return over

    def _new(self, sample: Observation, at_ns: int, error_ns: int) -> Wait:
        age_ns = sample.lock.age_ns
        started_ns = at_ns - (self._half_ns if age_ns is None else age_ns)
        return Wait(
            sample.lock, sample.object, started_ns, error_ns, at_ns, name=sample.name, since=_since(sample.lock)
        )

    def _continued(self, before: _Key | None, sample: Observation) -> Wait | None:
        """The wait of the same statement that goes on for another lock of the row."""
        wait = self._open.get(before) if before else None
        if wait is None or not _of_row(sample.lock):
            return None
        same = wait.object == sample.object or _UNNAMED_ROW in (wait.object, sample.object)
        return self._open.pop(before) if before and same else None

    def _refine_beginning(self, wait: Wait, lock: Lock, at_ns: int, error_ns: int) -> None:
        """Keeps the most exact reading of the beginning, which only the first part has."""
        if lock.age_ns is None or wait.since not in (None, lock.since):
            return
        if error_ns < wait.error_ns or wait.since is None:
            wait.started_ns, wait.error_ns, wait.since = at_ns - lock.age_ns, error_ns, lock.since

    def _add_sample(self, wait: Wait, sample: Observation, at_ns: int, error_ns: int) -> Wait:
        wait.lock, wait.last_ns, wait.hits = sample.lock, at_ns, (wait.hits or 0) + 1
        if wait.object == _UNNAMED_ROW:
            wait.object, wait.name = sample.object, sample.name
        wait.chains[sample.chain] += 1
        if len(wait.chains) > _MOST_CHAINS:
            wait.chains = Counter(dict(wait.chains.most_common(_MOST_CHAINS // 2)))
        add(wait.samples, WaitSample(at_ns - (sample.lock.age_ns or 0), at_ns, error_ns, _since(sample.lock)))
        return wait


_MOST_CHAINS = 64
"""The chain of most samples is among them, unless its share is no greater than theirs."""


def _since(lock: Lock) -> int | None:
    """None where the server does not report for how long the lock has been waited for."""
    return None if lock.age_ns is None else lock.since


_UNNAMED_ROW = "transaction"
"""The object of a wait for an unknown row."""


def _of_row(lock: Lock) -> bool:
    """Whether it is one of those that a statement waits for one after another; where it is known which one that is."""
    return lock.asked is not None and lock.kind in ("tuple", "transactionid")
