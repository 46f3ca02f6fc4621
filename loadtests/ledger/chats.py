"""Chats and messages: the replies that the load received against what the storage holds. Pure."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from loadtests.ledger.claims import ACCEPT, OFFER, OK, SEND, UNKNOWN, Claims
from loadtests.ledger.findings import LedgerFinding, found, of_keys
from loadtests.ledger.stored import Keys, Orphans, Stored, StoredTable, codes, pair, topic_words

BOTH: Final = "rows and storage"


def orphans(of: Orphans) -> LedgerFinding:
    """Orphans by reason and age."""
    parts = [f"{number} {why}" for why, number in sorted(of.why.items())]
    ages = [f"{number} {age}" for age, number in of.ages.items()]
    reason = f"subscriptions without a live connection: {', '.join(parts)}; {', '.join(ages)}"
    return found("orphans", "storage", of.count, of.evidence, reason)


def chats(claims: Claims, stored: Stored) -> Iterator[LedgerFinding]:
    """Every check that needs both sides."""
    taken = stored["chats"]["id"][stored["chats"]["accepted_by"] != 0]
    acknowledged = np.unique(claims.done(ACCEPT)["chat"])
    yield of_keys(
        "accepted_twice",
        BOTH,
        np.union1d(_acknowledged_twice(claims), _published_twice(stored)),
        "accepted more than once",
    )
    yield of_keys(
        "lost_accepts", BOTH, np.setdiff1d(acknowledged, taken), "acknowledged as accepted, not accepted in the storage"
    )
    yield of_keys(
        "accepts_nobody_was_told",
        BOTH,
        np.intersect1d(_definitely_not(claims), taken),
        "accepted in the storage, while every agent that tried was refused",
    )
    lost = np.setdiff1d(np.unique(claims.done(SEND)["key"]), stored["messages"]["key"])
    yield of_keys("lost_messages", BOTH, lost, "acknowledged as sent, missing in the storage")


def accepted_twice_by_replies(claims: Claims) -> LedgerFinding:
    """From the rows alone."""
    return of_keys("accepted_twice", "rows", _acknowledged_twice(claims), "accepted by more than one agent")


def never_offered(claims: Claims, stored: Stored, undelivered: Keys) -> LedgerFinding:
    """Offers without their event, and those (`undelivered`) whose event reached no agent subscribed throughout."""
    offered = _events(stored, "chat.offered")["key"]
    missing = np.setdiff1d(np.unique(claims.done(OFFER)["key"]), offered)
    reason = (
        f"offers: {len(missing)} without an event in the queue, {len(undelivered)} that reached no subscribed agent"
    )
    return of_keys("never_offered", BOTH, np.union1d(missing, undelivered), reason)


def _acknowledged_twice(claims: Claims) -> Keys:
    """A connection is one agent's, so `already yours` counts once."""
    done = claims.done(ACCEPT)
    _, first = np.unique(pair(done["connection"], done["chat"]), return_index=True)
    return _repeated(done["chat"][first])


def _published_twice(stored: Stored) -> Keys:
    """Chats with two events of being accepted, on their own topic."""
    accepted = _events(stored, "chat.accepted")
    return _repeated(accepted["topic"][accepted["topic"] != 0])


def _definitely_not(claims: Claims) -> Keys:
    """Chats that agents tried to accept, where every reply was a refusal."""
    tried = claims.of(ACCEPT)
    maybe = np.isin(tried["outcome"], (OK, UNKNOWN))
    return np.setdiff1d(tried["chat"], tried["chat"][maybe])


def repeated_messages(stored: Stored) -> Keys:
    return _repeated(_events(stored, "message.sent")["key"])


def gaps(stored: Stored) -> LedgerFinding:
    """Topics whose events are not numbered 1, 2, 3 … up to the number that the topic says it has reached."""
    events, heads = stored["events"], stored["topics"]
    topic = np.concatenate([events["topic"], heads["topic"]])
    account = np.concatenate([events["account"], heads["account"]])
    _, first, place = np.unique(pair(account, topic), return_index=True, return_inverse=True)
    of_events, of_heads = place[: len(events)], place[len(events) :]
    last, head = (np.zeros(len(first), dtype=np.int64) for _ in range(2))
    np.maximum.at(last, of_events, events["sequence"])
    head[of_heads] = heads["head"]
    wrong = first[(np.bincount(of_events, minlength=len(first)) != last) | (last != head)]
    names = (topic_words(account[n], topic[n]) for n in wrong.tolist())
    return found("sequence_gaps", "storage", len(wrong), names, "topics whose events do not count from 1 without a gap")


def _events(stored: Stored, kind: str) -> StoredTable:
    events = stored["events"]
    return events.where(events["kind"] == codes([kind])[0])


def _repeated(keys: Keys) -> Keys:
    distinct, counts = np.unique(keys, return_counts=True)
    return distinct[counts > 1]
