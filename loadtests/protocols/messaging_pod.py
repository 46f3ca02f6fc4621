"""`messaging-pod.v1`: JSON text frames with keys of the client's making (`docs/protocol.md` is the reference).

Decoding trusts nothing: anything that is not a message of the protocol raises `ProtocolError` with what was expected.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from loadtests.protocols.contract import (
    Command,
    Frame,
    Identity,
    Opened,
    Option,
    ProtocolError,
    Push,
    Received,
    Reply,
    Spec,
    is_key,
    key_text,
)
from loadtests.protocols.serverhalf import Event, Request, checked_request, is_sequence
from loadtests.records.vocabulary import OUTCOMES, TIMED_OPERATIONS

SUBPROTOCOL: Final = "messaging-pod.v1"


class MessagingPodClient:
    """The client half. It has no state: keys travel as they are."""

    __slots__ = ("_identity",)

    def __init__(self, identity: Identity, _: Mapping[str, Option]) -> None:
        self._identity = identity

    def open(self, key: int) -> Sequence[Frame]:
        return (encode_request("connection.create", key_text(key), self._identity._asdict()),)

    def send(self, command: Command) -> Sequence[Frame]:
        operation, key, _, chat, text = command
        message = {"type": operation, "key": f"{key:016x}"}
        if operation == "message.send":  # most of a load: a call less
            message["chat"] = chat
            message["text"] = text
        else:
            add_fields(message, command)
        return (orjson.dumps(message).decode(),)

    def heartbeat(self, key: int) -> Sequence[Frame]:
        return (encode_request("heartbeat", key_text(key), {}),)

    def close(self, key: int) -> Sequence[Frame]:
        return (encode_request("connection.close", key_text(key), {}),)

    def receive(self, frame: Frame) -> Sequence[Received]:
        message = json_object(frame)
        kind = message.get("type")
        if kind != "reply":
            if kind == "event":
                return (push_of(message),)
            raise ProtocolError(f"unknown type {str(kind)[:40]!r}: expected reply or event")
        key, outcome, error = message.get("key"), message.get("outcome"), message.get("error")
        # Compared, not hashed: a hostile outcome may be a list.
        if not (isinstance(key, str) and isinstance(error, str) and outcome in OUTCOMES):
            raise ProtocolError("a reply needs key, outcome (ok, refused, fail, unknown) and error")
        return replies(key, outcome, error, message)


class MessagingPodServer:
    def request(self, frame: Frame) -> Request:
        message = json_object(frame)
        return checked_request(message.pop("type", None), message.pop("key", None), message)

    def reply(self, key: str, outcome: str, error: str, body: Mapping[str, Any]) -> Frame:
        return orjson.dumps({"type": "reply", "key": key, "outcome": outcome, "error": error, **body}).decode()

    def event(self, event: Event) -> Frame:
        return orjson.dumps({"type": "event", **event_fields(event)}).decode()


def encode_request(type: str, key: str, body: Mapping[str, Any]) -> str:
    return orjson.dumps({"type": type, "key": key, **body}).decode()


# JSON that other protocols share.


def add_fields(message: dict[str, str], command: Command) -> None:
    """Adds the fields of a request, as in `serverhalf.REQUEST_FIELDS`."""
    operation, _, topic, chat, text = command
    if operation == "message.send":
        message["chat"] = chat
        message["text"] = text
    elif operation == "chat.offer":
        message["subject"] = text
    elif operation.startswith("subscription."):
        message["topic"] = topic
    else:
        message["chat"] = chat


def json_object(frame: Frame) -> dict[str, Any]:
    """Raises ProtocolError."""
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError(f"a message is a JSON object, not {type(message).__name__}")
    return message


def replies(key: str, outcome: str, error: str, body: Mapping[str, Any]) -> Sequence[Received]:
    """A reply in the harness's words; one whose key is none of ours answers no operation."""
    if not is_key(key):
        return (NO_OPERATION,)
    sequence = body.get("sequence")
    if sequence is not None and not is_sequence(sequence):
        sequence = None
    chat = body.get("chat")
    if chat is not None and not (isinstance(chat, str) and is_key(chat)):
        chat = None
    reply = _new(Reply, (int(key, 16), outcome, error, sequence, chat))
    return (Opened(body["heartbeat_s"]), reply) if "heartbeat_s" in body else (reply,)


_new: Final = tuple.__new__
"""Makes a named tuple in a third of the time of its own constructor; for what is made of every frame."""

NO_OPERATION: Final = Reply(-1, "ok")
"""A reply to something that was never asked."""

_PUSH_FIELDS: Final = (
    *((name, str) for name in ("topic", "kind", "chat", "key", "by", "text")),
    *((name, int) for name in ("sequence", "published_ns")),
)


def push_of(message: Mapping[str, Any]) -> Push:
    """Raises ProtocolError for fields of other types. One whose chat or key is malformed is of no chat."""
    for name, kind in _PUSH_FIELDS:
        value = message.get(name)
        if type(value) is not kind:
            raise ProtocolError(f"event: {name!r} should be {kind.__name__}, not {type(value).__name__}")
        if kind is int and not is_sequence(value):
            raise ProtocolError(f"event: {name!r} should be from 0 to 2^63 - 1")
    chat, key = message["chat"], message["key"]
    sound = is_key(chat) is not None and is_key(key) is not None
    number = int(key, 16) if sound else None
    return _new(
        Push,
        (
            message["kind"],
            message["topic"],
            chat if sound else "",
            number,
            message["sequence"],
            message["published_ns"],
        ),
    )


def event_fields(event: Event) -> dict[str, Any]:
    # Spelled out, because it is done for every event: a loop over the fields takes three times as long.
    return {
        "topic": event.topic,
        "sequence": event.sequence,
        "kind": event.kind,
        "chat": event.chat,
        "key": event.key,
        "by": event.by,
        "text": event.text,
        "published_ns": event.published_ns,
    }


SPEC: Final = Spec(
    name="messaging-pod.v1",
    subprotocols=(SUBPROTOCOL,),
    operations=frozenset(TIMED_OPERATIONS),
    client=MessagingPodClient,
    server=MessagingPodServer,
)
