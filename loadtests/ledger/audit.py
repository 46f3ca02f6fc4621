"""The checks in their order, and ledger.json made of them."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numpy as np

from loadtests import engines
from loadtests.accounts import Mode
from loadtests.ledger import chats, pushes
from loadtests.ledger.claims import Claims, read_claims
from loadtests.ledger.divergence import diverged
from loadtests.ledger.findings import LedgerFinding, unknown
from loadtests.ledger.stored import LedgerAccounts, Read, StorageUnreadableError, Stored, store
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import FORMAT

RESUME_S = 30.0
"""How long the reference pod lets a client come back (`resume_within_s` of the protocol)."""

GRACE_S = 10.0
"""How much longer a silent connection may keep its subscriptions: the reaper does not come every moment."""

READ_WITHIN_S = 120.0


class StoredDatabase(NamedTuple):
    """Where one is: `dsn` is a server's address (a secret) or a file's path. `side` of a dual storage it is; databases
    of one side, as each cluster of pods has one, are read as one."""

    engine: str
    dsn: str
    side: str = ""


def reading(engine: str, dsn: str, silent_since_ns: int) -> AbstractAsyncContextManager[Read]:
    """Opens a storage for reading. Raises UnreadableError."""
    return cast(AbstractAsyncContextManager[Read], engines.load(engine, "ledger")(dsn, silent_since_ns))


@dataclass(frozen=True)
class Sides:
    """What was read: by database, or why not. `reason` is empty when all of it was."""

    stored: Mapping[str, Stored]
    reason: str


@dataclass(frozen=True)
class Context:
    """What the manifest says of the run: its accounts, and the Unix clock at its origin."""

    accounts: LedgerAccounts
    unix_at_origin_ns: int = 0
    modes: Mapping[str, Mode] = field(default_factory=dict)


def read_ledger(
    databases: Mapping[str, StoredDatabase],
    directory: RunDirectory,
    modes: Mapping[str, Mode] | None = None,
    in_doubt: str = "",
) -> dict[str, Any]:
    """The content of `ledger.json`: compares the run's operations with its databases once the load is over.

    Of a dual storage `modes` says on which side an account is at the end, or on both (`dual`, also of one that is not
    named); the side that answers for it is compared with the load. `in_doubt` says why that is unknown, when it is;
    what is stored is not compared then. Never raises for a database that cannot be read: checks are `unknown` then,
    with the reason."""
    context = _context(directory, modes or {})
    claims = read_claims(directory)
    sides = Sides({}, in_doubt) if in_doubt else _read(databases, context.accounts)
    found = [finding.document() for finding in findings(claims, sides, context)]
    listed = {name: {"engine": database.engine} for name, database in databases.items()}
    return {"format": FORMAT, "checks": found, "databases": listed}


def _context(directory: RunDirectory, modes: Mapping[str, Mode]) -> Context:
    manifest = directory.read("manifest") or {}
    pods = (manifest.get("target") or {}).get("pods") or ()
    names = [name for pod in pods for name in pod.get("accounts") or ()]
    return Context(LedgerAccounts(names), int((manifest.get("clock") or {}).get("realtime_ns") or 0), modes)


def _read(databases: Mapping[str, StoredDatabase], accounts: LedgerAccounts) -> Sides:
    stored: dict[str, Stored] = {}
    for name, database in databases.items():
        try:
            one = asyncio.run(_stored(database, accounts, dual=bool(database.side)))
        except StorageUnreadableError as error:
            return Sides({}, f"{name}: {error}" if len(databases) > 1 else str(error))
        side = database.side
        stored[side] = stored[side] + one if side in stored else one
    return Sides(stored, "" if stored else "the storage cannot be read from outside of its pod")


async def _stored(database: StoredDatabase, accounts: LedgerAccounts, dual: bool) -> Stored:
    """Raises UnreadableError."""
    if not engines.has(database.engine, "ledger"):
        raise StorageUnreadableError(f"the storage {database.engine} cannot be read from outside")
    now_ns = time.time_ns()
    silent_since_ns = now_ns - int((RESUME_S + GRACE_S) * 1e9)
    names = ("topics", "chats", "messages", "events", *(("connections", "subscriptions") if dual else ()))
    try:
        async with asyncio.timeout(READ_WITHIN_S), reading(database.engine, database.dsn, silent_since_ns) as read:
            return await store(read, names, accounts, now_ns)
    except TimeoutError:
        raise StorageUnreadableError(f"{database.engine} was not read within {READ_WITHIN_S:.0f} s") from None


def findings(claims: Claims, sides: Sides, context: Context) -> list[LedgerFinding]:
    """One for each way in which load and storage can differ."""
    received = pushes.received(claims)
    spans = pushes.spans(claims, received)
    if not sides.stored:
        return _without_storage(claims, received, spans, sides.reason)
    stored = _answering(sides.stored, context)
    trailing = pushes.trailing_events(spans, stored, context.unix_at_origin_ns)
    found = [
        chats.orphans(stored.orphans),
        *chats.chats(claims, stored),
        chats.never_offered(claims, stored, pushes.undelivered(spans, trailing, stored, received)),
        pushes.duplicated(received, chats.repeated_messages(stored)),
        pushes.reordered(received),
        chats.gaps(stored),
        pushes.lost(spans, trailing, ""),
    ]
    return [*found, _diverged(claims, sides.stored, context)] if len(sides.stored) > 1 else found


def _without_storage(
    claims: Claims, received: pushes.ReceivedPushes, spans: pushes.Spans, reason: str
) -> list[LedgerFinding]:
    asked = ("lost_accepts", "accepts_nobody_was_told", "lost_messages", "never_offered")
    return [
        unknown("orphans", "storage", reason),
        chats.accepted_twice_by_replies(claims),
        *(unknown(check, chats.BOTH, reason) for check in asked),
        pushes.duplicated(received, None),
        pushes.reordered(received),
        unknown("sequence_gaps", "storage", reason),
        pushes.lost(spans, None, reason),
    ]


def _answering(sides: Mapping[str, Stored], context: Context) -> Stored:
    """Of each account what the side holds that answers for it; orphans of all sides."""
    if len(sides) == 1:
        return next(iter(sides.values()))
    accounts = np.unique(np.concatenate([t["account"] for s in sides.values() for t in s.tables.values()]))
    moved = np.array(
        [context.accounts.number(name) for name, mode in context.modes.items() if mode == "upgraded"], np.int64
    )
    old, new = sides["legacy"].of(np.setdiff1d(accounts, moved)), sides["upgraded"].of(moved)
    return old + new


def _diverged(claims: Claims, sides: Mapping[str, Stored], context: Context) -> LedgerFinding:
    """Of the run's accounts that are written to both sides."""
    elsewhere = [context.accounts.number(name) for name, mode in context.modes.items() if mode != "dual"]
    accounts = np.setdiff1d(np.arange(context.accounts.named), np.array(elsewhere, np.int64))
    return diverged(claims, sides["legacy"].of(accounts), sides["upgraded"].of(accounts))
