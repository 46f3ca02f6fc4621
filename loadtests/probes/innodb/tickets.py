"""Metadata locks, of tables and schemas, and user-level locks (GET_LOCK): requests and their blockers. Pure."""

import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from loadtests.probes import locknames
from loadtests.probes.locknames import Named

_WRITES = frozenset({"SHARED_WRITE", "SHARED_WRITE_LOW_PRIO"})
_UPGRADABLE = frozenset({"SHARED_UPGRADABLE", "SHARED_NO_WRITE", "SHARED_NO_READ_WRITE", "EXCLUSIVE"})
_CONFLICTS: Mapping[str, frozenset[str]] = {
    "INTENTION_EXCLUSIVE": frozenset({"SHARED", "EXCLUSIVE"}),
    "SHARED": frozenset({"INTENTION_EXCLUSIVE", "EXCLUSIVE"}),
    "SHARED_HIGH_PRIO": frozenset({"EXCLUSIVE"}),
    "SHARED_READ": frozenset({"SHARED_NO_READ_WRITE", "EXCLUSIVE"}),
    "SHARED_WRITE": frozenset({"SHARED_READ_ONLY", "SHARED_NO_WRITE", "SHARED_NO_READ_WRITE", "EXCLUSIVE"}),
    "SHARED_WRITE_LOW_PRIO": frozenset({"SHARED_READ_ONLY", "SHARED_NO_WRITE", "SHARED_NO_READ_WRITE", "EXCLUSIVE"}),
    "SHARED_READ_ONLY": frozenset({*_WRITES, "SHARED_NO_READ_WRITE", "EXCLUSIVE"}),
    "SHARED_UPGRADABLE": _UPGRADABLE,
    "SHARED_NO_WRITE": frozenset({*_WRITES, *_UPGRADABLE}),
    "SHARED_NO_READ_WRITE": frozenset({"SHARED_READ", "SHARED_READ_ONLY", *_WRITES, *_UPGRADABLE}),
}
"""Mode → the modes that cannot be held beside it (the servers' own table, in sql/mdl.cc). EXCLUSIVE: none can."""

_GENTLE = frozenset({f"BACKUP_{mode}" for mode in ("DML", "TRANS_DML", "SYS_DML", "DDL", "ALTER_COPY", "COMMIT")})
"""Of MariaDB's backup lock, what ordinary statements take: these do not stand in each other's way."""

_KIND = re.compile(r"([A-Za-z]{1,40})[:/]")
_HASHED_BY = secrets.token_bytes(16)
"""A new one in each run, so that names cannot be guessed by trying."""
_USER_LEVEL = "USER LEVEL LOCK"
_NAMED_BY_APPLICATIONS = (_USER_LEVEL, "LOCKING SERVICE")
_CHANGES_TABLES = re.compile(
    r"(?:/\*.*?\*/|\s)*(?:alter|create|drop|lock|optimize|rename|repair|truncate)\b", re.I | re.S
)


class Ticket(NamedTuple):
    """What one session holds or asks for. `kind`: TABLE, SCHEMA, USER LEVEL LOCK, BACKUP, GLOBAL and others."""

    session: int
    kind: str
    schema: str | None
    name: str | None
    mode: str
    granted: bool

    @property
    def of(self) -> tuple[str, str | None, str | None]:
        return self.kind, self.schema, self.name

    @property
    def named(self) -> Named:
        """In words. The name of a user-level lock may be a customer's: shown is what stands before a colon or a slash,
        as in `invoice:17`; the whole is hashed, which identifies the lock only."""
        name = self.name or ""
        if self.kind == "TABLE":
            return locknames.relation(name)
        if self.kind in _NAMED_BY_APPLICATIONS:
            kind = _KIND.match(name)
            shown = f"advisory {kind[1]}" if kind else "advisory"
            return Named(shown, f"{shown} #{blake2b(name.encode(), digest_size=4, key=_HASHED_BY).hexdigest()}")
        words = f"{self.kind.lower()} {name or self.schema or ''}".strip()
        return Named(words, words)


class MetadataWait(NamedTuple):
    """A request and its blocker: None where none is found. `queues`: the blocker only requested the lock before."""

    ticket: Ticket
    blocker: int | None
    queues: bool = False


def waits(tickets: Iterable[Ticket], ages_ns: Mapping[int, int]) -> list[MetadataWait]:
    """Every request that is not granted: behind a holder whose mode conflicts, else behind the oldest request that
    would. `ages_ns`: session → how long its statement has lasted."""
    by_object: dict[object, list[Ticket]] = defaultdict(list)
    for ticket in tickets:
        by_object[ticket.of].append(ticket)
    waiting = {t.session for of in by_object.values() for t in of if not t.granted}
    return [_wait(t, of, waiting, ages_ns) for of in by_object.values() for t in of if not t.granted]


def _wait(asked: Ticket, of: Sequence[Ticket], waiting: set[int], ages_ns: Mapping[int, int]) -> MetadataWait:
    against = [t for t in of if t.session != asked.session and _conflict(asked.mode, t.mode)]
    holders = [t for t in against if t.granted]
    if holders:  # preferably one that does not wait itself
        return MetadataWait(asked, min(holders, key=lambda t: (t.session in waiting, t.session)).session)
    age_ns = ages_ns.get(asked.session, 0)
    ahead = [t for t in against if not t.granted and ages_ns.get(t.session, 0) > age_ns]
    first = max(ahead, key=lambda t: ages_ns.get(t.session, 0), default=None)
    return MetadataWait(asked, first and first.session, first is not None)


def _conflict(asked: str, other: str) -> bool:
    if asked.startswith("BACKUP_"):
        return not {asked, other} <= _GENTLE
    return asked not in _CONFLICTS or other in _CONFLICTS[asked]


def guessed(held: Sequence[Ticket], states: Mapping[int, tuple[str, str | None]]) -> list[Ticket]:
    """The requests behind what is held, where the server lists only that (MariaDB's plugin metadata_lock_info).

    `states`: session → its state and statement. Of those that wait, the object is the one whose name stands in the
    statement and that another session holds; nothing where there are several such, or none.
    """
    asked = [(session, *wanted) for session, wanted in states.items() if wanted[1] is not None]
    return [ticket for session, state, statement in asked if (ticket := _guess(session, state, statement or "", held))]


def _guess(session: int, state: str, statement: str, held: Sequence[Ticket]) -> Ticket | None:
    kind = _USER_LEVEL if state == "User lock" else "TABLE"
    objects = {t.of for t in held if t.kind == kind and t.session != session and _mentions(statement, t.name)}
    if len(objects) != 1:
        return None
    exclusive = kind == _USER_LEVEL or _CHANGES_TABLES.match(statement)
    return Ticket(session, *objects.pop(), "EXCLUSIVE" if exclusive else "SHARED_UPGRADABLE", False)


def _mentions(statement: str, name: str | None) -> bool:
    return bool(name and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", statement))
