"""The checks, and ledger.json made of them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from loadtests.ledger.claims import Claims, read_claims
from loadtests.ledger.storage import Keys, Stored, UnreadableError
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import FORMAT

RESUME_S = 30.0
"""How long the reference pod lets a client come back (`resume_within_s` of the protocol)."""

GRACE_S = 10.0
"""How much longer a silent connection may keep its subscriptions: the reaper does not come every moment."""

MOST_EVIDENCE = 10


def _postgres(dsn: str, silent_since_ns: int) -> Stored:
    from loadtests.ledger import postgres

    return postgres.read(dsn, silent_since_ns)


def _sqlite(path: str, silent_since_ns: int) -> Stored:
    from loadtests.ledger import sqlite

    return sqlite.read(path, silent_since_ns)


READERS: Mapping[str, Callable[[str, int], Stored]] = {"postgres": _postgres, "sqlite": _sqlite}
"""Engine → what reads its storage."""


def read_ledger(engine: str | None, dsn: str | None, directory: RunDirectory) -> dict[str, Any]:
    """The content of `ledger.json`: compares the run's operations with the storage once the load is over.

    `dsn` is a server's address or a database file's path. Never raises for a storage that cannot be read: its checks
    are `unknown` then, with the reason.
    """
    claims = read_claims(directory)
    try:
        stored, reason = _stored(engine, dsn), ""
    except UnreadableError as error:
        stored, reason = None, str(error)
    return {"format": FORMAT, "checks": checks(claims, stored, reason)}


def _stored(engine: str | None, dsn: str | None) -> Stored:
    if engine is None or engine not in READERS or dsn is None:
        raise UnreadableError(f"the storage {engine} cannot be read from outside" if engine else "not our storage")
    silent_since_ns = time.time_ns() - int((RESUME_S + GRACE_S) * 1e9)
    return READERS[engine](dsn, silent_since_ns)


def checks(claims: Claims, stored: Stored | None, reason: str) -> list[dict[str, Any]]:
    """One check for each way in which load and storage can differ. `stored` None: nobody could look, says `reason`."""
    twice = _found("accepted_twice", claims.accepted_twice, "accepted by more than one agent")
    if stored is None:
        return [_unknown("orphans", reason), twice, _unknown("lost_accepts", reason), _unknown("lost_messages", reason)]
    lost_accepts = np.setdiff1d(claims.accepted_chats, stored.accepted_chats)
    lost_messages = np.setdiff1d(claims.messages, stored.messages)
    orphans = _check("orphans", stored.orphans, list(stored.evidence), "subscriptions without a live connection")
    return [
        orphans,
        twice,
        _found("lost_accepts", lost_accepts, "accepted as the load was told, not accepted in the storage"),
        _found("lost_messages", lost_messages, "sent as the load was told, missing in the storage"),
    ]


def _found(check: str, found: Keys, meaning: str) -> dict[str, Any]:
    return _check(check, len(found), [f"{key:016x}" for key in found[:MOST_EVIDENCE].tolist()], meaning)


def _check(check: str, count: int, evidence: list[str], meaning: str) -> dict[str, Any]:
    verdict, reason = ("fail", meaning) if count else ("pass", "")
    return {"check": check, "verdict": verdict, "count": count, "evidence": evidence, "reason": reason}


def _unknown(check: str, reason: str) -> dict[str, Any]:
    return {"check": check, "verdict": "unknown", "count": None, "evidence": [], "reason": reason}
