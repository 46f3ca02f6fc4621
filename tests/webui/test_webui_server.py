"""Clients of the web UI's server that are slow, silent or endless."""

from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from flask import Flask, Response, request
from gevent import socket

from loadtests.webui import guard, protection
from loadtests.webui.guard import LONGEST_BODY, Guard
from loadtests.webui.origins import hosts_of

POST = b"POST /swarm HTTP/1.1\r\nHost: 127.0.0.1\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    app: Any = Flask(__name__)
    app.add_url_rule("/swarm", methods=["POST"], view_func=lambda: Response(f"got {dict(request.form)}"), endpoint="x")
    app.wsgi_app = Guard(app.wsgi_app, hosts_of("127.0.0.1", [], []))
    started = protection.server_of(SimpleNamespace(host="127.0.0.1", port=0, app=app, tls_cert=None, tls_key=None))
    started.start()
    yield ("127.0.0.1", started.server_port)
    started.stop()


@pytest.fixture
def impatient(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """The same with bounds that are over soon."""
    for module, name in ((protection, "IDLE_S"), (protection, "HEAD_S"), (guard, "BODY_S")):
        monkeypatch.setattr(module, name, 0.1)
    return address


def answer(address: tuple[str, int], *sent: bytes) -> bytes:
    """What the server sends until it closes the connection, as it must."""
    with gevent.Timeout(20), socket.create_connection(address) as client:
        for piece in sent:
            client.sendall(piece)
        received = b""
        with suppress(ConnectionResetError):  # what it has not read is thrown away
            while piece := client.recv(65536):
                received += piece
        return received


@pytest.mark.parametrize("sent", [b"", b"POST /sw"])
def test_connection_without_a_request_is_closed(impatient: tuple[str, int], sent: bytes) -> None:
    assert answer(impatient, sent) == b""


def test_headers_that_do_not_end_are_refused(impatient: tuple[str, int]) -> None:
    assert answer(impatient, POST + b"X: y\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "length", [b"Content-Length: 100\r\n\r\nscenario=", b"Transfer-Encoding: chunked\r\n\r\n9\r\nscen"]
)
def test_body_that_does_not_arrive_is_refused(impatient: tuple[str, int], length: bytes) -> None:
    assert answer(impatient, POST + FORM + length).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "length", [b"Content-Length: 1000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3b9aca00\r\n"]
)
def test_endless_body_is_refused_and_not_read(address: tuple[str, int], length: bytes) -> None:
    assert answer(address, POST + FORM + length, b"x" * (LONGEST_BODY + 1)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("length", [b"-1", b"x", b"1e9", b"99999999999999999999999999"])
def test_absurd_length_is_refused(impatient: tuple[str, int], length: bytes) -> None:
    received = answer(impatient, POST + FORM + b"Connection: close\r\nContent-Length: " + length + b"\r\n\r\n")
    assert received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))
    assert b"Traceback" not in received


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-5\r\nhello\r\n", b"5\r\nhelloXX", b"5;" + b"x" * 20000 + b"\r\n"])
def test_malformed_chunks_are_refused(address: tuple[str, int], chunk: bytes) -> None:
    received = answer(address, POST + FORM + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
    assert received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))
    assert b"Traceback" not in received


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 14\r\n\r\nscenario=smoke",
        b"Transfer-Encoding: chunked\r\n\r\ne\r\nscenario=smoke\r\n0\r\n\r\n",
    ],
)
def test_whole_form_reaches_its_view(address: tuple[str, int], body: bytes) -> None:
    received = answer(address, POST + FORM + b"Connection: close\r\n" + body)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"got {'scenario': 'smoke'}" in received


def test_request_without_a_host_is_refused(address: tuple[str, int]) -> None:
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET http://127.0.0.1/ HTTP/1.0\r\n\r\n"):
        assert b"403 FORBIDDEN" in answer(address, head)
    twice = b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\nHost: rebound.example\r\n\r\n"
    assert b"403 FORBIDDEN" in answer(address, twice)
