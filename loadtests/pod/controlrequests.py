"""Reading of HTTP requests to the control endpoint: strict, and bounded in bytes, time and connections.

Any user of this host can connect to a port of loopback. A request is read whole before anything is done for it: one
that is longer, slower or of another form than a client of ours sends is refused.
"""

import io
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any, BinaryIO, Final

READ_WITHIN_S: Final = 5.0
"""How long a request may take to come, body included."""

MAX_BODY_BYTES: Final = 4096
MAX_HEAD_BYTES: Final = 8192
"""Of the request line and the headers."""

MAX_READING: Final = 64
"""Connections whose request has not come whole. A further one ends the oldest: clients that are slow on purpose
keep no other one away."""

_LINGER_S: Final = 0.5
_LINGER_BYTES: Final = 1 << 18

_REQUEST_LINE: Final = re.compile(rb"[A-Z]{1,16} /[\x21-\x7e]{0,1000} HTTP/1\.[01]\r?\n")
_HEADER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}:[ \t]*[\t\x20-\x7e\x80-\xff]*\r?\n")
_ONCE: Final = (b"content-length", b"authorization", b"host")
"""Headers whose second occurrence another program could prefer to the first."""


class Malformed(ValueError):
    """The request is not what the endpoint takes: the message says what that is."""


class IncomingRequest(io.RawIOBase):
    """The bytes of one connection, until `until` on the monotonic clock. Raises TimeoutError after that."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection, self._until = connection, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        return self._connection.recv_into(buffer)


def read_head(source: BinaryIO) -> bytes:
    """The request line and the headers, up to the empty line and with it.

    Raises Malformed; TimeoutError. Empty when the client has closed the connection before a line was whole.
    """
    head, seen = b"", set[bytes]()
    while True:
        line = source.readline(MAX_HEAD_BYTES + 1 - len(head))
        if not line.endswith(b"\n"):
            if len(head) + len(line) > MAX_HEAD_BYTES:
                raise Malformed(f"expected at most {MAX_HEAD_BYTES} bytes of headers")
            return b""
        if head and line in (b"\r\n", b"\n"):
            return head + line
        if not (_HEADER if head else _REQUEST_LINE).fullmatch(line):
            raise Malformed("expected a request line and headers of HTTP/1.1")
        name = line.partition(b":")[0].lower()
        if head and name in _ONCE and name in seen:
            raise Malformed(f"expected one header {name.decode()}")
        seen.add(name)
        head += line


def body_length(content_length: str | None, transfer_encoding: str | None) -> int:
    """How many bytes of body the headers announce. Raises Malformed."""
    if transfer_encoding is not None:
        raise Malformed("expected a body with a Content-Length, and no Transfer-Encoding")
    length = "0" if content_length is None else content_length.strip(" \t")
    if not (length.isascii() and length.isdigit() and len(length) <= 8 and int(length) <= MAX_BODY_BYTES):
        raise Malformed(f"expected a body of at most {MAX_BODY_BYTES} bytes, and its Content-Length")
    return int(length)


def read_body(source: BinaryIO, length: int) -> bytes:
    """Raises Malformed when fewer bytes came, or not in time."""
    try:
        body = source.read(length)
    except TimeoutError:
        body = b""
    if len(body) != length:
        raise Malformed(f"expected {length} bytes of body, as Content-Length says: they did not come")
    return body


def linger(connection: socket.socket) -> None:
    """Reads what a refused client still sends, for a moment: closing at once would reset the connection, and the client
    would not get the answer."""
    until, rest = time.monotonic() + _LINGER_S, _LINGER_BYTES
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while rest > 0 and (left_s := until - time.monotonic()) > 0:
            connection.settimeout(left_s)
            if not (read := connection.recv(min(rest, 1 << 16))):
                return
            rest -= len(read)


class BoundedServer(ThreadingHTTPServer):
    """A thread a connection, and a bounded number of connections whose request has not come whole."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Callable[..., Any]) -> None:
        self._turn = threading.Lock()
        self._reading: dict[Any, None] = {}
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._turn:
            self._reading[request] = None
            if len(self._reading) > MAX_READING:
                oldest = next(iter(self._reading))
                del self._reading[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def has_read(self, request: Any) -> None:
        """The request has come whole, or is refused."""
        with self._turn:
            self._reading.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        self.has_read(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that resets its connection is no news for the pod's log."""
