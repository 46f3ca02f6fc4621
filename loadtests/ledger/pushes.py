"""Pushes: whether every subscriber got every event, once and in order. Pure.

A pod pushes what comes after the number that a subscriber got, in order and without a gap, so a number that is
missing between two that came was lost: no storage has to be asked. After the last one that came the storage shows
what else there was; and whether it should have come, the time: what was published shortly before a subscription's
end, or a connection's last sign of life, may have been in transit: it is unknown.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadtests.ledger.claims import CHAT, CLOSE, OK, PUSH, QUEUE, REFUSED, SUBSCRIBE, UNSUBSCRIBE, Claims
from loadtests.ledger.findings import Known, LedgerFinding, found, of_keys, unknown
from loadtests.ledger.stored import Keys, Numbers, Stored, StoredTable, pair, topic_words

UNDER_WAY_S: Final = 10.0
"""How long before its subscriber's end an event may be published without counting as lost when it did
not come: a pod holds an event back until those before it are there."""

Mask = npt.NDArray[np.bool_]

_US_BITS = 40
_LAST_US = (1 << _US_BITS) - 1
"""Microseconds since the origin, of twelve days at most, and a small number above them make one that sorts by both."""
_LATEST = np.iinfo(np.int64).max
_MOST_NAMED = 10_000


@dataclass(frozen=True)
class Spans:
    """Subscriptions, one place each in every array: from the number `after` on, until `until_ns`, or (`cut`) until
    unknown when, and that is the last sign of its connection's life.

    `last` is the highest number that came, `came` how many different ones did.
    """

    connection: Numbers
    account: Numbers
    topic: Keys
    after: Numbers
    until_ns: Numbers
    cut: Mask
    last: Numbers
    came: Numbers

    @property
    def missing(self) -> Numbers:
        """How many between `after` and `last` did not come."""
        return self.last - self.after - self.came

    def __len__(self) -> int:
        return len(self.connection)


@dataclass(frozen=True)
class ReceivedPushes:
    """The pushes received: the first of each number, those repeated, and those behind a higher number."""

    first: StoredTable
    again: StoredTable
    late: StoredTable


def received(claims: Claims) -> ReceivedPushes:
    pushes = claims.of(PUSH)
    pushes = pushes.where(np.isin(pushes["topic"], (QUEUE, CHAT)) & (pushes["sequence"] > 0))
    place = _place(pushes)
    order = np.lexsort((np.arange(len(pushes)), place))
    place, sequence = place[order], pushes["sequence"][order]
    # The highest number so far, of each place by itself: places are wider apart than any number is high.
    step = int(sequence.max(initial=0)) + 1
    highest = np.maximum.accumulate(place * step + sequence) - place * step
    before = np.concatenate([[0], highest[:-1]]) if len(highest) else highest
    before[np.concatenate([[True], place[1:] != place[:-1]])[: len(place)]] = 0
    _, first = np.unique(place * step + sequence, return_index=True)
    once = np.zeros(len(place), dtype=np.bool_)
    once[first] = True
    sorted_ = StoredTable({name: column[order] for name, column in pushes.columns.items()})
    return ReceivedPushes(sorted_.where(once), sorted_.where(~once), sorted_.where(once & (sequence < before)))


def _place(rows: StoredTable) -> Numbers:
    """Connection and topic as small numbers."""
    _, place = np.unique(pair(rows["connection"], rows["subject"]), return_inverse=True)
    return place.astype(np.int64)


def spans(claims: Claims, pushes: ReceivedPushes) -> Spans:
    """Every subscription whose first sequence number the pod reported."""
    subscribed = claims.of(SUBSCRIBE)
    subscribed = subscribed.where(
        (subscribed["outcome"] == OK) & np.isin(subscribed["topic"], (QUEUE, CHAT)) & (subscribed["sequence"] >= 0)
    )
    ended = claims.of(UNSUBSCRIBE)
    ended = ended.where(np.isin(ended["topic"], (QUEUE, CHAT)))
    names, place = np.unique(pair(subscribed["connection"], subscribed["subject"]), return_inverse=True)
    order = np.lexsort((subscribed["started_ns"], place))
    subscribed, place = StoredTable({n: c[order] for n, c in subscribed.columns.items()}), place[order]
    alive_ns, closed_ns = _lives(claims, subscribed["connection"])
    over_ns = np.minimum(_until(subscribed, ended), closed_ns)
    until_ns = np.minimum(over_ns, alive_ns)
    last, came = subscribed["sequence"].copy(), np.zeros(len(subscribed), dtype=np.int64)
    owner, sequence = _owners(pushes.first, subscribed, names, place)
    np.maximum.at(last, owner, sequence)
    np.add.at(came, owner, 1)
    whose = subscribed["connection"], subscribed["account"], subscribed["subject"]
    return Spans(*whose, subscribed["sequence"], until_ns, alive_ns < over_ns, last, came)


def _owners(pushed: StoredTable, subscribed: StoredTable, names: Keys, place: Numbers) -> tuple[Numbers, Numbers]:
    """Of each push that belongs to a subscription: which, and its number. It is the last one of its connection and
    topic that began below the number."""
    at, known = _found(names, pair(pushed["connection"], pushed["subject"]))
    at, sequence = at[known], pushed["sequence"][known]
    step = int(max(subscribed["sequence"].max(initial=0), sequence.max(initial=0))) + 2
    owner = np.searchsorted(place * step + subscribed["sequence"], at * step + sequence, side="left") - 1
    mine = owner >= 0
    mine[mine] = place[owner[mine]] == at[mine]
    return owner[mine], sequence[mine]


def _found(names: Keys, wanted: Keys) -> tuple[Numbers, Mask]:
    """Where each is among the sorted names, and whether it is."""
    at = np.searchsorted(names, wanted)
    known = at < len(names)
    known[known] = names[at[known]] == wanted[known]
    return at.astype(np.int64), known


def _until(subscribed: StoredTable, ended: StoredTable) -> Numbers:
    """When the next unsubscribing, or subscribing again, of the same connection and topic began."""
    of_subscribed, of_ended = (pair(rows["connection"], rows["subject"]) for rows in (subscribed, ended))
    _, place = np.unique(np.concatenate([of_subscribed, of_ended]), return_inverse=True)
    when = np.concatenate([subscribed["started_ns"], ended["started_ns"]])
    moments = np.sort(place.astype(np.int64) << _US_BITS | when // 1000)
    # The one after its own: two of the same microsecond do not wait for each other.
    following = np.searchsorted(
        moments, place[: len(subscribed)] << _US_BITS | subscribed["started_ns"] // 1000, side="right"
    )
    inside = following < len(moments)
    inside[inside] = moments[following[inside]] >> _US_BITS == place[: len(subscribed)][inside]
    until = np.full(len(subscribed), _LATEST)
    until[inside] = (moments[following[inside]] & _LAST_US) * 1000
    return until


def _lives(claims: Claims, connections: Numbers) -> tuple[Numbers, Numbers]:
    """Of each connection: its last answer or push, and when its closing began."""
    rows = claims.rows.where(np.isin(claims.rows["outcome"], (OK, REFUSED)))
    names, place = np.unique(claims.rows["connection"], return_inverse=True)
    last = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(last, np.searchsorted(names, rows["connection"]), rows["ended_ns"])
    closing = claims.rows["operation"] == CLOSE
    closed = np.full(len(names), _LATEST)
    np.minimum.at(closed, place[closing], claims.rows["started_ns"][closing])
    at = np.searchsorted(names, connections)
    return last[at], closed[at]


@dataclass(frozen=True)
class TrailingEvents:
    """After the last push of each subscription: events that should have come, and those that are unknown."""

    lost: Numbers
    unknown: Numbers


def trailing_events(of: Spans, stored: Stored, unix_at_origin_ns: int) -> TrailingEvents:
    events = stored["events"]
    topic = pair(events["account"], events["topic"])
    order = np.lexsort((events["sequence"], topic))
    sequence = events["sequence"][order]
    names, place = np.unique(topic[order], return_inverse=True)
    published_us = np.clip((events["published_at"][order] - unix_at_origin_ns) // 1000, 0, _LAST_US)
    # Nothing is pushed before what is numbered below it: an event is due when the latest of those is published.
    due = np.maximum.accumulate(place.astype(np.int64) << _US_BITS | published_us)
    at, known = _found(names, pair(of.account, of.topic))
    step = int(max(sequence.max(initial=0), of.last.max(initial=0))) + 1
    following = np.searchsorted(place * step + sequence, at * step + of.last, side="right")

    def due_by(moment_us: Numbers) -> Numbers:
        by = np.searchsorted(due, at << _US_BITS | np.clip(moment_us, 0, _LAST_US), side="right")
        return np.where(known, np.maximum(by - following, 0), 0).astype(np.int64)

    until_us, allowed_us = np.minimum(of.until_ns // 1000, _LAST_US // 2), int(UNDER_WAY_S * 1e6)
    lost = due_by(until_us - allowed_us)
    return TrailingEvents(lost, due_by(until_us + np.where(of.cut, allowed_us, 0)) - lost)


def lost(of: Spans, trailing: TrailingEvents | None, reason: str) -> LedgerFinding:
    """`trailing` None: the storage could not be asked, says `reason`."""
    count = int(of.missing.sum() + (trailing.lost.sum() if trailing else 0))
    bad = np.flatnonzero((of.missing > 0) | ((trailing.lost > 0) if trailing else False))
    names = (
        f"connection {of.connection[n] >> 32}-{of.connection[n] & 0xFFFFFFFF} {topic_words(of.account[n], of.topic[n])}"
        for n in bad.tolist()
    )
    if trailing is None and not count:
        return unknown("lost_pushes", "rows", f"whether more should have come is not known: {reason}")
    maybe = int(trailing.unknown.sum()) if trailing else 0
    beside = f"{maybe} more may have been under way when their subscription ended" if maybe else ""
    if not count and maybe and not int(of.came.sum()):
        return unknown("lost_pushes", "rows and storage", beside)
    known: Known = "rows and storage" if trailing else "rows"
    return found("lost_pushes", known, count, names, f"events that {len(bad)} subscriptions never got").beside(beside)


def undelivered(of: Spans, trailing: TrailingEvents, stored: Stored, pushes: ReceivedPushes) -> Keys:
    """Offers that reached no agent, although one was subscribed to the queue throughout."""
    bad = np.flatnonzero((of.topic == 0) & ((of.missing > 0) | (trailing.lost > 0)))[:_MOST_NAMED]
    queue = stored["events"].where(stored["events"]["topic"] == 0)
    reached = np.unique(pushes.first["key"][pushes.first["topic"] == QUEUE])
    offers = queue.where(np.isin(queue["key"], stored["chats"]["id"]) & ~np.isin(queue["key"], reached))
    expected: list[Keys] = [np.empty(0, dtype=np.uint64)]
    for n in bad.tolist() if len(offers) else ():
        until = of.last[n] + trailing.lost[n]
        within = (offers["account"] == of.account[n]) & (offers["sequence"] > of.after[n])
        expected.append(offers["key"][within & (offers["sequence"] <= until)])
    return np.unique(np.concatenate(expected))


def duplicated(pushes: ReceivedPushes, messages: Keys | None) -> LedgerFinding:
    """Messages that were delivered twice to one connection, or (`messages`) are there twice as events."""
    twice = np.unique(np.concatenate([pushes.again["key"], np.empty(0, np.uint64) if messages is None else messages]))
    known: Known = "rows" if messages is None else "rows and storage"
    return of_keys("duplicated_messages", known, twice, "there twice, or pushed twice to one connection")


def reordered(pushes: ReceivedPushes) -> LedgerFinding:
    return of_keys(
        "reordered", "rows", np.unique(pushes.late["key"]), "came behind an event of their topic with a higher number"
    )
