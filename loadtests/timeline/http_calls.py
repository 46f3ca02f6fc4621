"""One HTTP call: no redirects, no proxies, to no address but those that the host may stand for, ended at a deadline.

http.client follows no redirect and knows no proxy. What it has no limit for, an answer that never comes to its end, is
ended from outside: `abandon` shuts the connection down, and its thread with it.
"""

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult

from loadtests.destinations import permitted

_MAX_ERROR_BYTES: Final = 2000


class HttpAnswer(NamedTuple):
    """`text` is the beginning of the body, of an error (400 and above) in any case."""

    status: int
    text: str


class HttpCall:
    """One request. `networks`: where the host may be, anywhere when empty. Raises ValueError for an unusable port."""

    def __init__(self, parts: SplitResult, timeout_s: float, networks: Sequence[str] = ()) -> None:
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._networks = tuple(networks)
        self._connection = _connection(parts, timeout_s, self._connect)
        self._socket: socket.socket | None = None
        self._abandoned = False

    def make(self, method: str, headers: Mapping[str, str], body: bytes | None, most_bytes: int) -> HttpAnswer:
        """The answer, its text at most `most_bytes` long. Raises AddressRefused, OSError, HTTPException, ValueError."""
        try:
            self._connection.request(method, self._target, body, _completed(headers, body))
            return _answer(self._connection.getresponse(), most_bytes)
        finally:
            self._connection.close()
            if self._socket is not None:
                self._socket.close()

    def abandon(self) -> None:
        """Ends the call from another thread, wherever it is."""
        self._abandoned = True
        with suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def _connect(self, address: tuple[str, int], timeout_s: float, _source: Any) -> socket.socket:
        connected = _connected(*address, timeout_s, self._networks)
        # TLS takes the socket's descriptor, and the connection drops it with the head of an answer.
        self._socket = connected.dup()
        if self._abandoned:
            connected.close()
            raise TimeoutError
        return connected


def _answer(response: HTTPResponse, most_bytes: int) -> HttpAnswer:
    wanted = most_bytes if response.status < HTTPStatus.BAD_REQUEST else _MAX_ERROR_BYTES
    return HttpAnswer(response.status, response.read(wanted).decode(errors="replace") if wanted else "")


def _completed(headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
    given = {name.lower() for name in headers}
    added = {"Connection": "close", "User-Agent": "loadtests"}
    if body is not None:
        added["Content-Type"] = "application/x-www-form-urlencoded"
    return {**{name: value for name, value in added.items() if name.lower() not in given}, **headers}


def _connection(parts: SplitResult, timeout_s: float, connect: Callable[..., socket.socket]) -> HTTPConnection:
    connection: Any
    if parts.scheme == "https":
        connection = HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout_s, context=_tls())
    else:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    connection._create_connection = connect
    return connection  # type: ignore[no-any-return]


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _connected(host: str, port: int, timeout_s: float, networks: tuple[str, ...]) -> socket.socket:
    """A connection to the first address that accepts one. Raises AddressRefused, OSError."""
    found = dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    allowed = permitted(host, tuple(found), networks)
    failure: OSError = OSError(f"{host} has no address")
    for one in (one for one in found if one in allowed):
        try:
            return socket.create_connection((one, port), timeout_s)
        except OSError as error:
            failure = error
    raise failure
