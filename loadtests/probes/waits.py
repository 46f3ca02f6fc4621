"""From snapshots of locks to waits with a beginning, an end and someone to blame. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.probes.locknames import Named

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


@dataclass(frozen=True, slots=True)
class Lock:
    """One session and one lock that it holds or waits for, as a snapshot shows them.

    `tag` tells locks apart; `since` tells one wait for a lock from the next by the same session; `age_ns` is how long
    it has waited, None where the server does not say. `session` is None for a transaction that no session serves.
    `named` says in words which lock it is, where a tag does not; `began` when the session's transaction began.
    """

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


@dataclass(frozen=True, slots=True)
class Party:
    """A session and what it was doing."""

    session: int | None
    operation: str | None


@dataclass(frozen=True, slots=True)
class Chain:
    """Who stood in the way: directly, and at the head of the queue, `depth` sessions on."""

    blocker: Party
    root: Party
    depth: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A wait as one snapshot shows it. `chain` is None when nobody could be found to hold the lock."""

    lock: Lock
    object: str
    chain: Chain | None
    name: str | None = None


@dataclass(slots=True)
class Wait:
    """One wait, from its first sight to its last. `ended_ns` is None while it lasts; `hits` when it was not sampled."""

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
    """Which lock, in words; None where its tag says so."""

    @property
    def chain(self) -> Chain | None:
        """The chain that most snapshots showed: who blocks may change while one waits."""
        return max(self.chains, key=self.chains.__getitem__)


def waits_in(locks: Sequence[Lock]) -> list[Seen]:
    """Every wait of a snapshot with its blocker and root."""
    by_tag: dict[str, list[Lock]] = defaultdict(list)
    for lock in locks:
        by_tag[lock.tag].append(lock)
    waiting = [lock for lock in locks if not lock.granted and lock.session is not None]
    blockers = {w.session: blocker for w in waiting if (blocker := _blocker(w, by_tag[w.tag]))}
    rows = {lock.session: lock for lock in locks if lock.granted and lock.kind == "tuple"}
    return [_seen(w, rows, _chain(w, blockers)) for w in waiting]


def _seen(waiter: Lock, rows: Mapping[int | None, Lock], chain: Chain | None) -> Seen:
    row = rows.get(waiter.session) if waiter.kind == "transactionid" else None
    named = (row or waiter).named
    return Seen(waiter, named.object, chain, named.lock) if named else Seen(waiter, _object(waiter, rows), chain)


def waits_behind(waits: Sequence[tuple[Lock, Lock | None]]) -> list[Seen]:
    """As `waits_in`, where the server itself says who stands in whose way: waiters, each with its blocker."""
    blockers = {waiter.session: blocker for waiter, blocker in waits if blocker}
    return [_seen(waiter, {}, _chain(waiter, blockers)) for waiter, _ in waits]


def _blocker(waiter: Lock, others: Iterable[Lock]) -> Lock | None:
    """A holder in a conflicting mode; else the foremost of those who queue before the waiter and would conflict."""
    conflicts = _CONFLICTS.get(waiter.mode, frozenset(_MODES))
    against = [o for o in others if o.session != waiter.session and o.mode in conflicts]
    for other in against:
        if other.granted:
            return other
    ahead = [o for o in against if (o.age_ns or 0) > (waiter.age_ns or 0)]
    return max(ahead, key=lambda o: o.age_ns or 0, default=None)


def _chain(waiter: Lock, blockers: Mapping[int | None, Lock]) -> Chain | None:
    """Follows blockers of blockers to one who waits for nobody; a deadlock ends where it closes."""
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
    """What was waited for, in words. Who waits for a transaction and holds a row's queue waits for that row."""
    row = rows.get(waiter.session)
    if waiter.kind == "transactionid":
        return f"row of {row.relation}" if row else "transaction"
    if waiter.kind == "tuple":
        return f"row of {waiter.relation}"
    if waiter.kind == "relation":
        return f"relation {waiter.relation}"
    words = (waiter.kind, waiter.detail, waiter.relation and f"of {waiter.relation}")
    return " ".join(word for word in words if word)


class Waits:
    """Follows waits from snapshot to snapshot. A sampled wait ends half a period after its last sight, on average."""

    def __init__(self, period_ns: int) -> None:
        self._half_ns = period_ns // 2
        self._open: dict[tuple[int | None, str, str, int | None], Wait] = {}
        self._ended: list[Wait] = []

    def observe(self, at_ns: int, error_ns: int, seen: Iterable[Seen]) -> list[Wait]:
        """Takes a snapshot made at `at_ns` ± `error_ns`; returns the waits that it no longer shows."""
        still = {}
        for sight in seen:
            key = (sight.lock.session, sight.lock.tag, sight.lock.mode, sight.lock.since)
            wait = self._open.pop(key, None) or self._open.pop((*key[:3], None), None)
            still[key] = self._again(wait, sight, at_ns, error_ns)
        over, self._open = self._open, still
        self._end(over.values())
        ended, self._ended = self._ended, []
        return ended

    def cut(self) -> None:
        """What was waited for is no more, nor who waited: the server is another one now."""
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

    def _again(self, wait: Wait | None, sight: Seen, at_ns: int, error_ns: int) -> Wait:
        age_ns = sight.lock.age_ns
        if wait is None:
            started_ns = at_ns - (self._half_ns if age_ns is None else age_ns)
            wait = Wait(sight.lock, sight.object, started_ns, error_ns, at_ns, name=sight.name)
        elif age_ns is not None and (error_ns < wait.error_ns or wait.lock.age_ns is None):
            wait.started_ns, wait.error_ns = at_ns - age_ns, error_ns
        wait.lock, wait.last_ns, wait.hits = sight.lock, at_ns, (wait.hits or 0) + 1
        if sight.lock.named is None or sight.name != sight.lock.named.lock:  # a row is known by its queue's head only
            wait.object, wait.name = sight.object, sight.name
        wait.chains[sight.chain] += 1
        return wait
