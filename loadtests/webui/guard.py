"""The outermost layer of the web UI: refuses requests, sets headers of answers.

It wraps the WSGI application, so that no route, static file, error page or extension of Locust is outside of it.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any, Final

import gevent
from flask import Response

from loadtests.webui.origins import METHODS, AllowedHosts, Refusal, refusal_of
from loadtests.webui.page import TEMPLATES

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of an answer that states no policy of its own."""

LONGEST_BODY: Final = 64 * 1024
"""Bytes; forms have less than a hundredth of that."""

BODY_S: Final = 10.0

_HEADERS: Final = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
}
"""No frames, no guessed types, no addresses of ours to other sites, no loading by other origins, nothing kept on disk.
An answer that sets one of them itself keeps its own."""


class Guard:
    """`application` for the requests that may reach it."""

    def __init__(self, application: Application, hosts: AllowedHosts) -> None:
        self._application, self._hosts = application, hosts

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        refusal = refusal_of(environ, self._hosts)
        if refusal is None and environ["REQUEST_METHOD"] == "POST":
            refusal = _read_body(environ)
        answer = _refuse(refusal) if refusal is not None else self._application
        return answer(environ, _with_headers(start_response))


def page_policy(nonce: str) -> str:
    """Content-Security-Policy of Locust's pages.

    Allows scripts of this server, and inline scripts that have the nonce.
    """
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def _read_body(environ: dict[str, Any]) -> Refusal | None:
    """Puts the whole body into the environment, before any view waits for it."""
    try:
        with gevent.Timeout(BODY_S, TimeoutError()):
            body = environ["wsgi.input"].read(LONGEST_BODY + 1)
    except TimeoutError:
        return Refusal(408, f"the request's body did not arrive within {BODY_S:g} s")
    except OSError:  # cut off, or no such chunks
        return Refusal(400, "the request's body is incomplete")
    if len(body) > LONGEST_BODY:
        return Refusal(413, f"the request's body is longer than {LONGEST_BODY} bytes")
    environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return None


def _refuse(refusal: Refusal) -> Response:
    if refusal.navigation:
        page = TEMPLATES.get_template("elsewhere.html").render()
        return Response(page, refusal.status, mimetype="text/html")
    headers = {"Allow": ", ".join(METHODS)} if refusal.status == 405 else {}
    return Response(f"{refusal.message}\n", refusal.status, headers, mimetype="text/plain")


def _with_headers(start_response: StartResponse) -> StartResponse:
    """Adds ours, and removes what would let other origins read the answer."""

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        kept = [(name, value) for name, value in headers if not name.lower().startswith("access-control-")]
        present = {name.lower() for name, _ in kept}
        added = [(name, value) for name, value in _HEADERS.items() if name.lower() not in present]
        return start_response(status, kept + added, *more)

    return start
