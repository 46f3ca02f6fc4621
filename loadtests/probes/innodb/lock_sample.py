"""One sample of a MariaDB or MySQL server: its sessions, and which of them waits for which. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from loadtests.probes import locknames, naming
from loadtests.probes.innodb import tickets
from loadtests.probes.locknames import Named
from loadtests.probes.waits import Lock

_LONGEST = 100
_WHOLE = 1000
_LABEL = re.compile(r"\s*/\*\s*([\w.-]{1,100}@[\w.-]{1,100})\s*\*/")


class InnodbSession(NamedTuple):
    """One client's session in a sample.

    `transaction` None: in none that InnoDB knows of. `head` and `tail`: how the statement that it runs begins, and how
    it ends where it has a thousand bytes or more; None: that is not known. `query` is another one for each statement,
    and stays while one is idle. `age_ns`: since the statement began, or since the session fell idle.
    """

    session: int
    wait_class: str
    transaction: int | None
    state: str | None
    head: str | None
    tail: str | None
    query: int
    age_ns: int
    user: str

    @property
    def label(self) -> str | None:
        """`chat.accept@pod-1`, or the operation that a comment names otherwise."""
        head = self.head or ""
        if label := _LABEL.match(head):
            return label[1]
        return naming.comment(head + (self.tail or ""), self.tail is not None or len(head.encode()) < _WHOLE)


class SessionLabels:
    """The operations that sessions last named: while their transaction lasts, or until they name another one.

    A client that never names one, as a backup, a migration tool or a person, is named after its program, where the
    server knows it, or its user. For clients that do name operations, a missing name means nothing.
    """

    def __init__(self) -> None:
        self._labels: dict[int, tuple[int | None, int, str]] = {}
        self._strangers: dict[int, str] = {}
        self._labelling_users: set[tuple[str, str | None]] = set()
        self.programs: Mapping[int, str] = {}

    def note(self, sessions: Sequence[InnodbSession]) -> None:
        before, self._labels = self._labels, {}
        for s in sessions:
            if label := s.label:
                self._labels[s.session] = s.transaction, s.query, label
                self._labelling_users.add(self._who(s))
            elif (known := before.get(s.session)) and _goes_on(s, known):
                self._labels[s.session] = known
        self._strangers = {s.session: self._own_name(s) for s in sessions if self._is_stranger(s)}

    def _who(self, s: InnodbSession) -> tuple[str, str | None]:
        return s.user, self.programs.get(s.session)

    def _is_stranger(self, s: InnodbSession) -> bool:
        return s.wait_class != "client" and s.session not in self._labels and self._who(s) not in self._labelling_users

    def _own_name(self, s: InnodbSession) -> str:
        return (self.programs.get(s.session) or s.user)[:_LONGEST]

    def of(self, session: int) -> str | None:
        """`chat.accept@pod-1`, `mariadb-dump`, or None."""
        known = self._labels.get(session)
        return known[2] if known else self._strangers.get(session)


def _goes_on(s: InnodbSession, known: tuple[int | None, int, str]) -> bool:
    transaction, query, _ = known
    return s.query == query or (s.transaction is not None and s.transaction == transaction)


_LISTED = (
    "Waiting for table metadata lock",
    "Waiting for schema metadata lock",
    "Waiting for backup lock",
    "User lock",
)
"""States of sessions whose request is in the server's list of metadata locks, where it keeps one."""

OLD = "InnoDB's copy of its lock tables is outdated: another client reads it repeatedly"

_WITHOUT_SESSION = "transaction without a session"
"""One that is prepared (XA) or recovered after a crash: its session's number is 0."""


class InTheWay(NamedTuple):
    """A session that waits for InnoDB and one that it waits for; `queues`: that one only asked before.

    `blocker` 0: a transaction without a session. `lock` as InnoDB names it: `TRANSACTION:SPACE:PAGE:HEAP`.
    """

    waiter: int
    blocker: int
    queues: int
    lock: str
    mode: str
    type: str
    relation: str

    @property
    def named(self) -> Named:
        """A row by its place in the table's file, PAGE:HEAP, which identifies it."""
        place, table = self.lock.split(":")[2:4], locknames.innodb_table(self.relation)
        if self.type == "RECORD" and len(place) == 2:
            return locknames.row(table, ":".join(place))
        return locknames.relation(table)


class InnodbSample:
    """Sessions by number, and what is known of them from before. `fresh_ns`: the time since the sample before."""

    def __init__(self, sessions: Sequence[InnodbSession], names: SessionLabels, fresh_ns: int) -> None:
        self._sessions = {s.session: s for s in sessions}
        self._names, self._fresh_ns = names, fresh_ns

    def totals(self) -> Counter[tuple[str, str | None]]:
        """(wait class, operation) → sessions."""
        return Counter((s.wait_class, self._operation(s.session)) for s in self._sessions.values())

    def waits(
        self, ways: Sequence[InTheWay], held: Sequence[tickets.Ticket] | None, lists_requests: bool
    ) -> list[tuple[Lock, Lock | None]]:
        """Every waiter with its blocker, which is None where the server does not show it.

        `held`: its list of metadata locks; None where it keeps none. `lists_requests`: those not granted are in it.
        """
        rows = self._row_waits(ways)
        known = {waiter.session for waiter, _ in rows}
        metadata = self._listed_waits(held, lists_requests) if held is not None else []
        known |= {waiter.session for waiter, _ in metadata}
        listed = _LISTED if held is not None and lists_requests else ()
        silent = [s for s in self._sessions.values() if s.session not in known and _waits_elsewhere(s, listed)]
        return [*rows, *metadata, *((self._silent_wait(s), None) for s in silent)]

    def _row_waits(self, ways: Sequence[InTheWay]) -> list[tuple[Lock, Lock | None]]:
        """A holder counts before an earlier request. Sessions are not read at the very moment of the copy: one
        that is in no statement any more, or not yet, does not wait."""
        blockers: dict[int, InTheWay] = {}
        for way in sorted(ways, key=lambda w: (w.queues, w.blocker)):
            blockers.setdefault(way.waiter, way)
        return [
            (
                self._lock(self._sessions[way.waiter], "row", way.mode, way.named),
                self._blocker(way.blocker, not way.queues, way.named),
            )
            for way in blockers.values()
            if way.waiter in self._sessions and self._sessions[way.waiter].head is not None
        ]

    def _listed_waits(self, held: Sequence[tickets.Ticket], lists_requests: bool) -> list[tuple[Lock, Lock | None]]:
        if not lists_requests:
            states = {s.session: (s.state or "", s.head) for s in self._sessions.values() if s.state in _LISTED}
            held = [*held, *tickets.guessed(held, states)]
        ages_ns = {s.session: s.age_ns for s in self._sessions.values()}
        return [
            (
                self._lock(
                    self._sessions[w.ticket.session],
                    w.ticket.kind,
                    w.ticket.mode if lists_requests else "",  # a guess is not reported
                    w.ticket.named,
                ),
                None if w.blocker is None else self._blocker(w.blocker, not w.queues, w.ticket.named),
            )
            for w in tickets.waits(held, ages_ns)
            if w.ticket.session in self._sessions
        ]

    def _silent_wait(self, s: InnodbSession) -> Lock:
        kind = (s.state or "").removeprefix("Waiting for ").lower()
        return self._lock(s, kind, "", Named(kind, kind))

    def _blocker(self, session: int, holds: bool, named: Named) -> Lock:
        operation = self._operation(session) if session else _WITHOUT_SESSION
        return Lock(session, named.lock, "", "", holds, operation=operation)

    def _lock(self, s: InnodbSession, kind: str, mode: str, named: Named) -> Lock:
        """A statement that began since the last sample has waited since then, but for its own work; of an older one
        only the samples show it."""
        label = self._names.of(s.session)
        return Lock(
            s.session,
            named.lock,
            kind,
            mode,
            granted=False,
            since=s.query,
            age_ns=s.age_ns if s.age_ns < self._fresh_ns else None,
            operation=self._operation(s.session),
            pod=naming.pod(label),
            statement=naming.fingerprint(s.head, mariadb=True),
            named=named,
        )

    def _operation(self, session: int) -> str | None:
        return naming.operation(self._names.of(session), None)


def _waits_elsewhere(s: InnodbSession, listed: Sequence[str]) -> bool:
    """By its own state, and not in a list that would show it."""
    state = s.state or ""
    return s.wait_class == "lock" and (state.startswith("Waiting for") or state == "User lock") and state not in listed


class Freshness:
    """InnoDB renews its copy only when no session has read it for 100 ms. It shows the reading session, too, in the
    statement that it was in when the copy was made: that identifies the sample for which it was made, or another
    client."""

    def __init__(self) -> None:
        self._made_for_us = False

    def fresh(self, mark: str, shown: str | None) -> bool:
        """`mark`: how the first statement of the sample begins. `shown`: in which one the copy shows us; None: in
        none, so it was made between two samples. That is current, unless the copy before was not made for us either:
        then it may be that one still."""
        before, self._made_for_us = self._made_for_us, shown is not None and shown.startswith(mark)
        return self._made_for_us or (shown is None and before)
