"""The HTTP upgrade to a WebSocket, from the client's side, without I/O."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from types import MappingProxyType
from typing import Final

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from loadtests.sanitize import sanitize
from loadtests.wire.failures import ConnectionFailed, local_error
from loadtests.wire.response import SWITCHING, ResponseHead, described

GRACE_S: Final = 1.0
"""How long the rest of a refusal's head is waited for once its status line is there."""

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_SHOWN: Final = {
    **dict.fromkeys(_REDIRECTS, ("Location",)),
    401: ("WWW-Authenticate",),
    407: ("Proxy-Authenticate",),
    426: ("Upgrade", "Sec-WebSocket-Version"),
    400: ("Sec-WebSocket-Version",),
}
"""The header fields that explain a status; Retry-After explains every one."""

_RELEVANT: Final = ("upgrade", "connection", "sec-websocket-")
_TLS_EXPECTED: Final = (b"to an https server", b"to https port", b"ssl-enabled server port")
"""How Go, nginx and Apache answer plain HTTP on a port of TLS."""


Send = Callable[[bytes], None]
Receive = Callable[[float | None], bytes]
"""Some bytes; b"" at the end of the stream, and when so many seconds are over."""


class Upgrade:
    """One handshake. `run` does it all; the rest is for a caller whose time is over before."""

    def __init__(
        self, uri: WebSocketURI, subprotocols: Sequence[str] = (), headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`subprotocols`: the server has to choose one of them, if there are any; `headers`: further fields."""
        self._subprotocols = [Subprotocol(name) for name in subprotocols]
        self._protocol = ClientProtocol(uri, subprotocols=self._subprotocols or None)
        self._headers = headers
        self._secure = uri.secure
        self._head = ResponseHead()
        self._grace_until: float | None = None

    def run(self, send: Send, receive: Receive) -> bytes:
        """Sends the request and reads the answer; returns the bytes behind it. Raises ConnectionFailed."""
        broken: Exception | None = None
        try:
            send(self._request())
        except OSError as error:  # a server that refuses and closes at once has sent a reason that can still be read
            broken = error
        try:
            while not self._take(receive(self._patience_s())):
                pass
        except (OSError, MemoryError) as error:
            if refusal := self.refusal():
                raise refusal from None
            raise self._broke(broken or error) from None
        return self._opened()

    def _request(self) -> bytes:
        request = self._protocol.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        return request.serialize()

    def refusal(self) -> ConnectionFailed | None:
        """The server's refusal, as far as it has arrived; None while it may still agree."""
        self._head.feed_end()
        return self._refused() if self._head.decided else None

    def _patience_s(self) -> float | None:
        """How long the next bytes are waited for: a refusal is one without the rest of its header fields."""
        if not self._head.decided:
            return None
        self._grace_until = self._grace_until or monotonic() + GRACE_S
        return max(self._grace_until - monotonic(), 0.001)

    def _take(self, data: bytes) -> bool:
        """True when nothing more is needed."""
        if data:
            self._head.feed(data)
        else:
            self._head.feed_end()
        return not data or self._head.complete

    def _opened(self) -> bytes:
        head = self._head
        if head.decided:
            raise self._refused()
        if not head.complete:
            raise ConnectionFailed("cut_off", self._unfinished(), sent=True)
        self._check()
        return head.rest

    def _check(self) -> None:
        head = self._head
        status = f"HTTP {head.status} {sanitize(head.reason)}".rstrip()
        if head.flaw or head.status != SWITCHING:
            raise self._rejected(f"{status}: {head.flaw}")
        if head.version != "1.1":
            raise self._rejected(f"{status}: expected HTTP/1.1, the server answered HTTP/{head.version}")
        relevant = [(n, v.decode("latin-1")) for n, v in head.fields if n.lower().startswith(_RELEVANT)]
        try:
            fields = Headers(relevant)
            self._protocol.process_response(Response(head.status, head.reason.decode("latin-1"), fields))
        except InvalidHandshake as error:
            raise self._rejected(f"{status}: {sanitize(str(error))}") from None
        if self._subprotocols and self._protocol.subprotocol not in self._subprotocols:
            raise self._rejected(f"the server does not speak {' or '.join(self._subprotocols)}")

    def _refused(self) -> ConnectionFailed:
        head = self._head
        if head.foreign:
            text = described(head.sample)
            hint = ": the port expects TLS: use wss://" if text.startswith("TLS ") and not self._secure else ""
            return self._rejected(f"no HTTP status line: the server sent {text}{hint}")
        text = f"HTTP {head.status} {sanitize(head.reason)}".rstrip()
        shown = [(name, head.field(name)) for name in (*_SHOWN.get(head.status, ()), "Retry-After")]
        notes = [f"{name}: {sanitize(value)}" for name, value in shown if value is not None]
        if head.status in _REDIRECTS:
            notes.append("redirects are not followed")
        if not self._secure and any(words in head.rest.lower() for words in _TLS_EXPECTED):
            notes.append("the port expects TLS: use wss://")
        return self._rejected(f"{text} ({'; '.join(notes)})" if notes else text)

    def _unfinished(self) -> str:
        if self._head.received:
            return f"the server closed the connection in its answer to the handshake, after {self._head.received} bytes"
        hint = "" if self._secure else " (so do ports that expect TLS: wss://)"
        return f"the server closed the connection without an answer to the handshake{hint}"

    def _rejected(self, detail: str) -> ConnectionFailed:
        return ConnectionFailed("handshake_rejected", detail, sent=True, status=self._head.status or None)

    def _broke(self, error: Exception) -> ConnectionFailed:
        code = local_error(error)
        if code is None and isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            code = "handshake_rejected"  # an alert: the server wants a certificate of the client, say
        text = sanitize(str(error) or type(error).__name__, 200)
        if code is not None:
            return ConnectionFailed(code, f"connection lost during the handshake: {text}", sent=True)
        return ConnectionFailed("cut_off", f"{self._unfinished()}: {text}", sent=True)
