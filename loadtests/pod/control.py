"""The control endpoint: HTTP on loopback with a token of its own, for operators of the pod.

The standard library's server on a separate thread: it needs no dependency, takes POST as well as GET, and still
answers when the pod's event loop does not, which is exactly what an operator needs to know.
"""

import asyncio
import hmac
import io
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

import orjson

from loadtests.pod import controlrequests
from loadtests.pod.controlrequests import BoundedServer, IncomingRequest, Malformed, body_length, read_body, read_head
from loadtests.pod.storage.contract import StorageError

HOST: Final = "127.0.0.1"
ANSWER_WITHIN_S: Final = 5.0
_WRITE_WITHIN_S: Final = 5.0


class BadBody(ValueError):
    """The body is not what the route expects: the message says what that is."""


class NotPossible(Exception):
    """This pod cannot do it, or not now: the message says why."""


@dataclass(frozen=True)
class Route:
    """What to do on the pod's event loop with the body's object, which is empty for a GET. What takes longer than
    `within_s` goes on, but its caller gets no reply."""

    carry_out: Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    within_s: float = ANSWER_WITHIN_S


Routes = Mapping[tuple[str, str], Route]
"""By method and path."""


class ControlServer:
    """Serves until `stop`. Raises OSError when the port is taken."""

    def __init__(self, port: int, token: str, routes: Routes) -> None:
        loop = asyncio.get_running_loop()

        class ControlHandler(_Handler):
            expected = f"Bearer {token}".encode()

            def carry_out(self, route: Route, body: Mapping[str, Any]) -> Mapping[str, Any]:
                async def on_loop() -> Mapping[str, Any]:
                    return await route.carry_out(body)

                return asyncio.run_coroutine_threadsafe(on_loop(), loop).result(route.within_s)

        ControlHandler.routes = routes
        self._server = BoundedServer((HOST, port), ControlHandler)
        self.url = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One request a connection."""

    expected: bytes
    routes: Routes
    server: BoundedServer
    request_version, requestline, command = "HTTP/1.0", "", ""  # of answers to what is no request
    server_version = "pod"
    sys_version = ""

    def carry_out(self, route: Route, body: Mapping[str, Any]) -> Mapping[str, Any]:
        raise NotImplementedError

    def handle(self) -> None:
        until = time.monotonic() + controlrequests.READ_WITHIN_S
        self._incoming = io.BufferedReader(IncomingRequest(self.connection, until))
        with suppress(OSError):  # it is slow, or has gone
            try:
                if head := read_head(self._incoming):
                    self.rfile.close()
                    self.rfile = io.BytesIO(head)
                    self.handle_one_request()
            except Malformed as error:
                self._refuse(str(error))

    def do_GET(self) -> None:
        self._respond(*self._answer())

    def do_POST(self) -> None:
        self._respond(*self._answer())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library itself refuses: a method, or something in the request."""
        if code < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._refuse(explain or message or "malformed")
        else:
            self._respond(HTTPStatus(code), {"error": "not_supported"})

    def _refuse(self, detail: str) -> None:
        self.server.has_read(self.connection)
        self._respond(HTTPStatus.BAD_REQUEST, {"error": "bad_request", "detail": detail})
        controlrequests.linger(self.connection)

    def _answer(self) -> tuple[HTTPStatus, Mapping[str, Any]]:
        given = (self.headers.get("Authorization") or "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.expected):
            return HTTPStatus.UNAUTHORIZED, {"error": "unauthorized"}
        route = self.routes.get((self.command, self.path))
        if route is None:
            known = [f"{method} {path}" for method, path in self.routes]
            return HTTPStatus.NOT_FOUND, {"error": "not_found", "known": known}
        body = self._body()  # of a GET as well: a body that is there is read, or refused
        self.server.has_read(self.connection)
        try:
            return HTTPStatus.OK, self.carry_out(route, _decoded(body) if self.command == "POST" else {})
        except Exception as error:
            return _trouble(error, route)

    def _body(self) -> bytes:
        """Raises Malformed."""
        length = body_length(self.headers.get("Content-Length"), self.headers.get("Transfer-Encoding"))
        return read_body(self._incoming, length)

    def _respond(self, status: HTTPStatus, body: Mapping[str, Any]) -> None:
        content = json.dumps(body).encode() + b"\n"
        self.connection.settimeout(_WRITE_WITHIN_S)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""


def _decoded(body: bytes) -> Mapping[str, Any]:
    """Raises BadBody."""
    try:
        decoded = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        raise BadBody("expected a JSON object, this is not JSON") from None
    if not isinstance(decoded, dict):
        raise BadBody(f"expected a JSON object, not {type(decoded).__name__}")
    return decoded


def _trouble(error: Exception, route: Route) -> tuple[HTTPStatus, Mapping[str, Any]]:
    match error:
        case BadBody():
            return HTTPStatus.BAD_REQUEST, {"error": "bad_request", "detail": str(error)}
        case NotPossible():
            return HTTPStatus.CONFLICT, {"error": "not_possible", "detail": str(error)}
        case TimeoutError():
            detail = f"no answer within {route.within_s:g} s; what was begun may still go on"
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "timeout", "detail": detail}
        case StorageError():
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": type(error).__name__, "detail": str(error)}
    return HTTPStatus.SERVICE_UNAVAILABLE, {"error": type(error).__name__}
