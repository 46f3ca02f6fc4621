"""Calls of a scenario's own: what is sent, what is taken for good, and what of it is never told."""

import asyncio
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from loadtests.timeline.control import call, control
from loadtests.timeline.surroundings import ActionFailed, Pod


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
def test_anything_below_400_is_good_and_redirects_are_not_followed(theirs, status):
    assert made("POST", f"{theirs}/{status}", {}, "", 5) == {"status": status}
    assert len(Theirs.seen) == 1


@pytest.mark.parametrize(("status", "told"), [(500, "answered 500: because"), (403, "answered 403: it does not take")])
def test_a_refusal_is_told_in_its_own_words(theirs, status, told):
    with pytest.raises(ActionFailed, match=told):
        made("POST", f"{theirs}/{status}", {}, "", 5)


def test_the_environment_stands_for_secrets(theirs, monkeypatch):
    monkeypatch.setenv("CONTROL", "hush")
    made("POST", f"{theirs}/200", {"Authorization": "Bearer ${env:CONTROL}"}, "token=${env:CONTROL}", 5)
    assert Theirs.seen == [("/200", "token=hush", "Bearer hush")]


@pytest.mark.parametrize("secret", ["hush\n", "hush\x01\r"])
def test_a_secret_that_cannot_be_sent_is_not_told(theirs, monkeypatch, secret):
    monkeypatch.setenv("CONTROL", secret)
    for url, headers in (
        (f"{theirs}/200", {"Authorization": "Bearer ${env:CONTROL}"}),
        (theirs + "/${env:CONTROL}", {}),
    ):
        with pytest.raises(ActionFailed) as raised:
            made("POST", url, headers, "", 5)
        assert "hush" not in str(raised.value)
        assert "POST 127.0.0.1" in str(raised.value)


def test_a_host_that_is_not_there_is_told_without_what_was_sent(monkeypatch):
    monkeypatch.setenv("CONTROL", "hush")
    with pytest.raises(ActionFailed, match=r"POST 127\.0\.0\.1: .*refused") as raised:
        made("POST", "http://127.0.0.1:1/${env:CONTROL}", {}, "", 5)
    assert "hush" not in str(raised.value)


def test_an_answer_without_an_end_does_not_hold_anybody_up(theirs):
    begun = time.monotonic()
    assert made("POST", f"{theirs}/slow", {}, "", 5) == {"status": 200}
    assert time.monotonic() - begun < 3


def test_a_control_token_that_does_not_fit_is_told(theirs):
    pod = Pod("17", f"{theirs}/401", "wrong")
    with pytest.raises(ActionFailed, match="pod 17, POST : answered 401: it does not take this token"):
        asyncio.run(control(pod, "", {}))
