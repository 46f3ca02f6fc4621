"""An account's rows as the scripts give and take them, and back."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Any

import orjson

from loadtests.pod.storage.contract import AccountCopy, StoredChat, StoredConnection, account_copy
from loadtests.protocols.serverhalf import Event


def stamp(ns: int) -> str:
    """A time as it is stored: of one length, so that texts compare as numbers do."""
    return f"{ns:019d}"


def pack_message(chat: str, sender: str, text: str, sent_at: int) -> str:
    return orjson.dumps([chat, sender, text, sent_at]).decode()


def read_copy(account: str, answer: Sequence[Any]) -> AccountCopy:
    """What `copy_account.lua` answered."""
    connections, topics, subscriptions, chats, messages, events = answer
    return account_copy(
        account,
        {
            "connections": [_connection(*row) for row in connections],
            "topics": [(decoded(topic), int(head)) for topic, head in _pairs(topics)],
            "subscriptions": [
                (decoded(id), decoded(topic), int(at)) for id, row in subscriptions for topic, at in _pairs(row)
            ],
            "chats": [_chat(*row) for row in chats],
            "messages": [(decoded(key), *orjson.loads(row)) for key, row in _pairs(messages)],
            "events": [
                astuple(read_event(account, decoded(topic), *entry)) for topic, entries in events for entry in entries
            ],
        },
    )


def read_event(account: str, topic: str, id: bytes, row: Sequence[bytes]) -> Event:
    """An entry of a topic's stream."""
    kind, chat, key, by, text, published_ns = (decoded(value) for _, value in _pairs(row))
    return Event(account, topic, int(id.partition(b"-")[0]), kind, chat, key, by, text, int(published_ns))


def write_copy(copy: AccountCopy) -> str:
    """What `replace_account.lua` takes."""
    return orjson.dumps(
        {
            "connections": [
                (c.id, c.role, c.name, c.resume_digest, stamp(c.opened_at), stamp(c.seen_at), _stamp(c.closed_at))
                for c in copy.connections
            ],
            "topics": [(t.topic, str(t.head)) for t in copy.topics],
            "subscriptions": [(s.connection, s.topic, stamp(s.subscribed_at)) for s in copy.subscriptions],
            "chats": [_chat_row(chat) for chat in copy.chats],
            "messages": [(m.key, pack_message(m.chat, m.sender, m.text, m.sent_at)) for m in copy.messages],
            # A stream takes its entries in their order only.
            "events": [_event_row(e) for e in sorted(copy.events, key=lambda e: (e.topic, e.sequence))],
        }
    ).decode()


def _chat_row(c: StoredChat) -> tuple[str | None, ...]:
    times = stamp(c.offered_at), _stamp(c.accepted_at), _stamp(c.closed_at)
    return (c.id, c.state, c.subject, c.offered_by, c.accepted_by, *times)


def _event_row(e: Event) -> tuple[str, ...]:
    return (e.topic, str(e.sequence), e.kind, e.chat, e.key, e.by, e.text, stamp(e.published_ns))


def _stamp(ns: int | None) -> str | None:
    return None if ns is None else stamp(ns)


def _connection(id: bytes, row: Sequence[bytes | None]) -> StoredConnection:
    role, name, digest, opened_at, seen_at, closed_at = row
    return StoredConnection(
        decoded(id),
        decoded(role),
        decoded(name),
        decoded(digest),
        int(opened_at or 0),
        int(seen_at or 0),
        _time(closed_at),
    )


def _chat(id: bytes, row: Sequence[bytes | None]) -> StoredChat:
    state, subject, offered_by, accepted_by, offered_at, accepted_at, closed_at = row
    return StoredChat(
        decoded(id),
        decoded(state),
        decoded(subject),
        decoded(offered_by),
        decoded(accepted_by) if accepted_by is not None else None,
        int(offered_at or 0),
        _time(accepted_at),
        _time(closed_at),
    )


def _time(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def decoded(value: bytes | None) -> str:
    return (value or b"").decode()


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
