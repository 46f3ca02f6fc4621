"""Which session waited for which lock when, and which got it, as far back as needed: chains of blockers. Pure."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from loadtests.probes.jsonlog.lines import LoggedRow
from loadtests.probes.waits import conflicting

_CONFLICTS_WITH_ALL = "AccessExclusiveLock"
_NOTED = 16
_PASSED_OVER = 8
"""How many successive holders of a lock are searched for one that is not the waiter."""


class Holder(NamedTuple):
    """A lock's holder, and since when it is known to be."""

    pid: int
    since_ns: int


HolderSnapshot = tuple[int, tuple[Holder, ...]]
"""A time, and the blockers then: the direct blocker first, the root blocker last."""


@dataclass(slots=True)
class Part:
    """A wait for one lock, as the server's lock manager knows it. `holders`: from when on, who held it."""

    lock: str
    mode: str
    started_ns: int
    row: LoggedRow | None = None
    ended_ns: int | None = None
    logged_ns: int = 0
    """When a line last logged that it lasts."""
    holders: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    queue: tuple[int, ...] = ()
    noted: list[HolderSnapshot] = field(default_factory=list)
    """Snapshots made while it lasted, evenly spread."""

    @property
    def of_row(self) -> bool:
        """Whether it is one of those that a statement waits for one after another because of a row."""
        return self.lock.startswith(("tuple ", "transaction "))

    @property
    def names_row(self) -> bool:
        """The server does not always say which row it is."""
        return self.row is not None or self.lock.startswith("tuple ")

    def length_ns(self, until_ns: int) -> int:
        return (until_ns if self.ended_ns is None else self.ended_ns) - self.started_ns

    def hold(self, at_ns: int, holders: tuple[int, ...]) -> None:
        """A line says who held it then; who did at first, did so before it was waited for."""
        if holders and not (self.holders and self.holders[-1][1] == holders):
            self.holders.append((at_ns if self.holders else self.started_ns, holders))

    def note(self, snapshot: HolderSnapshot) -> None:
        """Skips a snapshot too soon after the last one: the longer the wait, the greater their distance."""
        if len(self.noted) > 1:
            apart_ns = self.noted[1][0] - self.noted[0][0]
            if snapshot[0] - self.noted[-1][0] < apart_ns * 7 // 8:
                return
        self.noted.append(snapshot)
        if len(self.noted) == _NOTED:
            del self.noted[::2]


class History:
    """Of all incarnations of a server: another one gives the same numbers to other processes and locks.

    Chains can be asked for from `since_ns` on.
    """

    def __init__(self) -> None:
        self.since_ns = 0
        self._parts: dict[tuple[int, int], list[Part]] = defaultdict(list)
        self._got: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)

    def __len__(self) -> int:
        return sum(map(len, self._parts.values())) + sum(map(len, self._got.values()))

    def began(self, incarnation: int, pid: int, part: Part) -> None:
        self._parts[incarnation, pid].append(part)

    def got(self, incarnation: int, lock: str, at_ns: int, pid: int) -> None:
        """No session holds a transaction's end."""
        if not lock.startswith("transaction "):
            self._got[incarnation, lock].append((at_ns, pid))

    def chain(self, incarnation: int, pid: int, at_ns: int) -> tuple[Holder, ...]:
        """Its chain of blockers at that time."""
        found: list[Holder] = []
        passed = [pid]
        while (part := self._waiting_for(incarnation, passed[-1], at_ns)) is not None:
            holder = self._holder(incarnation, part, passed[-1], at_ns)
            if holder is None or holder.pid in passed:
                break
            found.append(holder)
            passed.append(holder.pid)
        return tuple(found)

    def _waiting_for(self, incarnation: int, pid: int, at_ns: int) -> Part | None:
        for part in reversed(self._parts.get((incarnation, pid), ())):
            if part.started_ns <= at_ns:
                return part if part.ended_ns is None or part.ended_ns > at_ns else None
        return None

    def _holder(self, incarnation: int, part: Part, pid: int, at_ns: int) -> Holder | None:
        """The holders, at that time, of what `pid` waited for: the one that got it last, else the one that was
        logged."""
        got = self._got.get((incarnation, part.lock), [])
        place = bisect_right(got, (at_ns, 1 << 62))
        for since_ns, other in reversed(got[max(place - _PASSED_OVER, 0) : place]):
            if since_ns < part.started_ns:
                break
            if other != pid:
                return Holder(other, since_ns)
        if ahead := self._ahead(incarnation, part, pid, at_ns):
            return ahead
        named = [named for named in part.holders if named[0] <= at_ns] or part.holders[:1]
        return Holder(named[-1][1][0], named[-1][0]) if named else None

    def _ahead(self, incarnation: int, part: Part, pid: int, at_ns: int) -> Holder | None:
        """Sessions that queued before `pid` for a relation, in a conflicting mode, as for a reader behind a change of
        the table. Its holder may share it with `pid`: the log has the holder, but not the mode."""
        if not part.lock.startswith("relation ") or part.mode == _CONFLICTS_WITH_ALL or pid not in part.queue:
            return None
        for other in part.queue[: part.queue.index(pid)]:
            asked = self._waiting_for(incarnation, other, at_ns)
            if asked is not None and asked.lock == part.lock and asked.mode in conflicting(part.mode):
                return Holder(other, asked.started_ns)
        return None

    def forget(self, before_ns: int, waited_for: Collection[tuple[int, str]]) -> None:
        """All but what is needed for later times: for locks with waiters also their earlier holders."""
        self.since_ns = before_ns
        for pid, parts in list(self._parts.items()):
            if kept := [part for part in parts if part.ended_ns is None or part.ended_ns >= before_ns]:
                self._parts[pid] = kept
            else:
                del self._parts[pid]
        for lock, got in list(self._got.items()):
            place = bisect_left(got, (before_ns, 0))
            del got[: max(place - _PASSED_OVER, 0) if lock in waited_for else place]
            if not got:
                del self._got[lock]
