"""A server that follows the script of a test, byte by byte, in greenlets of the test's own process."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.server import StreamServer
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.typing import Subprotocol

Script = Callable[[Any], None]


@contextmanager
def serving(handle: Script, **tls: Any) -> Iterator[int]:
    """The port of a TCP server that runs `handle(socket)` for each connection."""
    server = StreamServer(("127.0.0.1", 0), lambda connected, _: handle(connected), **tls)
    server.start()
    try:
        yield server.server_port
    finally:
        server.stop(timeout=0.01)


@contextmanager
def pod(script: Script, **tls: Any) -> Iterator[str]:
    """The URL of a WebSocket server that runs `script(socket)` once hands are shaken."""

    def handle(connected: Any) -> None:
        accept_upgrade(connected)
        script(connected)

    with serving(handle, **tls) as port:
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/"


def accept_upgrade(connected: Any, behind: bytes = b"") -> None:
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    protocol = ServerProtocol(subprotocols=[Subprotocol("messaging-pod.v1")])
    while not protocol.events:
        protocol.receive_data(connected.recv(4096))
    request = protocol.events_received()[0]
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    connected.sendall(b"".join(protocol.data_to_send()) + behind)


def frame(payload: bytes, head: int = 0x81) -> bytes:
    """A server's frame; `head` is its first byte."""
    if len(payload) < 126:
        return bytes((head, len(payload))) + payload
    if len(payload) < 65536:
        return bytes((head, 126)) + len(payload).to_bytes(2, "big") + payload
    return bytes((head, 127)) + len(payload).to_bytes(8, "big") + payload


def received(connected: Any) -> tuple[int, bytes]:
    """The next frame from the client: its first byte and its payload. Raises EOFError at the end of the stream."""
    head, size = exactly(connected, 2)
    assert size & 0x80, "a client masks"
    size &= 0x7F
    if size > 125:
        size = int.from_bytes(exactly(connected, 2 if size == 126 else 8), "big")
    mask = exactly(connected, 4)
    return head, apply_mask(exactly(connected, size), mask)


def exactly(connected: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connected.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def requests(connected: Any) -> Iterator[dict[str, Any]]:
    """Requests until the client closes, which is answered as a pod does."""
    while True:
        try:
            head, payload = received(connected)
        except (EOFError, OSError):
            return
        if head == 0x88:
            connected.sendall(frame(payload, 0x88))
            return
        yield json.loads(payload)


def reply(key: str, **more: Any) -> bytes:
    return json.dumps({"type": "reply", "key": key, "outcome": "ok", "error": "", **more}).encode()


def event(sequence: int, **changed: Any) -> bytes:
    whole = {
        "type": "event", "topic": "queue", "sequence": sequence, "kind": "chat.offered", "chat": "0" * 16,
        "key": "0" * 16, "by": "Bob", "text": "My order", "published_ns": 5, **changed,
    }  # fmt: skip
    return json.dumps(whole).encode()


def echo(connected: Any) -> None:
    """Answers everything with ok and what was asked."""
    for request in requests(connected):
        connected.sendall(frame(reply(request["key"], asked=request)))


def silent(connected: Any) -> None:
    """Reads nothing, sends nothing, keeps the connection open: a half-open one, as far as the client can know."""
    gevent.sleep(60)
