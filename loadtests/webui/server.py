# mypy: disable-error-code="no-untyped-call"
"""The HTTP server of the web UI, with bounds on slow and silent clients.

It is in the process of the load's master, whose descriptors and memory other connections need.
"""

import logging
from typing import Any, Final

import gevent
from gevent import pywsgi
from gevent.pool import Pool

MOST_CONNECTIONS: Final = 200
"""At a time; further ones wait in the listening socket's backlog."""

IDLE_S: Final = 60.0
"""How long a connection may be open without a request."""

HEAD_S: Final = 10.0
"""How long the headers of a request may take."""

_log = logging.getLogger(__name__)


class Handler(pywsgi.WSGIHandler):  # type: ignore[misc]
    """Ends connections that are silent or slow."""

    wsgi_input: Any

    def read_requestline(self) -> Any:
        with gevent.Timeout(IDLE_S, TimeoutError("no request")):
            return super().read_requestline()

    def read_request(self, raw_requestline: str) -> Any:
        with gevent.Timeout(HEAD_S, ValueError("incomplete headers")):
            return super().read_request(raw_requestline)

    def run_application(self) -> None:
        """Closes the connection where the answer did not need the whole body.

        gevent would read the rest, however long.
        """
        super().run_application()
        body = self.wsgi_input
        if body.chunked_input or body.position < (body.content_length or 0):
            self.close_connection = True
            self.wsgi_input = pywsgi.Input(self.rfile, 0)


def server_of(web_ui: Any) -> pywsgi.WSGIServer:
    """The server of Locust's web UI; not started yet."""
    tls: dict[str, Any] = {}
    if web_ui.tls_cert and web_ui.tls_key:
        # The first reading does the handshake, within its time.
        tls = {"keyfile": web_ui.tls_key, "certfile": web_ui.tls_cert, "do_handshake_on_connect": False}
    return pywsgi.WSGIServer(
        (web_ui.host, web_ui.port),
        web_ui.app,
        spawn=Pool(MOST_CONNECTIONS),
        handler_class=Handler,
        log=None,
        error_log=_log,
        **tls,
    )


def replace_server(web_ui: Any) -> None:
    """Must be called before Locust starts its own."""

    def start() -> None:
        web_ui.server = server_of(web_ui)
        web_ui.server.serve_forever()

    web_ui.start_server = start
