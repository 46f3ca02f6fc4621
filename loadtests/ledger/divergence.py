"""Dual writing: what one side holds and the other does not. Pure."""

from collections.abc import Iterator

import numpy as np

from loadtests.ledger.claims import (
    ACCEPT,
    CLOSE,
    CLOSE_CHAT,
    CREATE,
    FAIL,
    OFFER,
    SEND,
    SUBSCRIBE,
    UNKNOWN,
    UNSUBSCRIBE,
    Claims,
)
from loadtests.ledger.findings import LedgerFinding, found
from loadtests.ledger.stored import MOST_EVIDENCE, Keys, Stored, StoredTable, pair

IDS = {"chats": "id", "messages": "key", "events": "key", "connections": "id", "subscriptions": "connection"}
"""Table → the column that a row is named by."""


def diverged(claims: Claims, legacy: Stored, upgraded: Stored) -> LedgerFinding:
    """Rows that are on one side only, or not the same on both, of accounts that are written to both. What was not
    acknowledged may have been made on one side and not on the other, and is reported separately."""
    doubtful = {name: _doubtful(claims, name) for name in IDS}
    both_ways = ((legacy, upgraded), (upgraded, legacy))
    sides = [_without_shifts(side, other, doubtful["events"]) for side, other in both_ways]
    differing = {name: _differing(sides[0][name], sides[1][name], column) for name, column in IDS.items()}
    sure = {name: np.setdiff1d(keys, doubtful[name]) for name, keys in differing.items()}
    spared = _spared(claims)  # the load does not know by which id the pod keeps a connection
    for name in ("connections", "subscriptions"):
        sure[name] = sure[name][min(spared[name], len(sure[name])) :]
    unsure = sum(len(keys) for keys in differing.values()) - sum(len(keys) for keys in sure.values())
    parts = ", ".join(f"{len(keys)} {name}" for name, keys in sure.items() if len(keys))
    beside = f"{unsure} more differ whose operations were not acknowledged" if unsure else ""
    count = sum(len(keys) for keys in sure.values())
    return found("diverged", "storage", count, _names(sure), f"not the same on both sides: {parts}").beside(beside)


def _without_shifts(side: Stored, other: Stored, doubtful: Keys) -> Stored:
    """`side` without the numbers of events in topics where an event that was not acknowledged is on one side only.

    Each side numbers a topic's events itself: that event shifts the numbers of all that follow, which are on both.
    Under load nine acknowledged events counted as diverged behind one that had timed out on one side.
    """
    ours, theirs = side["events"], other["events"]
    shifting = [
        _topics(one)[np.isin(one["key"], doubtful) & ~np.isin(one["key"], another["key"])]
        for one, another in ((ours, theirs), (theirs, ours))
    ]
    shifted = np.isin(_topics(ours), np.concatenate(shifting))
    numbers = np.where(shifted, 0, ours["sequence"])
    return Stored(side.orphans, {**side.tables, "events": StoredTable({**ours.columns, "sequence": numbers})})


def _topics(events: StoredTable) -> Keys:
    """A topic's number is its own within its account only."""
    return pair(events["account"], events["topic"].astype(np.uint64))


def _names(sure: dict[str, Keys]) -> Iterator[str]:
    for name, keys in sure.items():
        yield from (f"{name} {key:016x}" for key in keys[:MOST_EVIDENCE].tolist())


def _differing(one: StoredTable, other: StoredTable, column: str) -> Keys:
    """The names of rows that differ between the sides or are on one only."""
    ours, theirs = _signatures(one), _signatures(other)
    only = np.concatenate([one[column][~np.isin(ours, theirs)], other[column][~np.isin(theirs, ours)]])
    return np.unique(only)


def _signatures(rows: StoredTable) -> Keys:
    whole = np.zeros(len(rows), dtype=np.uint64)
    for name, column in rows.columns.items():
        if name != "published_at":
            whole = pair(whole.view(np.int64), column.astype(np.uint64)) ^ (whole >> np.uint64(29))
    return whole


def _doubtful(claims: Claims, table: str) -> Keys:
    """The names of rows that an operation without an acknowledgement may have changed."""
    if table == "messages":
        return _unacknowledged(claims, SEND)["key"]
    if table == "chats":
        return _unacknowledged(claims, OFFER, ACCEPT, CLOSE_CHAT)["chat"]
    return _unacknowledged(claims, OFFER, ACCEPT, SEND, CLOSE_CHAT)["key"]


def _spared(claims: Claims) -> dict[str, int]:
    connections = len(_unacknowledged(claims, CREATE, CLOSE))
    return {
        "connections": connections,
        "subscriptions": connections + len(_unacknowledged(claims, SUBSCRIBE, UNSUBSCRIBE)),
    }


def _unacknowledged(claims: Claims, *operations: int) -> StoredTable:
    rows = claims.of(*operations)
    return rows.where(np.isin(rows["outcome"], (FAIL, UNKNOWN)))
