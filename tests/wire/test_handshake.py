"""What a server that refuses, or is none, makes of an opening: the status line decides, other protocols are named."""

import base64
import hashlib
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from certificates import certificate
from hypothesis import given
from hypothesis import strategies as st
from podconnection import connect
from scripted_pod import serving, silent

from loadtests.sanitize import sanitize
from loadtests.wire.failures import ConnectionFailed
from loadtests.wire.response import MAX_HEAD_BYTES, MAX_LINE_BYTES, ResponseHead, protocol_of

BUSY = "HTTP 503 Busy"
REFUSALS = {
    "closed": (b"HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n", BUSY),
    "no header fields": (b"HTTP/1.1 503 Busy\r\n\r\n", BUSY),
    "a body without a length": (b"HTTP/1.1 503 Busy\r\n\r\nbusy, come back later", BUSY),
    "no body": (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", BUSY),
    "HTTP/1.0": (b"HTTP/1.0 503 Busy\r\nContent-Type: text/html\r\n\r\n<html>no server</html>", BUSY),
    "HTTP/2 in a status line": (b"HTTP/2 503 Busy\r\n\r\n", BUSY),
    "no reason": (b"HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", "HTTP 503"),
    "an empty reason": (b"HTTP/1.1 503 \r\n\r\n", "HTTP 503"),
    "chunked": (b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n", BUSY),
    "a body shorter than it says": (b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbusy", BUSY),
    "a body longer than it says": (b"HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\nbusy", BUSY),
    "a body of 2 MB": (b"HTTP/1.1 503 Busy\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, BUSY),
    "a length that is none": (b"HTTP/1.1 503 Busy\r\nContent-Length: many\r\n\r\n", BUSY),
    "garbage for header fields": (b"HTTP/1.1 503 Busy\r\n\xff\xfe\x00 garbage\r\n: x\r\n\r\n", BUSY),
    "bare line feeds": (b"HTTP/1.1 503 Busy\nContent-Length: 0\n\n", BUSY),
    "an empty line before it": (b"\r\nHTTP/1.1 503 Busy\r\n\r\n", BUSY),
    "interim responses before it": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                                    b"HTTP/1.1 503 Busy\r\n\r\n", BUSY),
    "Retry-After": (b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 120\r\n\r\n",
                    "HTTP 429 Too Many Requests (Retry-After: 120)"),
    "a date to retry after": (b"HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n",
                              "HTTP 503 Busy (Retry-After: Fri, 31 Dec 1999 23:59:59 GMT)"),
    "301": (b"HTTP/1.1 301 Moved Permanently\r\nLocation: wss://b/\r\n\r\n",
            "HTTP 301 Moved Permanently (Location: wss://b/; redirects are not followed)"),
    "302": (b"HTTP/1.1 302 Found\r\nLocation: /\x1b[31mlogin\r\n\r\n",
            "HTTP 302 Found (Location: /\\x1b[31mlogin; redirects are not followed)"),
    "307 without a location": (b"HTTP/1.1 307 Moved\r\n\r\n", "HTTP 307 Moved (redirects are not followed)"),
    "308": (b"HTTP/1.1 308 Moved\r\nLocation: " + b"x" * 500 + b"\r\n\r\n",
            f"HTTP 308 Moved (Location: {'x' * 119}…; redirects are not followed)"),
    "401": (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=pod\r\n\r\n",
            "HTTP 401 Unauthorized (WWW-Authenticate: Basic realm=pod)"),
    "403": (b"HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP 403 Forbidden"),
    "426": (b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: HTTP/2.0\r\n\r\n",
            "HTTP 426 Upgrade Required (Upgrade: HTTP/2.0)"),
    "200": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP 200 OK"),
    "a reason in UTF-8": ("HTTP/1.1 503 zajęte\r\n\r\n".encode(), "HTTP 503 zajęte"),
    "a reason in Latin-1": (b"HTTP/1.1 503 occup\xe9\r\n\r\n", "HTTP 503 occupé"),
    "control characters": (b"HTTP/1.1 503 \x1b]0;title\x07\x00\r\n\r\n", "HTTP 503 \\x1b]0;title\\x07\\x00"),
    "text that turns round": ("HTTP/1.1 503 \u202eysuB\r\n\r\n".encode(), "HTTP 503 \\u202eysuB"),
    "a reason of 1 MB": (b"HTTP/1.1 503 " + b"y" * 1_000_000 + b"\r\n\r\n", f"HTTP 503 {'y' * 119}…"),
    "a header line of 1 MB": (b"HTTP/1.1 503 Busy\r\nX: " + b"y" * 1_000_000, BUSY),
    "header lines without end": (b"HTTP/1.1 503 Busy\r\n" + b"X: yyyyyyyy\r\n" * 100_000, BUSY),
    "plain HTTP on a port of TLS": (b"HTTP/1.0 400 Bad Request\r\n\r\n"
                                    b"Client sent an HTTP request to an HTTPS server.\n",
                                    "HTTP 400 Bad Request (the port expects TLS: use wss://)"),
}  # fmt: skip

FOREIGN = {
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "SMTP or FTP": b"220 mail.example.com ESMTP\r\n",
    "Redis or POP3": b"-ERR wrong number of arguments for 'get' command\r\n",
    "AMQP": b"AMQP\x00\x00\x09\x01",
    "MySQL or MariaDB": b"\x4a\x00\x00\x00\x0a8.0.36\x00",
    "HTML without an HTTP status line": b"<html>hello</html>",
}


def answering(answer: bytes, *, close: bool, step: int = 0) -> Callable[[Any], None]:
    """Reads the request, then sends the answer, at once or in steps of so many bytes."""

    def handle(connected: Any) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while b"\r\n\r\n" not in connected.recv(65536):
            pass
        try:
            for at in range(0, len(answer), step or len(answer)):
                connected.sendall(answer[at : at + (step or len(answer))])
                gevent.sleep(0)
            if not close:
                gevent.sleep(60)
        except OSError:
            pass  # the client has seen enough

    return handle


def failure(url: str, timeout_s: float = 20) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as failed:
        connect(url, timeout_s=timeout_s, on_push=lambda *_: None)
    return failed.value


def refused_with(handle: Callable[[Any], None], timeout_s: float = 20) -> ConnectionFailed:
    with serving(handle) as port:
        failed = failure(f"ws://127.0.0.1:{port}/", timeout_s)
    assert (failed.outcome, failed.error) == ("fail", "handshake_rejected")
    assert len(failed.detail) < 400
    assert failed.detail.isprintable()
    return failed


@pytest.mark.parametrize("close", [True, False], ids=["closed", "open"])
@pytest.mark.parametrize("name", REFUSALS)
def test_the_status_line_decides(name: str, close: bool) -> None:
    answer, detail = REFUSALS[name]
    failed = refused_with(answering(answer, close=close))
    assert failed.detail == detail
    assert failed.status == int(re.findall(r"HTTP (\d+)", detail)[0])


@pytest.mark.parametrize("name", ["Retry-After", "interim responses before it", "no header fields", "no reason"])
def test_single_bytes_make_no_difference(name: str) -> None:
    answer, detail = REFUSALS[name]
    assert refused_with(answering(answer, close=False, step=1)).detail == detail


def test_retry_after_is_kept() -> None:
    assert refused_with(answering(REFUSALS["Retry-After"][0], close=False)).status == 429
    assert refused_with(answering(REFUSALS["403"][0], close=False)).status == 403


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 503 Busy\r\n", b"HTTP/1.1 503 Busy", b"HTTP/1.1 503 Busy\r\nConnection: clo"]
)
@pytest.mark.parametrize("close", [True, False], ids=["closed", "open"])
def test_a_status_line_without_the_rest_decides(answer: bytes, close: bool) -> None:
    assert refused_with(answering(answer, close=close)).detail == BUSY


def test_a_status_line_decides_when_the_time_is_over() -> None:
    """The rest of the head is waited for, but the operation's own time-out ends before."""
    failed = refused_with(answering(b"HTTP/1.1 503 Busy\r\n", close=False), timeout_s=0.3)
    assert failed.detail == BUSY


def test_a_server_that_refuses_without_reading_is_understood() -> None:
    """It closes with the request unread, which resets the connection: the refusal is there all the same."""

    def handle(connected: Any) -> None:
        connected.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\n\r\n")

    assert refused_with(handle).detail == "HTTP 503 Busy (Retry-After: 3)"


@pytest.mark.parametrize("close", [True, False], ids=["closed", "open"])
@pytest.mark.parametrize("name", FOREIGN)
def test_another_protocol_is_named(name: str, close: bool) -> None:
    failed = refused_with(answering(FOREIGN[name], close=close))
    assert failed.detail.startswith(f"no HTTP status line: the server sent {name} (")
    assert failed.status is None
    assert ("use wss://" in failed.detail) == (name == "TLS")


def test_an_unknown_protocol_is_quoted() -> None:
    failed = refused_with(answering(b"\x07hello\x1b[31m", close=False))
    assert failed.detail == "no HTTP status line: the server sent '\\x07hello\\x1b[31m'"


@pytest.mark.parametrize(
    "line", [b"HTTP/banana 200 OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n", b"HTTP/1.1 2000 OK\r\n", b"HTTQ"]
)
def test_a_status_line_that_is_none(line: bytes) -> None:
    assert refused_with(answering(line, close=False)).detail.startswith("no HTTP status line: the server sent")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HT",
        b"HTTP/1.1 101 Switching Pro",
        b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_a_server_that_closes_before_it_has_refused_cut_us_off(sent: bytes) -> None:
    with serving(answering(sent, close=True) if sent else lambda connected: connected.recv(9)) as port:
        failed = failure(f"ws://127.0.0.1:{port}/")
    assert (failed.outcome, failed.error) == ("unknown", "cut_off")
    assert ("wss://" in failed.detail) == (sent == b"")


def accepting(change: Callable[[dict[str, str]], None], head: str = "HTTP/1.1 101 Switching Protocols") -> Any:
    """Agrees to the upgrade as a good server does, with changed header fields."""

    def handle(connected: Any) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connected.recv(65536)
        key = re.findall(rb"Sec-WebSocket-Key: (\S+)", request)[0]
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
            "Sec-WebSocket-Protocol": "messaging-pod.v1",
        }
        change(fields)
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        connected.sendall(f"{head}\r\n{lines}\r\n".encode())
        gevent.sleep(60)

    return handle


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        (lambda fields: fields.update({"Sec-WebSocket-Accept": "wrong"}), "Sec-WebSocket-Accept"),
        (lambda fields: fields.pop("Sec-WebSocket-Accept"), "Sec-WebSocket-Accept"),
        (lambda fields: fields.pop("Upgrade"), "Upgrade"),
        (lambda fields: fields.update(Upgrade="h2c"), "h2c"),
        (lambda fields: fields.pop("Connection"), "Connection"),
        (lambda fields: fields.update({"Sec-WebSocket-Extensions": "permessage-deflate"}), "extension"),
        (lambda fields: fields.update({"Sec-WebSocket-Protocol": "mqtt\x1b"}), "HTTP 101 Switching Protocols: "),
        (lambda fields: fields.update({"Sec-WebSocket-Protocol": "mqtt"}), "unsupported subprotocol: mqtt"),
        (lambda fields: fields.pop("Sec-WebSocket-Protocol"), "does not speak messaging-pod.v1"),
        (lambda fields: fields.update({"X Y": "1"}), "a header line without a name"),
        (lambda fields: fields.update({"X": "y" * (MAX_LINE_BYTES + 1)}), "a line of more than 8192 bytes"),
        (lambda fields: fields.update({f"X{n}": "y" * 8000 for n in range(9)}), "a head of more than 65536 bytes"),
    ],
)
def test_an_agreement_that_is_none(change: Any, sent: str) -> None:
    failed = refused_with(accepting(change))
    assert sent in failed.detail
    assert failed.status == 101


def test_http_1_0_cannot_switch_protocols() -> None:
    failed = refused_with(accepting(lambda _: None, "HTTP/1.0 101 Switching Protocols"))
    assert "expected HTTP/1.1" in failed.detail


def test_interim_responses_without_end() -> None:
    failed = refused_with(answering(b"HTTP/1.1 102 Processing\r\n\r\n" * 100, close=False))
    assert failed.detail == "HTTP 102 Processing: more than 16 interim responses"


@pytest.mark.parametrize(
    "head", ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 101 X", "HTTP/1.1 101"]
)
def test_a_good_agreement_opens(head: str) -> None:
    with serving(accepting(lambda _: None, head)) as port:
        connection = connect(f"ws://127.0.0.1:{port}/", timeout_s=20, on_push=lambda *_: None)
        connection.abort()


def test_tls_on_a_plain_port_is_named() -> None:
    def handle(connected: Any) -> None:
        connected.recv(65536)
        connected.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        gevent.sleep(60)

    with serving(handle) as port:
        failed = failure(f"wss://127.0.0.1:{port}/")
    assert (failed.outcome, failed.error) == ("fail", "handshake_rejected")
    assert "the port does not speak TLS, it sent HTTP ('HTTP/1.1 400 Bad Request" in failed.detail
    assert failed.detail.endswith("use ws://")


def test_plain_http_on_a_tls_port_is_named(tmp_path: Path) -> None:
    files, _ = certificate(tmp_path)
    with serving(silent, **files) as port:
        failed = failure(f"ws://127.0.0.1:{port}/")
    assert failed.error in {"handshake_rejected", "cut_off"}
    assert "wss://" in failed.detail


@pytest.mark.parametrize(
    ("environment", "cure"),
    [
        ({}, "name a file with the issuer's certificate: SSL_CERT_FILE=/path/to/ca.pem"),
        ({"SSL_CERT_FILE": "/no/where.pem"}, "SSL_CERT_FILE=/no/where.pem cannot be read"),
        ({"SSL_CERT_FILE": __file__}, "name a file that holds it, SSL_CERT_FILE=/path/to/ca.pem"),
    ],
)
def test_an_unknown_issuer_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], cure: str
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    files, _ = certificate(tmp_path)
    with serving(silent, **files) as port:
        failed = failure(f"wss://127.0.0.1:{port}/")
    assert (failed.outcome, failed.error) == ("fail", "handshake_rejected")
    assert "its certificate is of an unknown issuer (self-signed certificate): " in failed.detail
    assert cure in failed.detail


def test_certificate_for_another_name_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, trusting = certificate(tmp_path)
    with serving(silent, **files) as port, pytest.raises(ConnectionFailed) as failed:
        there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr("gevent.socket.getaddrinfo", lambda *_: there)
        connect(f"wss://another-name.invalid:{port}/", timeout_s=20, on_push=lambda *_: None, tls=trusting)
    assert failed.value.error == "handshake_rejected"
    assert "not valid: Hostname mismatch" in failed.value.detail
    assert "SSL_CERT_FILE" not in failed.value.detail


@given(st.lists(st.integers(1, 40), max_size=30), st.sampled_from(sorted(REFUSALS)))
def test_any_split_gives_the_same_head(cuts: list[int], name: str) -> None:
    answer = REFUSALS[name][0][:3000]
    whole, split = ResponseHead(), ResponseHead()
    whole.feed(answer)
    rest = answer
    for cut in cuts:
        split.feed(rest[:cut])
        rest = rest[cut:]
    split.feed(rest)
    for head in (whole, split):
        head.feed_end()
    assert (split.status, split.reason, split.fields) == (whole.status, whole.reason, whole.fields)
    assert (split.decided, split.complete, split.rest) == (whole.decided, whole.complete, whole.rest)


@given(st.binary(max_size=400), st.sampled_from([b"", b"HTTP/1.1 503 ", b"HTTP/1.1 101 X\r\n"]), st.integers(1, 9))
def test_no_bytes_are_too_much_for_a_head(data: bytes, before: bytes, step: int) -> None:
    head = ResponseHead()
    for at in range(0, len(before + data), step):
        head.feed((before + data)[at : at + step])
    head.feed_end()
    assert not (head.foreign and head.status)
    if before == b"HTTP/1.1 503 ":
        assert head.status == 503


def test_a_head_in_single_bytes_takes_no_quadratic_time() -> None:
    head = ResponseHead()
    head.feed(b"HTTP/1.1 503 Busy\r\n")
    began = time.process_time()
    for _ in range(MAX_HEAD_BYTES // 100):
        for byte in b"X: " + b"y" * 95 + b"\r\n":
            head.feed(bytes((byte,)))
    assert time.process_time() - began < 5


@given(st.text() | st.binary())
def test_plain_text_is_printable_and_short(text: str | bytes) -> None:
    assert sanitize(text).isprintable()
    assert len(sanitize(text)) <= 120


@pytest.mark.parametrize("name", FOREIGN)
def test_protocols_are_known_by_their_first_bytes(name: str) -> None:
    assert protocol_of(FOREIGN[name]) == name
