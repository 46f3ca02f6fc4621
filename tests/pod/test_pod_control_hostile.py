"""Requests to the control endpoint that no client of ours sends: refused, with nothing done and bounded effort."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from loadtests.pod import controlrequests
from loadtests.pod.control import HOST, ControlServer, Route

TOKEN = "let-me-in"
LINE = b"POST /do HTTP/1.1\r\n"
AUTHORISED = b"Host: pod\r\nAuthorization: Bearer let-me-in\r\n"
GOOD = LINE + AUTHORISED + b"Content-Length: 2\r\n\r\n{}"


class Endpoint:
    """A control server with one route, which counts."""

    def __init__(self) -> None:
        self.done: list[Mapping[str, Any]] = []
        routes = {("POST", "/do"): Route(self._do), ("GET", "/nothing"): Route(self._do)}
        self.server = ControlServer(0, TOKEN, routes)
        self.address = (HOST, int(self.server.url.rpartition(":")[2]))

    async def _do(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        self.done.append(body)
        return {"did": True}

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=20)

    async def send(self, *pieces: bytes, end: bool = False) -> bytes:
        """All that comes back until the server closes; empty for a reset."""

        def exchange() -> bytes:
            with self.connect() as connection:
                with suppress(ConnectionError):
                    for piece in pieces:
                        connection.sendall(piece)
                    if end:
                        connection.shutdown(socket.SHUT_WR)
                answer = b""
                with suppress(ConnectionError):
                    while read := connection.recv(65536):
                        answer += read
                return answer

        return await asyncio.to_thread(exchange)


@asynccontextmanager
async def serving() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    yield made
    assert (await made.send(GOOD)).startswith(b"HTTP/1.0 200"), "it still serves"
    await asyncio.to_thread(made.server.stop)


def head(*headers: bytes, line: bytes = LINE) -> bytes:
    return line + AUTHORISED + b"".join(header + b"\r\n" for header in headers) + b"\r\n"


MALFORMED = {
    "chunked": head(b"Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "empty chunked": head(b"transfer-encoding: chunked") + b"0\r\n\r\n",
    "malformed chunks": head(b"Transfer-Encoding: chunked") + b"zz\r\n",
    "chunked beside a length": head(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"{}",
    "identity": head(b"Transfer-Encoding: identity", b"Content-Length: 2") + b"{}",
    "empty transfer encoding": head(b"Transfer-Encoding:", b"Content-Length: 2") + b"{}",
    "negative length": head(b"Content-Length: -1") + b"{}",
    "signed length": head(b"Content-Length: +2") + b"{}",
    "hexadecimal length": head(b"Content-Length: 0x2") + b"{}",
    "length with an underscore": head(b"Content-Length: 0_2") + b"{}",
    "length of other digits": head("Content-Length: ٢".encode()) + b"{}",
    "empty length": head(b"Content-Length:") + b"{}",
    "length that is a list": head(b"Content-Length: 2, 2") + b"{}",
    "two lengths": head(b"Content-Length: 2", b"content-length: 2") + b"{}",
    "two different lengths": head(b"Content-Length: 0", b"Content-Length: 2") + b"{}",
    "length past the limit": head(b"Content-Length: 4097") + b" " * 4097,
    "length of many digits": head(b"Content-Length: " + b"9" * 5000) + b"{}",
    "length of 10^18": head(b"Content-Length: 1000000000000000000") + b"{}",
    "two tokens": head(b"Authorization: Bearer let-me-in", b"Content-Length: 2") + b"{}",
    "space before the colon": head(b"Content-Length : 2") + b"{}",
    "folded header": head(b"X: 1", b" Content-Length: 2") + b"{}",
    "bare return": head(b"X: 1\rContent-Length: 2") + b"{}",
    "NUL in a header": head(b"X: \0", b"Content-Length: 2") + b"{}",
    "header without a colon": head(b"Content-Length 2") + b"{}",
    "header without a name": head(b": 2") + b"{}",
    "many headers": head(*[b"X: 1"] * 5000) + b"{}",
    "long header": head(b"X: " + b"x" * 100_000) + b"{}",
    "long request line": b"POST /do?" + b"x" * 100_000 + b" HTTP/1.1\r\n" + AUTHORISED + b"\r\n",
    "HTTP/0.9": b"POST /do\r\n" + AUTHORISED + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"POST /do HTTP/9.9\r\n" + AUTHORISED + b"\r\n",
    "an absolute address": b"POST http://pod/do HTTP/1.1\r\n" + AUTHORISED + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\n" * 10,
    "binary": bytes(range(256)) * 10,
    "no request line": b"\r\n\r\n" + GOOD,
    "no JSON": head(b"Content-Length: 1") + b"{",
    "no object": head(b"Content-Length: 2") + b"[]",
    "deep JSON": head(b"Content-Length: 4000") + b"[" * 4000,
    "GET with chunks": head(b"Transfer-Encoding: chunked", line=b"GET /nothing HTTP/1.1\r\n") + b"0\r\n\r\n",
    "GET with an absurd length": head(b"Content-Length: 99999999", line=b"GET /nothing HTTP/1.1\r\n"),
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_request_is_refused_and_nothing_done(request_: bytes) -> None:
    async with serving() as endpoint:
        answer = await endpoint.send(request_)
        assert answer.startswith(b"HTTP/1.0 400 "), answer[:200]
        assert b'"error": "bad_request"' in answer
        assert b"let-me-in" not in answer
        assert endpoint.done == []


async def test_body_that_is_cut_does_nothing() -> None:
    """An empty body would have been taken for an empty object."""
    async with serving() as endpoint:
        for body in (b"", b"{", b"{}"):
            answer = await endpoint.send(head(b"Content-Length: 3") + body, end=True)
            assert answer.startswith(b"HTTP/1.0 400 ")
            assert b"expected 3 bytes of body" in answer
        assert endpoint.done == []


async def test_request_that_is_cut_is_closed() -> None:
    async with serving() as endpoint:
        for cut in (b"", LINE, LINE + AUTHORISED, GOOD[:-4]):
            assert await endpoint.send(cut, end=True) in (b"",)
        assert endpoint.done == []


async def test_second_request_on_a_connection_is_not_served() -> None:
    async with serving() as endpoint:
        answer = await endpoint.send(head(b"Connection: keep-alive", b"Content-Length: 2") + b"{}" + GOOD)
        assert answer.count(b"HTTP/1.0 200") == 1
        assert endpoint.done == [{}]


@pytest.mark.parametrize("part", ["line", "headers", "body"])
async def test_slow_client_is_ended(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """One byte at a time, each well within the time that a single one may take."""
    async with serving() as endpoint:
        monkeypatch.setattr(controlrequests, "READ_WITHIN_S", 0.3)
        begun = {"line": b"", "headers": LINE + AUTHORISED + b"X: ", "body": head(b"Content-Length: 4000")}[part]
        fed = threading.Event()

        def drip() -> bytes:
            with endpoint.connect() as connection:
                connection.sendall(begun)
                answer = b""
                with suppress(ConnectionError):
                    for _ in range(4000):
                        connection.sendall(b"P")
                        connection.settimeout(0.02)
                        with suppress(TimeoutError):
                            if not (read := connection.recv(65536)):
                                break
                            answer += read
                    else:
                        fed.set()
                return answer

        answer = await asyncio.to_thread(drip)
        assert not fed.is_set(), "it could go on for ever"
        assert answer == b"" or (part == "body" and answer.startswith(b"HTTP/1.0 400 "))
        assert endpoint.done == []


async def test_endless_headers_cost_no_memory() -> None:
    async with serving() as endpoint:
        sent = 0

        def feed() -> None:
            nonlocal sent
            with endpoint.connect() as connection:
                connection.sendall(LINE + AUTHORISED)
                with suppress(ConnectionError):
                    while sent < 1 << 30:
                        sent += connection.send(b"X-Header: " + b"x" * 60_000 + b"\r\n")

        await asyncio.to_thread(feed)
        assert sent < 1 << 26, "the connection was closed after what fits into its buffers"
        assert endpoint.done == []


async def test_idle_connections_keep_no_client_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any user of this host: the oldest are ended, so that threads are bounded."""
    monkeypatch.setattr(controlrequests, "READ_WITHIN_S", 600.0)
    most = controlrequests.MAX_READING
    async with serving() as endpoint:
        idle = [endpoint.connect() for _ in range(3 * most)]
        try:
            assert (await endpoint.send(GOOD)).startswith(b"HTTP/1.0 200")
            ended = await asyncio.to_thread(lambda: [connection.recv(1) for connection in idle[: 2 * most]])
            assert ended == [b""] * 2 * most
            assert _has_nothing(idle[-1])
        finally:
            for connection in idle:
                connection.close()


def _has_nothing(connection: socket.socket) -> bool:
    connection.setblocking(False)
    with suppress(BlockingIOError):
        connection.recv(1)
        return False
    return True


async def test_reply_without_the_token_hides_the_routes() -> None:
    async with serving() as endpoint:
        for authorization in (b"", b"Authorization: Bearer wrong\r\n", b"Authorization: Bearer let-me-in \xff\r\n"):
            for path in (b"/do", b"/none"):
                answer = await endpoint.send(b"POST " + path + b" HTTP/1.1\r\n" + authorization + b"\r\n")
                assert answer.startswith(b"HTTP/1.0 401 ")
                assert b"/do" not in answer
        assert endpoint.done == []


async def test_other_methods_are_not_supported() -> None:
    async with serving() as endpoint:
        for method in (b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE"):
            answer = await endpoint.send(head(b"Content-Length: 2", line=method + b" /do HTTP/1.1\r\n") + b"{}")
            assert answer.startswith(b"HTTP/1.0 501 ")
        assert endpoint.done == []
