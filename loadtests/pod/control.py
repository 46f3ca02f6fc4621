"""The control endpoint: HTTP on loopback with a token of its own, for whoever operates the pod.

The standard library's server on a thread of its own: it needs no dependency, takes POST as well as GET, and still
answers when the pod's event loop does not, which is just what an operator wants to be told.
"""

import asyncio
import hmac
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import orjson

from loadtests.pod.storage.contract import StorageError

HOST: Final = "127.0.0.1"
ANSWER_WITHIN_S: Final = 5.0
MAX_BODY_BYTES: Final = 4096


class BadBody(ValueError):
    """The body is not what the route expects: the message says what that is."""


class NotPossible(Exception):
    """This pod cannot do it, or not now: the message says why."""


@dataclass(frozen=True)
class Route:
    """What to do on the pod's event loop with the body's object, which is empty for a GET. What takes longer than
    `within_s` goes on, but its caller is told no more."""

    carry_out: Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    within_s: float = ANSWER_WITHIN_S


Routes = Mapping[tuple[str, str], Route]
"""By method and path."""


class ControlServer:
    """Serves until `stop`. Raises OSError when the port is taken."""

    def __init__(self, port: int, token: str, routes: Routes) -> None:
        loop = asyncio.get_running_loop()

        class Handler(_Handler):
            expected = f"Bearer {token}".encode()

            def carry_out(self, route: Route, body: Mapping[str, Any]) -> Mapping[str, Any]:
                async def on_loop() -> Mapping[str, Any]:
                    return await route.carry_out(body)

                return asyncio.run_coroutine_threadsafe(on_loop(), loop).result(route.within_s)

        Handler.routes = routes
        self._server = ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    expected: bytes
    routes: Routes
    timeout = 10  # a caller that says nothing keeps no thread
    server_version = "pod"
    sys_version = ""

    def carry_out(self, route: Route, body: Mapping[str, Any]) -> Mapping[str, Any]:
        raise NotImplementedError

    def do_GET(self) -> None:
        self._respond(*self._answer())

    def do_POST(self) -> None:
        self._respond(*self._answer())

    def _answer(self) -> tuple[HTTPStatus, Mapping[str, Any]]:
        given = (self.headers.get("Authorization") or "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.expected):
            return HTTPStatus.UNAUTHORIZED, {"error": "unauthorized"}
        route = self.routes.get((self.command, self.path))
        if route is None:
            known = [f"{method} {path}" for method, path in self.routes]
            return HTTPStatus.NOT_FOUND, {"error": "not_found", "known": known}
        try:
            return HTTPStatus.OK, self.carry_out(route, self._body() if self.command == "POST" else {})
        except Exception as error:
            return _trouble(error, route)

    def _body(self) -> Mapping[str, Any]:
        """Raises BadBody."""
        length = self.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit() and int(length) <= MAX_BODY_BYTES):
            raise BadBody(f"expected a body of at most {MAX_BODY_BYTES} bytes, and its Content-Length")
        try:
            body = orjson.loads(self.rfile.read(int(length)) or b"{}")
        except TimeoutError:
            raise BadBody(f"expected {length} bytes of body, as Content-Length says: they did not come") from None
        except orjson.JSONDecodeError:
            raise BadBody("expected a JSON object, this is not JSON") from None
        if not isinstance(body, dict):
            raise BadBody(f"expected a JSON object, not {type(body).__name__}")
        return body

    def _respond(self, status: HTTPStatus, body: Mapping[str, Any]) -> None:
        content = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """The pod's log has better things to tell."""


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
