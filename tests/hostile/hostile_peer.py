"""One connection of the hostile server: the little of HTTP, TLS and WebSocket that its modes are made of. Threads."""

import base64
import hashlib
import itertools
import json
import socket
import ssl
import struct
import time
from collections.abc import Iterable
from typing import Any

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PATIENCE_S = 20.0
DRIP_S = 0.02

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


def frame(payload: bytes, head: int = 0x81, size: int | None = None) -> bytes:
    """A server's frame; `head` is its first byte, `size` the length that it claims."""
    size = len(payload) if size is None else size
    if size < 126:
        return bytes((head, size)) + payload
    if size < 65536:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload


def reply(key: str, **more: Any) -> bytes:
    return json.dumps({"type": "reply", "key": key, "outcome": "ok", "error": "", **more}).encode()


def event(number: int, **changed: Any) -> bytes:
    whole = {
        "type": "event", "topic": "queue", "sequence": number, "kind": "chat.offered", "chat": f"{number:016x}",
        "key": f"{number:016x}", "by": "x", "text": "x", "published_ns": 5, **changed,
    }  # fmt: skip
    return json.dumps(whole).encode()


class Peer:
    """A client that has connected. What it does not want to read ends the mode: `send` raises OSError."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(PATIENCE_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self._received = b""

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def flood(self, *chunks: bytes) -> None:
        """Sends the chunks again and again until the client has gone."""
        many = [chunk * max(1, 32768 // len(chunk)) for chunk in chunks]
        for chunk in itertools.cycle(many):
            self.socket.sendall(chunk)

    def drip(self, data: Iterable[int]) -> None:
        """One byte after another, slowly."""
        for byte in data:
            self.socket.sendall(bytes((byte,)))
            time.sleep(DRIP_S)

    def hold(self) -> None:
        """Sends nothing more, until the client has gone."""
        while self.socket.recv(65536):
            pass

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def head(self) -> bytes:
        """The client's HTTP request."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return head

    def accept_field(self, head: bytes) -> bytes:
        key = next(
            line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        return b"Sec-WebSocket-Accept: " + base64.b64encode(hashlib.sha1(key + _GUID).digest()) + b"\r\n"

    def upgrade(self, *fields: bytes, behind: bytes = b"") -> None:
        """Agrees to the WebSocket, with more header fields and bytes behind them."""
        accept = self.accept_field(self.head())
        protocol = b"Sec-WebSocket-Protocol: messaging-pod.v1\r\n"
        self.send(UPGRADE, accept, protocol, *fields, b"\r\n", behind)

    def request(self) -> dict[str, Any]:
        """The client's next message. Raises EOFError when it closes."""
        head, size = self._exactly(2)
        size &= 0x7F
        if size > 125:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        mask = self._exactly(4)
        payload = bytes(a ^ b for a, b in zip(self._exactly(size), itertools.cycle(mask), strict=False))
        if head == 0x88:
            raise EOFError
        return json.loads(payload) if head == 0x81 else self.request()

    def first_request(self) -> dict[str, Any]:
        self.upgrade()
        return self.request()

    def secure(self, context: ssl.SSLContext) -> "Peer":
        return Peer(context.wrap_socket(self.socket, server_side=True))

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        data, self._received = self._received[:size], self._received[size:]
        return data

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self._received += data
