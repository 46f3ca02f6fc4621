"""The server half of a protocol: the reference pod's requests, replies and events. Keys are text, as it stores them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from loadtests.protocols.contract import Frame, ProtocolError, is_key

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
"""Request type → the fields that its body must have."""

NO_KEY: Final = "0" * 16
"""The key of a reply to a frame in which none could be read."""

MAX_SEQUENCE: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request. `key` is the client's id of the operation, which the pod echoes."""

    type: str
    key: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a topic, with its number there and the pod's time stamp (Unix ns).

    `kind` is `chat.offered`, `chat.accepted`, `chat.closed` or `message.sent`; `key` is that of the operation that
    caused it, `by` the name of the person who did it.
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


class Server(Protocol):
    """Frames ↔ the pod's values. One object serves a whole pod: an event is encoded once for all its subscribers."""

    def request(self, frame: Frame) -> Request:
        """Raises ProtocolError for anything that is not a request with the fields that its type must have."""

    def reply(self, key: str, outcome: str, error: str, body: Mapping[str, Any]) -> Frame:
        """`outcome` is `ok`, `refused`, `fail` or `unknown`; `error` is empty when it is `ok`."""

    def event(self, event: Event) -> Frame:
        """The account is the connection's own: it is not repeated."""


def checked_request(kind: object, key: object, body: Mapping[str, Any]) -> Request:
    """Raises ProtocolError where type, key or a field is missing or of a wrong type."""
    if not (isinstance(key, str) and is_key(key)):
        raise ProtocolError("key: expected a string of 16 hexadecimal digits in lower case")
    expected = REQUEST_FIELDS.get(kind) if isinstance(kind, str) else None
    if expected is None:
        raise ProtocolError(f"unknown type {str(kind)[:40]!r}: expected one of {', '.join(REQUEST_FIELDS)}", key)
    for name in expected:
        if problem := _problem_of(name, body.get(name)):
            raise ProtocolError(f"{kind}: {name!r} should be {problem}", key)
    return Request(str(kind), key, body)


def _problem_of(name: str, value: Any) -> str | None:
    """What the field should have been; None when it is."""
    if name == "positions":
        return None if isinstance(value, dict) and all(map(is_sequence, value.values())) else "topic → last sequence"
    # PostgreSQL's texts cannot hold U+0000, and no message needs it.
    return None if isinstance(value, str) and "\0" not in value else "a string without U+0000"


def is_sequence(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_SEQUENCE
