"""One sample of a MariaDB or MySQL server: its sessions, and which of them waits for which. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from loadtests.probes import locknames, naming
from loadtests.probes.innodb import tickets
from loadtests.probes.innodb.sessions import InnodbSession, SessionLabels
from loadtests.probes.locknames import Named
from loadtests.probes.waits import Lock

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
