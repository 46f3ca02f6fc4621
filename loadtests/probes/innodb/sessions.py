"""Sessions of MariaDB and MySQL, and their names. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from loadtests.probes import naming

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
