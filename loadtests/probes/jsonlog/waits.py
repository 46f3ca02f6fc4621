"""From lines of the log to waits, each with its parts, its beginning and its end. Pure.

A statement that wants a hot row waits in parts: for the row's queue, then for the transaction that changed it,
then again, for the row has moved. They follow each other without a gap (but for a part too short to be logged) and are
one wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.probes.jsonlog.history import History, Holder, HolderSnapshot, Part
from loadtests.probes.jsonlog.lines import LogEvent

_STAMPS_NS = 2_000_000
"""How far apart two moments may seem that are one: each stamp is cut to a millisecond."""
_LONGEST_GAP_NS = 50_000_000
_FIRST_OF_A_ROW = ("updating", "deleting")
"""What a statement does with a row that it has not waited for yet; a row that moved is locked or rechecked."""

_FORGETS_EVERY_NS = 2_000_000_000
_CHAIN_HISTORY_NS = 60_000_000_000
"""How far back chains of blockers are kept for a wait that is still in progress."""


@dataclass(slots=True)
class LoggedWait:
    """One wait of one statement. Times by the server's clock."""

    first_event: LogEvent
    """The first line about it: who waits, in which statement."""
    parts: list[Part]
    incarnation: int
    """The server's incarnation: after a restart, numbers of processes and rows are used again."""
    outcome: str = "unknown"
    confirmed: bool = True
    """Whether a later reading confirmed that the server's clock was not set before the last line."""
    seen_ns: int = 0
    unseen_ns: int | None = None

    @property
    def pid(self) -> int:
        return self.first_event.pid

    @property
    def started_ns(self) -> int:
        return self.parts[0].started_ns

    @property
    def ended_ns(self) -> int | None:
        return self.parts[-1].ended_ns

    @property
    def checked(self) -> bool:
        return self.seen_ns > 0 or self.unseen_ns is not None

    def check(self, at_ns: int, waits: bool) -> None:
        """Records a sample: whether it still waited."""
        if waits:
            self.seen_ns, self.unseen_ns = at_ns, None
        elif self.unseen_ns is None:
            self.unseen_ns = at_ns

    def longest(self, until_ns: int) -> Part:
        return max(self.parts, key=lambda part: part.length_ns(until_ns))


class LoggedWaits:
    """Takes events in the order of the log.

    `threshold_ns`: how long a wait lasts before it is logged. `relations`: object id → bare name, of those known.
    """

    def __init__(self, threshold_ns: int, relations: Mapping[int, str] | None = None) -> None:
        self.threshold_ns = threshold_ns
        self.now_ns = self._forgot_ns = 0
        """The stamp of the last event."""
        self._relations = relations or {}
        self._incarnation = 0
        self._last: dict[str, LoggedWait] = {}
        self.unsettled: list[LoggedWait] = []
        """Waits that last, or whose next part may still come."""
        self._history = History()

    @property
    def gap_ns(self) -> int:
        """The longest time between two parts of one wait."""
        return min(self.threshold_ns, _LONGEST_GAP_NS) + _STAMPS_NS

    def take(self, event: LogEvent) -> None:
        if event.kind == "waiting":
            self._waiting(event)
        elif event.kind == "acquired":
            self._acquired(event)
        elif event.kind == "failed":
            self._failed(event)
        elif event.kind == "started":
            self.cut()
        self.now_ns = max(self.now_ns, event.at_ns)

    def _waiting(self, event: LogEvent) -> None:
        part = self._open_part(event)
        # After a reload it is logged again. What began after the last line is another wait, and the end of this one was
        # not logged.
        if part is None or event.began_ns > part.logged_ns + _STAMPS_NS:
            part = self._begin(event)
        part.started_ns, part.logged_ns = min(part.started_ns, event.began_ns), event.at_ns
        part.hold(event.at_ns, event.holders)
        part.queue = part.queue or event.queue

    def _acquired(self, event: LogEvent) -> None:
        """Its word on how long it was is exact. Stamps may come late, when the server is busy, but never early: the
        line with the earliest beginning is right."""
        part = self._open_part(event) or self._begin(event)
        part.started_ns = min(part.started_ns, event.began_ns)
        part.ended_ns = part.started_ns + event.after_ns
        self._last[event.session].outcome = "acquired"
        self._history.got(self._incarnation, event.lock, part.ended_ns, event.pid)

    def _open_part(self, event: LogEvent) -> Part | None:
        """The part for that lock, for which the session waits according to the log."""
        wait = self._last.get(event.session)
        if wait is None or wait.ended_ns is not None or wait.parts[-1].lock != event.lock:
            return None
        return wait.parts[-1]

    def _begin(self, event: LogEvent) -> Part:
        part = Part(event.lock, event.mode, event.began_ns, event.row)
        self._end(event.session, min(event.began_ns, self.now_ns), "unknown")
        wait = self._last.get(event.session)
        if wait is not None and self._continues(wait, event, part):
            wait.parts.append(part)
            wait.outcome = "unknown"
        else:
            wait = self._last[event.session] = LoggedWait(event, [part], self._incarnation)
            self.unsettled.append(wait)
        self._history.began(self._incarnation, event.pid, part)
        return part

    def _continues(self, wait: LoggedWait, event: LogEvent, part: Part) -> bool:
        before, first_event = wait.parts[-1], wait.first_event
        if before.ended_ns is None or wait.outcome != "acquired" or part.started_ns - before.ended_ns > self.gap_ns:
            return False
        if (first_event.transaction, first_event.statement) != (event.transaction, event.statement):
            return False
        return before.of_row and part.of_row and not self._another_row(wait.parts, part)

    def _another_row(self, before: list[Part], part: Part) -> bool:
        """Whether it can only be a row that the statement came to next."""
        relations = {name for p in (before[-1], part) if (name := self._relation(p))}
        places = {p.row.place for p in before if p.row}
        first = part.row.place if part.row and part.row.doing in _FIRST_OF_A_ROW else None
        return len(relations) > 1 or (first is not None and bool(places) and first not in places)

    def _relation(self, part: Part) -> str | None:
        if part.row:
            return part.row.relation
        found = relation_of(part.lock)
        return self._relations.get(found) if found else None

    def _failed(self, event: LogEvent) -> None:
        """Ends what the session waited for; also when a part too short to be logged had come behind those that were."""
        wait = self._last.get(event.session)
        ended_ns = wait.ended_ns if wait else None
        if wait is None or ended_ns is None or event.outcome == "unknown" or not wait.parts[-1].of_row:
            self._end(event.session, event.at_ns, event.outcome)
        elif wait.first_event.transaction == event.transaction and 0 <= event.at_ns - ended_ns <= self.gap_ns:
            last = wait.parts[-1]
            wait.parts.append(Part(last.lock, last.mode, ended_ns, last.row, event.at_ns))
            wait.outcome = event.outcome

    def _end(self, session: str, at_ns: int, outcome: str) -> None:
        wait = self._last.get(session)
        if wait is not None and wait.ended_ns is None:
            wait.parts[-1].ended_ns = max(at_ns, wait.parts[-1].started_ns)
            wait.outcome = outcome

    def end_unseen(self, wait: LoggedWait, at_ns: int) -> None:
        """The log does not say how it ended, and it is known otherwise that it did."""
        self._end(wait.first_event.session, at_ns, "unknown")

    def cut(self) -> None:
        """The server is a new one: no session waits any more, and its numbers begin anew."""
        for wait in self.open():
            self._end(wait.first_event.session, max(self.now_ns, wait.seen_ns), "unknown")
        self._last.clear()
        self._incarnation += 1

    def open(self) -> list[LoggedWait]:
        return [wait for wait in self._last.values() if wait.ended_ns is None]

    def doubt(self, session: str) -> None:
        """Marks its last line's stamp as not confirmed yet."""
        if wait := self._last.get(session):
            wait.confirmed = False

    def confirm(self) -> None:
        """All stamps were right so far."""
        for wait in self.unsettled:
            wait.confirmed = True

    def settled(self, until_ns: int) -> list[LoggedWait]:
        """Confirmed ones that ended before that moment, by the server's clock: a next part would be known by now."""
        done: list[LoggedWait] = []
        left: list[LoggedWait] = []
        for wait in self.unsettled:
            ended_ns = wait.ended_ns
            (done if wait.confirmed and ended_ns is not None and ended_ns < until_ns else left).append(wait)
        self.unsettled = left
        return done

    def forget(self) -> None:
        """Drop history that no unsettled wait needs, every 2 s at most.

        A wait in progress keeps a copy of its chain of blockers, whose history is dropped.
        """
        if abs(self.now_ns - self._forgot_ns) < _FORGETS_EVERY_NS:
            return
        self._forgot_ns, lasting = self.now_ns, self.open()
        certain_ns = self.now_ns - self.gap_ns - self.threshold_ns
        for wait in lasting:
            if wait.parts[-1].started_ns < certain_ns:
                wait.parts[-1].note((certain_ns, self.chain(wait, certain_ns)))
        oldest_ns = min((w.started_ns for w in self.unsettled), default=self.now_ns)
        waited_for = {(wait.incarnation, wait.parts[-1].lock) for wait in lasting}
        self._history.forget(max(oldest_ns, certain_ns - _CHAIN_HISTORY_NS), waited_for)
        self._last = {s: w for s, w in self._last.items() if w.ended_ns is None or w.ended_ns > self.now_ns - 10**9}

    def snapshots(self, wait: LoggedWait, part: Part, until_ns: int) -> list[HolderSnapshot]:
        """Evenly spread over a part of it. Where most of them show the same chain, the others are left out."""
        if part.noted and part.started_ns < self._history.since_ns:
            return part.noted
        moments = _moments(part, until_ns)
        found = [(at_ns, self.chain(wait, at_ns)) for at_ns in moments[::2]]
        if len({tuple(holder.pid for holder in holders) for _, holders in found}) > 1:
            found += [(at_ns, self.chain(wait, at_ns)) for at_ns in moments[1::2]]
        return found

    def chain(self, wait: LoggedWait, at_ns: int) -> tuple[Holder, ...]:
        return self._history.chain(wait.incarnation, wait.pid, at_ns)


def _moments(part: Part, until_ns: int, most: int = 5) -> list[int]:
    length_ns = max(part.length_ns(until_ns), 0)
    return [part.started_ns + length_ns * (2 * i + 1) // (2 * most) for i in range(most)]


def relation_of(lock: str) -> int | None:
    """The object id in the log's text for a lock: `tuple (0,1) of relation 16384 of database 13573`."""
    _, relation, after = lock.partition("relation ")
    return int(number) if relation and (number := after.split(" ", 1)[0]).isdecimal() else None
