"""What a protocol decides of a connection: address, header fields, subprotocol, binary frames, one-way operations."""

import sys
from pathlib import Path
from typing import Any

import gevent
import pytest
from scripted_pod import exactly, frame, received, serving
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from loadtests.protocols.contract import Command, Identity, Push
from loadtests.wire.connection import Connection
from loadtests.wire.failures import ConnectionFailed
from loadtests.wire.opening import Endpoint

sys.path.insert(0, str(Path(__file__).parents[1] / "protocols"))
from toy_protocol import SPEC  # the path comes first

ADA = Identity("t", "agent", "Ada Lovelace")


def endpoint(port: int) -> Endpoint:
    return Endpoint(SPEC.url(f"ws://127.0.0.1:{port}/chat", ADA), SPEC.subprotocols, SPEC.headers(ADA))


def accept(connected: Any, *spoken: str) -> Request:
    """Upgrades as a server that speaks these subprotocols; the client's request."""
    names = [Subprotocol(name) for name in spoken]
    protocol = ServerProtocol(subprotocols=names, select_subprotocol=lambda _, offered: names[0] if names else None)
    while not protocol.events:
        protocol.receive_data(connected.recv(4096))
    request = protocol.events_received()[0]
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    connected.sendall(b"".join(protocol.data_to_send()))
    return request


def connect(port: int, pushes: list[Push]) -> Connection:
    client = SPEC.client(ADA, SPEC.options)
    return Connection.open(endpoint(port), client, timeout_s=5, on_push=lambda push, _: pushes.append(push))


def test_protocol_gives_query_headers_and_subprotocols() -> None:
    requests: list[Request] = []

    def handle(connected: Any) -> None:
        requests.append(accept(connected, "toy.v1"))

    with serving(handle) as port:
        connect(port, []).abort()
    (request,) = requests
    assert request.path == "/chat?as=Ada%20Lovelace"
    assert (request.headers["Cookie"], request.headers["X-Role"]) == ("token=t", "agent")
    assert request.headers["Sec-WebSocket-Protocol"] == "toy.v2, toy.v1"


def test_server_must_choose_an_offered_subprotocol() -> None:
    with serving(accept) as port, pytest.raises(ConnectionFailed) as failed:
        connect(port, [])
    assert (failed.value.outcome, failed.value.error) == ("fail", "handshake_rejected")
    assert failed.value.detail == "the server does not speak toy.v2 or toy.v1"


def test_one_way_operation_ends_with_its_echo_and_pushes_are_acknowledged() -> None:
    """In binary frames. The reply of the second message comes first, and a push of another sender in between."""
    acknowledged: list[bytes] = []

    def handle(connected: Any) -> None:
        accept(connected, "toy.v2")
        assert received(connected) == (0x82, b"O 7")
        connected.sendall(frame(b"o 7", 0x82))
        sent = [received(connected) for _ in range(2)]
        assert sent == [(0x82, b"M 1 one"), (0x82, b"M 2 two")]
        gevent.sleep(0.02)
        connected.sendall(frame(b"m 2 two", 0x82) + frame(b"m 9 other", 0x82) + frame(b"m 1 one", 0x82))
        acknowledged.extend(received(connected)[1] for _ in range(3))
        exactly(connected, 1)

    pushes: list[Push] = []
    with serving(handle) as port:
        connection = connect(port, pushes)
        client = connection._client
        created = connection.request(7, client.open(7), 5)
        assert created.reply[:3] == (7, "ok", "")
        texts = {1: "one", 2: "two"}
        senders = [
            gevent.spawn(connection.request, key, client.send(Command("message.send", key, text=text)), 5)
            for key, text in texts.items()
        ]
        gevent.joinall(senders, timeout=5)
        assert [sender.value.reply[:3] for sender in senders] == [(1, "ok", ""), (2, "ok", "")]
        assert all(sender.value.ended_ns - created.ended_ns > 10_000_000 for sender in senders), "never at once"
        gevent.sleep(0.05)
        connection.abort()
    assert [push.key for push in pushes] == [2, 9, 1]
    assert acknowledged == [b"A 2", b"A 9", b"A 1"]


def test_one_way_operation_without_its_echo_is_unknown() -> None:
    def handle(connected: Any) -> None:
        accept(connected, "toy.v1")
        gevent.sleep(5)

    with serving(handle) as port:
        connection = connect(port, [])
        sent = connection._client.send(Command("message.send", 1, text="lost"))
        assert connection.request(1, sent, 0.02).reply[:3] == (1, "unknown", "timeout")
        connection.abort()


@pytest.mark.parametrize("data", [frame(b"m 1 \xff", 0x81), frame(b"x", 0x81)])
def test_text_that_is_no_message_breaks_the_connection(data: bytes) -> None:
    def handle(connected: Any) -> None:
        accept(connected, "toy.v1")
        received(connected)
        connected.sendall(data)
        gevent.sleep(5)

    with serving(handle) as port:
        connection = connect(port, [])
        assert connection.request(7, connection._client.open(7), 5).reply[:3] == (7, "fail", "bad_reply")
        connection.abort()
