"""What differs between the two sides: of their answers to one call, and of all that they hold of one account. Pure.

Times are left out: each side stamps what it stores itself.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from loadtests.pod.storage.contract import AccountCopy, AlreadyAccepted, Resumed, StorageRefusal
from loadtests.protocols.serverhalf import Event


def difference(first: Any, second: Any) -> str | None:
    """The kind of divergence between the answers to a change that the first side made; None when there is none."""
    if isinstance(second, StorageRefusal | AlreadyAccepted):
        return "second_refused"
    if type(first) is not type(second) or _content(first) != _content(second):
        return "answers_differ"
    return None if _numbers(first) == _numbers(second) else "sequence_differs"


def _content(answer: Any) -> Any:
    """Not how far a subscribed topic had come: between the two sides' answers it may have gone on."""
    if isinstance(answer, Resumed):
        return answer.connection, set(answer.topics)
    return [_event(event) for event in getattr(answer, "events", ())]


def _event(e: Event) -> tuple[str, ...]:
    return (e.topic, e.kind, e.chat, e.key, e.by, e.text)


def _numbers(answer: Any) -> list[int]:
    return [event.sequence for event in getattr(answer, "events", ())]


_ROWS: Mapping[str, Callable[[AccountCopy], Iterable[tuple[Any, Any]]]] = {
    "connections": lambda copy: (
        (c.id, (c.role, c.name, c.resume_digest, c.closed_at is None)) for c in copy.connections
    ),
    # A topic on which nothing ever happened is as good as none.
    "topics": lambda copy: ((t.topic, t.head) for t in copy.topics if t.head),
    "subscriptions": lambda copy: (((s.connection, s.topic), None) for s in copy.subscriptions),
    "chats": lambda copy: ((c.id, (c.state, c.subject, c.offered_by, c.accepted_by)) for c in copy.chats),
    "messages": lambda copy: ((m.key, (m.chat, m.sender, m.text)) for m in copy.messages),
    "events": lambda copy: (((e.topic, e.sequence), _event(e)) for e in copy.events),
}
"""Kind of row → what a row of it is known by, and what there is to say of it."""


def differences(legacy: AccountCopy, upgraded: AccountCopy) -> Counter[str]:
    """Kind of row → how many are on one side only, or say something else there."""
    found = {kind: _differing(dict(rows(legacy)), dict(rows(upgraded))) for kind, rows in _ROWS.items()}
    return Counter({kind: number for kind, number in found.items() if number})


def _differing(legacy: Mapping[Any, Any], upgraded: Mapping[Any, Any]) -> int:
    changed = [known for known in legacy.keys() & upgraded.keys() if legacy[known] != upgraded[known]]
    return len(legacy.keys() ^ upgraded.keys()) + len(changed)


def rows_of(copy: AccountCopy) -> int:
    """How many rows a copy has."""
    return sum(map(len, (copy.connections, copy.topics, copy.subscriptions, copy.chats, copy.messages, copy.events)))
