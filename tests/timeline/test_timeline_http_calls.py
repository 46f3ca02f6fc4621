"""Calls of a scenario's own: what is sent, which answers are good, and what is never shown."""

import asyncio
import base64
import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import quote

import pytest

from loadtests.timeline.context import ActionFailed, PodHandle
from loadtests.timeline.control import call, control


class Theirs(BaseHTTPRequestHandler):
    """Answers with the status that the path asks for; `/slow` never comes to the end of its answer."""

    seen: ClassVar[list[tuple[str, str, str]]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.seen.append((self.path, body, self.headers.get("Authorization", "")))
        if self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b".")
                time.sleep(0.1)
            return
        self.send_response(int(self.path.strip("/") or 200))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b'{"detail": "because"}')

    def log_message(self, *_):
        pass


@pytest.fixture
def theirs():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Theirs)
    server.daemon_threads = True
    Theirs.seen = []
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def made(*arguments):
    return asyncio.run(call(*arguments))


@pytest.mark.parametrize("status", [200, 204, 302])
def test_status_below_400_is_good_without_redirects(theirs, status):
    assert made("POST", f"{theirs}/{status}", {}, "", 5) == {"status": status}
    assert len(Theirs.seen) == 1


@pytest.mark.parametrize(
    ("status", "expected"), [(500, "answered 500: because"), (403, "answered 403: it does not take")]
)
def test_refusal_is_reported_in_the_servers_words(theirs, status, expected):
    with pytest.raises(ActionFailed, match=expected):
        made("POST", f"{theirs}/{status}", {}, "", 5)


def test_the_environment_stands_for_secrets(theirs, monkeypatch):
    monkeypatch.setenv("CONTROL", "hush")
    made("POST", f"{theirs}/200", {"Authorization": "Bearer ${env:CONTROL}"}, "token=${env:CONTROL}", 5)
    assert Theirs.seen == [("/200", "token=hush", "Bearer hush")]


@pytest.mark.parametrize("secret", ["hush\n", "hush\x01\r"])
def test_secret_that_cannot_be_sent_is_not_shown(theirs, monkeypatch, secret):
    monkeypatch.setenv("CONTROL", secret)
    for url, headers in (
        (f"{theirs}/200", {"Authorization": "Bearer ${env:CONTROL}"}),
        (theirs + "/${env:CONTROL}", {}),
    ):
        with pytest.raises(ActionFailed) as raised:
            made("POST", url, headers, "", 5)
        assert "hush" not in str(raised.value)
        assert "POST 127.0.0.1" in str(raised.value)


def test_unknown_host_is_reported_without_the_message(monkeypatch):
    monkeypatch.setenv("CONTROL", "hush")
    with pytest.raises(ActionFailed, match=r"POST 127\.0\.0\.1: .*refused") as raised:
        made("POST", "http://127.0.0.1:1/${env:CONTROL}", {}, "", 5)
    assert "hush" not in str(raised.value)


def test_endless_answer_is_cut_off(theirs):
    begun = time.monotonic()
    assert made("POST", f"{theirs}/slow", {}, "", 5) == {"status": 200}
    assert time.monotonic() - begun < 3


def test_wrong_control_token_is_reported(theirs):
    pod = PodHandle("17", f"{theirs}/401", "wrong")
    with pytest.raises(ActionFailed, match="pod 17, POST : answered 401: it does not take this token"):
        asyncio.run(control(pod, "", {}))


HUSH = "p@ss w0rd/+<secret>&key"


class Quoting(BaseHTTPRequestHandler):
    """Refuses with an answer that quotes what it was sent, in the form that the path names, and hostile text."""

    def do_POST(self):
        sent = self.headers.get("X-Token", "") + self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        forms = {
            "/plain": sent,
            "/json": json.dumps({"detail": f"no such token: {sent}"}),
            "/url": quote(sent, safe=""),
            "/base64": base64.b64encode(f"x{sent}".encode()).decode(),
            "/half": sent[: len(sent) // 2],
            "/escapes": f"\x1b[2J\r\n\x00{sent}\u202e" * 20,
        }
        self.send_response(500)
        self.end_headers()
        self.wfile.write(forms[self.path].encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def quoting():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quoting)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/plain", "/json", "/url", "/base64", "/half", "/escapes"])
@pytest.mark.parametrize("place", ["header", "body"])
def test_an_answer_that_quotes_a_secret_is_redacted(quoting, monkeypatch, path, place):
    monkeypatch.setenv("CONTROL", HUSH)
    headers, body = ({"X-Token": "${env:CONTROL}"}, "") if place == "header" else ({}, "${env:CONTROL}")
    with pytest.raises(ActionFailed, match="answered 500: ") as raised:
        made("POST", f"{quoting}{path}", headers, body, 5)
    text = str(raised.value)
    assert "***" in text
    for form in (HUSH, quote(HUSH, safe=""), base64.b64encode(HUSH.encode()).decode()):
        assert not any(form[i : i + 8] in text for i in range(len(form) - 7))
    assert text.isprintable()
    assert len(text) < 300


@contextmanager
def answering(*chunks: bytes, endless: bytes = b"", pause_s: float = 0.0):
    """The port of a server that answers with these bytes, the last without end; `ended` is set when its client left."""
    ended = threading.Event()

    def serve():
        connected, _ = server.accept()
        with connected, suppress(OSError):
            connected.settimeout(20)
            connected.recv(65536)
            for chunk in chunks:
                connected.sendall(chunk)
            while endless:
                connected.sendall(endless)
                time.sleep(pause_s)
            connected.recv(65536)
        ended.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], ended


@pytest.mark.parametrize(
    ("chunks", "endless", "pause_s"),
    [
        ([], b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0),
        ([b"HTTP/1.1 200 "], b"y", 0.02),
        ([b"HTTP/1.1 200 OK\r\nX: "], b"y", 0.02),
        ([b"HTTP/1.1 500 No\r\n\r\n"], b"y", 0.02),
        ([], b"", 0.0),
    ],
    ids=["interim responses", "status line", "header line", "body of an error", "no answer"],
)
def test_an_answer_without_end_ends_the_call_and_its_thread(chunks, endless, pause_s):
    with answering(*chunks, endless=endless, pause_s=pause_s) as (port, ended):
        with pytest.raises((TimeoutError, ActionFailed)):
            made("POST", f"http://127.0.0.1:{port}/", {}, "", 0.3)
        assert ended.wait(10)
    for thread in [t for t in threading.enumerate() if t.name == "call"]:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "answer",
    [b"y" * 100_000, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, b"\x1b[2J\r\n\r\n", b"HTTP/1.1 99999 No\r\n\r\n"],
    ids=["a long line", "many fields", "escapes", "a status out of range"],
)
def test_an_answer_that_is_no_http_names_its_kind_only(answer):
    with answering(answer) as (port, _), pytest.raises(ActionFailed, match=r"POST 127\.0\.0\.1: \w+$") as raised:
        made("POST", f"http://127.0.0.1:{port}/", {}, "", 0.5)
    assert "\x1b" not in str(raised.value)


def test_a_variable_does_not_choose_the_host(theirs, monkeypatch):
    port = theirs.rpartition(":")[2]
    monkeypatch.setenv("CONTROL", f"1@127.0.0.2:{port}")
    with pytest.raises(ActionFailed, match="names another host"):
        made("POST", "http://127.0.0.1:${env:CONTROL}/200", {}, "", 5)
    assert Theirs.seen == []
