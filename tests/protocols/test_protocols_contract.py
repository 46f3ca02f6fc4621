"""What every protocol must do, by literal frames and for any frame at all."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_frames import CHAT, COMMANDS, FRAMES, TEXT

from loadtests.protocols import PROTOCOLS, ChosenProtocol, parse_protocol
from loadtests.protocols.contract import (
    Client,
    Command,
    Identity,
    Opened,
    ProtocolError,
    Push,
    Received,
    Reply,
    Send,
    key_text,
)
from loadtests.protocols.serverhalf import REQUEST_FIELDS, Event, Request, Server
from loadtests.records.vocabulary import OUTCOMES, TIMED_OPERATIONS

ADA = Identity("t", "agent", "Ada")
NAMES = sorted(PROTOCOLS)
SPOKEN = [name for name in NAMES if parse_protocol(name).spec.server is not None]

keys = st.integers(1, 2**64 - 1)
# What JSON and PostgreSQL can both carry: no surrogates, no U+0000.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


def client(name: str) -> Client:
    return parse_protocol(name).client(ADA)


def server(name: str) -> Server:
    make = parse_protocol(name).spec.server
    assert make is not None
    return make()


def test_every_protocol_has_literal_frames() -> None:
    assert set(FRAMES) == set(PROTOCOLS)


@pytest.mark.parametrize("name", NAMES)
def test_spec_is_consistent(name: str) -> None:
    chosen = parse_protocol(name)
    spec = chosen.spec
    assert isinstance(chosen, ChosenProtocol)
    assert spec.name == name
    assert spec.one_way <= spec.operations <= set(TIMED_OPERATIONS)
    assert spec.url("ws://pod/path", ADA).startswith("ws://pod/")


@pytest.mark.parametrize("name", NAMES)
def test_client_sends_literal_frames(name: str) -> None:
    frames, half = FRAMES[name], client(name)
    assert tuple(half.open(1)) == frames.open
    assert tuple(half.heartbeat(1)) == frames.heartbeat
    assert tuple(half.close(1)) == frames.close
    sendable = parse_protocol(name).spec.operations - {"connection.create", "connection.close"}
    assert set(frames.sent) == sendable
    assert {operation: tuple(half.send(COMMANDS[operation])) for operation in frames.sent} == frames.sent


@pytest.mark.parametrize("name", NAMES)
def test_client_understands_literal_frames(name: str) -> None:
    for frame, expected in FRAMES[name].received.items():
        assert tuple(client(name).receive(frame)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_client_rejects_broken_frames(name: str) -> None:
    for frame in FRAMES[name].broken:
        with pytest.raises(ProtocolError):
            list(client(name).receive(frame))


@pytest.mark.parametrize("name", SPOKEN)
def test_server_understands_what_the_client_sends(name: str) -> None:
    half = server(name)
    frames = FRAMES[name]
    (created,) = (half.request(frame) for frame in frames.open)
    assert created == Request("connection.create", key_text(1), ADA._asdict())
    for operation, sent in frames.sent.items():
        request = half.request(sent[0])
        assert (request.type, request.key) == (operation, key_text(COMMANDS[operation].key))
        assert set(request.body) == REQUEST_FIELDS[operation]
    assert half.request(frames.sent["message.send"][0]).body == {"chat": CHAT, "text": TEXT}


@pytest.mark.parametrize("name", SPOKEN)
def test_server_rejects_other_frames(name: str) -> None:
    for frame in FRAMES[name].refused:
        with pytest.raises(ProtocolError):
            server(name).request(frame)


@pytest.mark.parametrize("name", SPOKEN)
def test_server_requires_every_field(name: str) -> None:
    """Of what the client half sends, each field missing or of another type."""
    import json

    for operation, sent in FRAMES[name].sent.items():
        for field in REQUEST_FIELDS[operation]:
            for value in (7, None, "U+0000: \0"):
                with pytest.raises(ProtocolError, match=field) as caught:
                    server(name).request(json.dumps(_with(json.loads(sent[0]), field, value)))
                assert caught.value.key == key_text(COMMANDS[operation].key)


def _with(message: Any, field: str, value: Any) -> Any:
    """A copy in which the field, at any depth, has the value."""
    if not isinstance(message, dict):
        return message
    return {name: value if name == field else _with(inner, field, value) for name, inner in message.items()}


@pytest.mark.parametrize("name", SPOKEN)
@given(keys, st.sampled_from([o for o in TIMED_OPERATIONS if not o.startswith("connection")]), texts, texts)
def test_any_command_is_received(name: str, key: int, operation: str, topic: str, text: str) -> None:
    command = Command(operation, key, topic, CHAT, text)
    (frame,) = client(name).send(command)
    request = server(name).request(frame)
    assert (request.type, request.key) == (operation, key_text(key))
    values = {"topic": topic, "chat": CHAT, "text": text, "subject": text}
    assert request.body == {field: values[field] for field in REQUEST_FIELDS[operation]}


@pytest.mark.parametrize("name", SPOKEN)
@given(keys, st.sampled_from(OUTCOMES), st.none() | st.integers(0, 2**63 - 1))
def test_any_reply_is_received(name: str, key: int, outcome: str, sequence: int | None) -> None:
    error = "" if outcome == "ok" else "chat_closed"
    body = {} if sequence is None else {"sequence": sequence}
    frame = server(name).reply(key_text(key), outcome, error, body)
    (reply,) = client(name).receive(frame)
    assert isinstance(reply, Reply)
    assert reply[:3] == (key, outcome, error)
    assert outcome != "ok" or reply.sequence == sequence


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("chat", [CHAT, "x", "", CHAT.upper(), 7, None, ["a"]])
def test_reply_has_the_chat_id_of_the_server(name: str, chat: object) -> None:
    (reply,) = client(name).receive(server(name).reply(key_text(1), "ok", "", {"chat": chat}))
    assert isinstance(reply, Reply)
    assert reply.chat == (CHAT if chat == CHAT else None)


@pytest.mark.parametrize("name", SPOKEN)
@given(texts, texts, st.integers(0, 2**63 - 1), keys)
def test_any_event_is_received(name: str, topic: str, text: str, number: int, key: int) -> None:
    event = Event("account-0001", topic, number, "message.sent", CHAT, key_text(key), text, text, number)
    frame = server(name).event(event)
    assert tuple(client(name).receive(frame)) == (Push("message.sent", topic, CHAT, key, number, number),)
    assert "account-0001" not in str(frame) or "account-0001" in topic + text


@pytest.mark.parametrize("name", SPOKEN)
def test_event_without_a_usable_key_or_chat_is_of_no_chat(name: str) -> None:
    for chat, key in (("x", key_text(1)), (CHAT, ""), (CHAT.upper(), key_text(1)), ("0x" + CHAT[2:], key_text(1))):
        (push,) = client(name).receive(server(name).event(Event("", "queue", 1, "message.sent", chat, key, "", "", 1)))
        assert isinstance(push, Push)
        assert (push.chat, push.key) == ("", None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
_WORDS = ["type", "key", "outcome", "error", "topic", "chat", "sequence", "jsonrpc", "id", "method", "params", "result"]
_VALUES = [*REQUEST_FIELDS, "2.0", "event", "reply", "ok", key_text(7)]
objects = st.dictionaries(st.sampled_from(_WORDS), json_values | st.sampled_from(_VALUES))


@pytest.mark.parametrize("name", NAMES)
@given(st.binary() | st.text() | objects.map(lambda value: __import__("json").dumps(value)))
def test_any_frame_is_decoded_or_refused(name: str, frame: str | bytes) -> None:
    assert _decoded(client(name).receive, frame, (Opened, Reply, Push, Send))
    if name in SPOKEN:
        assert _decoded(lambda frame: [server(name).request(frame)], frame, (Request,))


def _decoded(decode: Any, frame: str | bytes, kinds: tuple[type, ...]) -> bool:
    try:
        found: Iterable[Received] = list(decode(frame))
    except ProtocolError as error:
        return bool(str(error))
    return all(isinstance(received, kinds) for received in found)
