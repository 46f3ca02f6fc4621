# mypy: disable-error-code="no-untyped-call"
"""Protects Locust's web UI: guard, a token for every POST, log-in, bounds on slow and silent clients.

The token is bound to the browser's session and is in Locust's page, where our script adds it to what Locust's script
sends. It would not be needed where browsers send Origin and Sec-Fetch-Site; some that send neither are in use.
"""

import hmac
import logging
import math
import os
import secrets
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

import gevent
import psutil
from flask import Blueprint, Response, jsonify, redirect, request, session, url_for
from gevent import pywsgi
from gevent.pool import Pool
from locust import argument_parser
from werkzeug.exceptions import HTTPException

from loadtests.webui.exposure import note_of_exposure
from loadtests.webui.guard import Guard
from loadtests.webui.login import Logins
from loadtests.webui.origins import hosts_of
from loadtests.webui.page import TEMPLATES
from loadtests.webui.passwords import VARIABLE, read_password

TOKEN_HEADER: Final = "X-CSRF-Token"  # noqa: S105  a header's name
TOKEN_FIELD: Final = "csrf_token"  # noqa: S105  a field's name

MOST_CONNECTIONS: Final = 200
"""At a time; further ones wait in the listening socket's backlog."""

IDLE_S: Final = 60.0
"""How long a connection may be open without a request."""

HEAD_S: Final = 10.0
"""How long the headers of a request may take."""

_LOGIN_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_WITHOUT_LOGIN = frozenset(("locust.login", "protection.log_in"))
"""The only endpoints for users who are not logged in. Static files and unknown paths are none of them."""

_log = logging.getLogger(__name__)


def protect(web_ui: Any, options: Any) -> None:
    """Installs everything, before the web UI is started. Raises PasswordError."""
    app, fields = web_ui.app, web_ui.template_args.get("extra_options", {})
    # Locust parses command line and settings files for every page. What it began with counts.
    argument_parser.ui_extra_args_dict = lambda *_: fields
    app.debug = False  # Locust sets it: exceptions would reach the server, and messages have more detail
    app.secret_key = secrets.token_bytes(32)
    app.config.update(
        SESSION_COOKIE_NAME=f"loadtests-{options.web_port}",  # browsers keep one set of cookies for all ports of a host
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=bool(options.tls_cert and options.tls_key),
    )
    app.error_handler_spec["locust"].clear()  # answers with the text of any exception
    app.register_error_handler(Exception, _describe)
    app.before_request(_check_token)
    logins = Logins(read_password(options.web_password_file)) if options.web_login else None
    os.environ.pop(VARIABLE, None)  # no process that is started from here needs it
    if logins is not None:
        _replace_login_of_locust(web_ui)
        app.before_request(lambda: _require_login(logins))
    _add_routes(web_ui, logins)
    hosts = hosts_of(web_ui.host, options.allowed_host, _own_addresses())
    app.wsgi_app = Guard(app.wsgi_app, hosts)
    replace_server(web_ui)
    if note := note_of_exposure(options):
        print(note, file=sys.stderr, flush=True)


def token() -> str:
    """The token of this browser's session, which its POST requests must have."""
    if "token" not in session:
        session["token"] = secrets.token_urlsafe(32)
    return str(session["token"])


def _check_token() -> Response | None:
    if request.method in ("GET", "HEAD"):
        return None
    given = request.headers.get(TOKEN_HEADER) or request.form.get(TOKEN_FIELD, "")
    known = str(session.get("token", ""))
    if known and hmac.compare_digest(given.encode(errors="replace"), known.encode()):
        return None
    return _refusal(
        403,
        f"the request has no valid token: load the page again; scripts get one from /run/token and send it, with the "
        f"cookie, as {TOKEN_HEADER}",
    )


def _refusal(status: int, message: str) -> Response:
    """As Locust's script reads answers."""
    response = jsonify({"success": False, "message": message})
    response.status_code = status
    return response


def _describe(error: Exception) -> Response:
    """What is wrong with a request.

    Nothing of any other exception: its text may contain secrets.
    """
    if isinstance(error, HTTPException):
        return Response(f"{error.code} {error.name}\n", error.code, mimetype="text/plain")
    _log.error("the web UI failed at %s", request.endpoint, exc_info=error)
    return Response("500 the web UI failed: see its log\n", 500, mimetype="text/plain")


# The log-in.


def _replace_login_of_locust(web_ui: Any) -> None:
    """Switches off Locust's own check, which each view has or lacks.

    It also answers exceptions of a view with their text. `_require_login` comes before every view instead.
    """
    web_ui.login_manager.user_loader(lambda _: None)  # asked for whenever a template is rendered
    web_ui.app.config["SESSION_PROTECTION"] = None
    web_ui.web_login = False


def _require_login(logins: Logins) -> Any:
    if request.endpoint in _WITHOUT_LOGIN or logins.is_valid(session.get("login")):
        return None
    if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        return redirect(url_for("locust.login"))
    return _refusal(401, "log in first")


def _log_in_page(status: int, problem: str = "") -> Response:
    page = TEMPLATES.get_template("login.html").render(token=token(), problem=problem)
    return Response(page, status, {"Content-Security-Policy": _LOGIN_POLICY}, mimetype="text/html")


def _log_in(logins: Logins) -> Any:
    """Where to go afterwards is never a parameter of the request."""
    address = request.remote_addr or ""
    if wait_s := math.ceil(logins.attempts.wait_s(address)):
        page = _log_in_page(429, f"Too many attempts: try again in {wait_s} s.")
        page.headers["Retry-After"] = str(wait_s)
        return page
    identity = logins.log_in(address, request.form.get("password", ""))
    if identity is None:
        _log.warning("a log-in with a wrong password from %s", address)
        return _log_in_page(403, "The password is wrong.")
    session.clear()  # a session that was planted before the log-in is worth nothing
    session["login"] = identity
    return redirect(url_for("locust.index"), 303)


def _log_out(logins: Logins) -> Response:
    logins.log_out(session.get("login"))
    session.clear()
    return jsonify({"success": True, "message": "logged out"})


def _add_routes(web_ui: Any, logins: Logins | None) -> None:
    views = web_ui.app.view_functions
    blueprint = Blueprint("protection", __name__)
    blueprint.add_url_rule("/run/token", view_func=lambda: jsonify({"token": token()}), endpoint="token")
    if logins is None:
        views["locust.login"] = lambda: redirect(url_for("locust.index"))
    else:
        views["locust.login"] = lambda: (
            redirect(url_for("locust.index")) if logins.is_valid(session.get("login")) else _log_in_page(200)
        )
        posts: dict[str, Callable[[], Any]] = {
            "log_in": lambda: _log_in(logins),
            "log_out": lambda: _log_out(logins),
        }
        for name, view in posts.items():
            blueprint.add_url_rule(f"/{name.replace('_', '')}", methods=["POST"], view_func=view, endpoint=name)
    base_path = getattr(web_ui.environment.parsed_options, "web_base_path", "")
    web_ui.app.register_blueprint(blueprint, url_prefix=base_path or None)


def _own_addresses() -> list[str]:
    """This host's, of every interface."""
    found = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    return [a.address.partition("%")[0] for a in found if a.family in (socket.AF_INET, socket.AF_INET6)]


class Handler(pywsgi.WSGIHandler):  # type: ignore[misc]
    """Ends connections that are silent or slow: it runs in the process of the load's master, whose descriptors and
    memory other connections need."""

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
