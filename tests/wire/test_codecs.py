"""The codecs: literal frames, so that a mistake shared by pod and users shows, and whatever else may come."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.wire.codecs.messages import (
    REQUEST_FIELDS,
    Event,
    ProtocolError,
    Reply,
    Request,
    decode_from_pod,
    decode_request,
    encode_event,
    encode_reply,
    encode_request,
    key_number,
    key_text,
)
from loadtests.wire.codecs.tokens import account_of, token_for

EVENT = Event("", "queue", 42, "chat.offered", "00000000000000a7", "00000000000000a7", "Bob", "My order", 17)
EVENT_FRAME = (
    b'{"type":"event","topic":"queue","sequence":42,"kind":"chat.offered","chat":"00000000000000a7",'
    b'"key":"00000000000000a7","by":"Bob","text":"My order","published_ns":17}'
)
REPLY_FRAME = (
    b'{"type":"reply","key":"0000000000000003","outcome":"refused","error":"already_accepted","winner":"Grace"}'
)
REQUEST_FRAME = b'{"type":"chat.accept","key":"0000000000000003","chat":"00000000000000a7"}'

keys = st.integers(0, 2**64 - 1)
# What JSON and PostgreSQL can both carry: no surrogates, no U+0000.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def test_literal_frames() -> None:
    assert encode_event(EVENT) == EVENT_FRAME
    assert decode_from_pod(EVENT_FRAME) == EVENT
    reply = Reply("0000000000000003", "refused", "already_accepted", {"winner": "Grace"})
    assert encode_reply(reply) == REPLY_FRAME
    assert decode_from_pod(REPLY_FRAME.decode()) == reply
    request = Request("chat.accept", "0000000000000003", {"chat": "00000000000000a7"})
    assert encode_request(request.type, request.key, request.body) == REQUEST_FRAME
    assert decode_request(REQUEST_FRAME) == request


@given(keys)
def test_keys_are_16_digits_and_come_back(key: int) -> None:
    assert len(key_text(key)) == 16
    assert key_number(key_text(key)) == key


@pytest.mark.parametrize(
    "text", ["", "1", "0" * 17, "0x00000000000001", "0000_0000_000000", "00000000000000A7", " " * 16]
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ProtocolError, match="16 hexadecimal digits"):
        key_number(text)


@given(st.data())
def test_requests_come_back(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(REQUEST_FIELDS)))
    positions = st.dictionaries(texts, st.integers(0, 2**63 - 1), max_size=4)
    body = {name: data.draw(positions if name == "positions" else texts) for name in REQUEST_FIELDS[kind]}
    key = key_text(data.draw(keys))
    assert decode_request(encode_request(kind, key, body)) == Request(kind, key, body)


@given(texts, texts, texts, st.integers(1, 2**63 - 1), keys)
def test_events_come_back_without_their_account(topic: str, by: str, text: str, number: int, key: int) -> None:
    event = Event("account-0001", topic, number, "message.sent", key_text(key), key_text(key), by, text, number)
    assert decode_from_pod(encode_event(event)) == replace(event, account="")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["type", "key", "outcome", "error", "token", "topic", "chat", "positions", "sequence"])


@given(st.binary() | st.dictionaries(names, json_values | st.sampled_from(sorted(REQUEST_FIELDS))).map(json.dumps))
def test_whatever_comes_is_decoded_or_refused(frame: bytes | str) -> None:
    for decode in (decode_request, decode_from_pod):
        try:
            assert isinstance(decode(frame), Request | Reply | Event)
        except ProtocolError as error:
            assert str(error)


@pytest.mark.parametrize("kind", sorted(REQUEST_FIELDS))
def test_every_field_of_a_request_is_needed(kind: str) -> None:
    whole: dict[str, Any] = {n: {"queue": 1} if n == "positions" else "x" for n in REQUEST_FIELDS[kind]}
    for name in REQUEST_FIELDS[kind]:
        for wrong in ({n: v for n, v in whole.items() if n != name}, whole | {name: 7}, whole | {name: None}):
            with pytest.raises(ProtocolError, match=name) as caught:
                decode_request(encode_request(kind, key_text(1), wrong))
            assert caught.value.key == key_text(1)


@pytest.mark.parametrize("positions", [{"queue": -1}, {"queue": 2**63}, {"queue": True}, {"queue": "1"}, []])
def test_positions_are_numbers(positions: object) -> None:
    body = {"token": "t", "connection": "c", "resume_token": "r", "positions": positions}
    with pytest.raises(ProtocolError, match="positions"):
        decode_request(encode_request("connection.resume", key_text(1), body))


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"reply","key":"1","outcome":"maybe","error":""}',
        b'{"type":"reply","key":"1","outcome":["ok"],"error":""}',
        b'{"type":"reply","key":"1","outcome":"ok"}',
        b'{"type":"event","topic":"queue"}',
        EVENT_FRAME.replace(b"42", b'"42"'),
        EVENT_FRAME.replace(b"42", b"true"),
        b'"event"',
        b"\xff",
    ],
)
def test_what_a_pod_must_not_send(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_from_pod(frame)


@given(texts, texts)
def test_a_token_speaks_for_its_account_only(account: str, secret: str) -> None:
    token = token_for(account, secret)
    assert account_of(token, secret) == account
    assert account_of(token, secret + "x") is None
    assert account_of("x" + token, secret) is None
    assert account_of(token[:-1], secret) is None
