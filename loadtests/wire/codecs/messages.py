"""The messages of `messaging-pod.v1`: values ↔ JSON text, no I/O (`docs/protocol.md` is the reference).

Decoding trusts nothing: whatever is not a message of the protocol raises `ProtocolError` with what was expected.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import orjson

from loadtests.sanitize import sanitize

SUBPROTOCOL: Final = "messaging-pod.v1"

REQUEST_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "connection.create": frozenset({"token", "role", "name"}),
    "connection.resume": frozenset({"token", "connection", "resume_token", "positions"}),
    "subscription.create": frozenset({"topic"}),
    "subscription.delete": frozenset({"topic"}),
    "chat.offer": frozenset({"subject"}),
    "chat.accept": frozenset({"chat"}),
    "message.send": frozenset({"chat", "text"}),
    "chat.close": frozenset({"chat"}),
    "heartbeat": frozenset(),
    "connection.close": frozenset(),
}
"""Request type → the fields it must have beside `type` and `key`."""

_MAX_PROBLEM: Final = 300

QUEUE_TOPIC: Final = "queue"
"""The account's queue, where chats are offered."""


def chat_topic(chat: str) -> str:
    return f"chat/{chat}"


def chat_of_topic(topic: str) -> int | None:
    """The chat whose topic that is, as a number; None where it is none's."""
    chat = topic.removeprefix("chat/")
    return int(chat, 16) if chat != topic and _KEY.fullmatch(chat) else None


class ProtocolError(ValueError):
    """A frame that is not a message of the protocol. `key` is the request's, where it could be read."""

    def __init__(self, problem: str, key: str | None = None) -> None:
        super().__init__(sanitize(problem, _MAX_PROBLEM))
        self.key = key


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks. `key` is the client's own id of the operation; the pod echoes it."""

    type: str
    key: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """The pod's answer to one request: `outcome` is `ok`, `refused`, `fail` or `unknown` (the pod itself cannot tell);
    `error` is empty when it is `ok`."""

    key: str
    outcome: str
    error: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """A push: something that happened on a topic, with its number there and the pod's time stamp (Unix ns).

    `kind` is `chat.offered`, `chat.accepted`, `chat.closed` or `message.sent`; `key` is that of the operation that
    caused it, `by` the name of who did it.
    """

    account: str
    topic: str
    sequence: int
    kind: str
    chat: str
    key: str
    by: str
    text: str
    published_ns: int


_EVENT_FIELDS = tuple((f.name, int if f.type in (int, "int") else str) for f in fields(Event) if f.name != "account")
_OUTCOMES = ("ok", "refused", "fail", "unknown")  # compared, not hashed: a hostile outcome may be a list

_MOST = (1 << 63) - 1
_KEY = re.compile("[0-9a-f]{16}")


def key_text(key: int) -> str:
    """A key as it travels: 16 hexadecimal digits, in lower case."""
    return f"{key:016x}"


def key_number(key: str) -> int:
    """The inverse of `key_text`. Raises ProtocolError for anything else."""
    if not _KEY.fullmatch(key):
        raise ProtocolError(f"a key is 16 hexadecimal digits in lower case, not {key[:40]!r}")
    return int(key, 16)


def _object(frame: bytes | str) -> dict[str, Any]:
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError(f"a message is a JSON object, not {type(message).__name__}")
    return message


def encode_request(type: str, key: str, body: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"type": type, "key": key, **body})


def decode_request(frame: bytes | str) -> Request:
    """Raises ProtocolError for anything that is not a request with the fields its type must have."""
    message = _object(frame)
    kind, key = message.pop("type", None), message.pop("key", None)
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise ProtocolError("key: expected a string of 16 hexadecimal digits in lower case")
    wanted = REQUEST_FIELDS.get(kind) if isinstance(kind, str) else None
    if wanted is None:
        raise ProtocolError(f"unknown type {str(kind)[:40]!r}: expected one of {', '.join(REQUEST_FIELDS)}", key)
    for name in wanted:
        if problem := _wrong(name, message.get(name)):
            raise ProtocolError(f"{kind}: {name!r} should be {problem}", key)
    return Request(kind, key, message)


def _wrong(name: str, value: Any) -> str | None:
    """What the field should have been; None when it is."""
    if name == "positions":
        return None if isinstance(value, dict) and all(map(_is_sequence, value.values())) else "topic → last sequence"
    # U+0000 is no character of a text in PostgreSQL, nor in anybody's message.
    return None if isinstance(value, str) and "\0" not in value else "a string without U+0000"


def _is_sequence(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def encode_reply(reply: Reply) -> bytes:
    return orjson.dumps(
        {"type": "reply", "key": reply.key, "outcome": reply.outcome, "error": reply.error, **reply.body}
    )


def encode_event(event: Event) -> bytes:
    # Spelled out, because it is done for every event: a loop over the fields takes three times as long.
    return orjson.dumps(
        {
            "type": "event",
            "topic": event.topic,
            "sequence": event.sequence,
            "kind": event.kind,
            "chat": event.chat,
            "key": event.key,
            "by": event.by,
            "text": event.text,
            "published_ns": event.published_ns,
        }
    )


def _event(message: dict[str, Any]) -> Event:
    for name, kind in _EVENT_FIELDS:
        value = message.get(name)
        if type(value) is not kind:
            raise ProtocolError(f"event: {name!r} should be {kind.__name__}, not {type(value).__name__}")
        if kind is int and not _is_sequence(value):
            raise ProtocolError(f"event: {name!r} should be from 0 to {_MOST}")
    # The account is the connection's own: the pod does not repeat it in every push.
    return Event(account="", **{name: message[name] for name, _ in _EVENT_FIELDS})


def decode_from_pod(frame: bytes | str) -> Reply | Event:
    """Raises ProtocolError for anything that is neither a reply nor an event."""
    message = _object(frame)
    kind = message.pop("type", None)
    if kind == "event":
        return _event(message)
    if kind != "reply":
        raise ProtocolError(f"unknown type {str(kind)[:40]!r}: expected reply or event")
    key, outcome, error = message.pop("key", None), message.pop("outcome", None), message.pop("error", None)
    if not (isinstance(key, str) and isinstance(error, str) and outcome in _OUTCOMES):
        raise ProtocolError("a reply needs key, outcome (ok, refused, fail, unknown) and error")
    return Reply(key, outcome, error, message)
