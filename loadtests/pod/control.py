"""The control endpoint: HTTP on loopback with a token of its own, for whoever operates the pod.

The standard library's server on a thread of its own: it needs no dependency, takes POST as well as GET, and still
answers when the pod's event loop does not, which is just what an operator wants to be told.
"""

import asyncio
import hmac
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

HOST: Final = "127.0.0.1"
_ANSWER_WITHIN_S: Final = 5.0

Action = Callable[[], Awaitable[Mapping[str, Any]]]
Routes = Mapping[tuple[str, str], Action]
"""Method and path → what to do, on the pod's event loop."""


class ControlServer:
    """Serves until `stop`. Raises OSError when the port is taken."""

    def __init__(self, port: int, token: str, routes: Routes) -> None:
        loop = asyncio.get_running_loop()

        class Handler(_Handler):
            expected = f"Bearer {token}".encode()

            def carry_out(self, action: Action) -> Mapping[str, Any]:
                async def on_loop() -> Mapping[str, Any]:
                    return await action()

                return asyncio.run_coroutine_threadsafe(on_loop(), loop).result(_ANSWER_WITHIN_S)

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

    def carry_out(self, action: Action) -> Mapping[str, Any]:
        raise NotImplementedError

    def do_GET(self) -> None:
        self._respond(*self._answer())

    def do_POST(self) -> None:
        self._respond(*self._answer())

    def _answer(self) -> tuple[HTTPStatus, Mapping[str, Any]]:
        given = (self.headers.get("Authorization") or "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.expected):
            return HTTPStatus.UNAUTHORIZED, {"error": "unauthorized"}
        action = self.routes.get((self.command, self.path))
        if action is None:
            known = [f"{method} {path}" for method, path in self.routes]
            return HTTPStatus.NOT_FOUND, {"error": "not_found", "known": known}
        try:
            return HTTPStatus.OK, self.carry_out(action)
        except TimeoutError:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "timeout"}
        except Exception as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": type(error).__name__}

    def _respond(self, status: HTTPStatus, body: Mapping[str, Any]) -> None:
        content = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """The pod's log has better things to tell."""
