"""What a connection makes of a bad network, a bad server and a bad address: a named outcome, no hang, no exception."""

import json
import socket
from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from podconnection import ask, connect
from scripted_pod import accept_upgrade, echo, event, frame, pod, reply, requests, serving, silent

from loadtests.records.vocabulary import ERRORS
from loadtests.wire.connection import Connection
from loadtests.wire.failures import ConnectionFailed
from loadtests.wire.frames import MAX_MESSAGE_BYTES


def opened(url: str, lost: list[tuple[str, str]] | None = None, timeout_s: float = 5) -> Connection:
    reported = lost if lost is not None else []
    return connect(url, timeout_s=timeout_s, on_push=lambda event, at: None, on_lost=lambda *why: reported.append(why))


def failure(url: str, timeout_s: float = 5) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as failed:
        opened(url, timeout_s=timeout_s)
    assert failed.value.error in ERRORS
    return failed.value


def test_unknown_name() -> None:
    failed = failure("ws://no-such-host.invalid:1/")
    assert (failed.outcome, failed.error) == ("fail", "dns")
    assert "no-such-host.invalid" in failed.detail


def test_port_without_a_listener() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        failed = failure(f"ws://127.0.0.1:{taken.getsockname()[1]}/")
    assert (failed.outcome, failed.error) == ("fail", "connect_refused")


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "127.0.0.1", "ws:///", ""])
def test_what_is_no_websocket_address(url: str) -> None:
    with pytest.raises(ValueError, match="URI"):
        opened(url)


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnope", "HTTP 401 Unauthorized"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP 200 OK"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the server sent SSH ('SSH-2.0-OpenSSH_9.2"),
        (b"\x16\x03\x01\x02\x00\x01" * 2000, "the server sent TLS"),
        (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n", "Accept"),
    ],
)
def test_a_server_that_is_none(answer: bytes, sent: str) -> None:
    def handle(connected: Any) -> None:
        connected.recv(4096)
        connected.sendall(answer)
        gevent.sleep(5)

    with serving(handle) as port:
        failed = failure(f"ws://127.0.0.1:{port}/")
    assert (failed.outcome, failed.error) == ("fail", "handshake_rejected")
    assert sent in failed.detail


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 101 Switching Pro"])
def test_a_server_that_closes_in_mid_handshake(sent: bytes) -> None:
    def handle(connected: Any) -> None:
        connected.recv(4096)
        connected.sendall(sent)

    with serving(handle) as port:
        failed = failure(f"ws://127.0.0.1:{port}/")
    assert (failed.outcome, failed.error) == ("unknown", "cut_off")


def test_a_server_that_never_answers() -> None:
    with serving(silent) as port:
        failed = failure(f"ws://127.0.0.1:{port}/", timeout_s=0.05)
    assert (failed.outcome, failed.error) == ("unknown", "timeout")


def test_tls_with_a_server_that_speaks_none() -> None:
    with serving(lambda connected: connected.sendall(b"hello, this is not TLS\r\n")) as port:
        failed = failure(f"wss://127.0.0.1:{port}/")
    assert failed.error in {"handshake_rejected", "cut_off"}


def test_half_open_requests_time_out_and_the_rest_goes_on() -> None:
    with pod(silent) as silent_url, pod(echo) as echo_url:
        half_open, whole = opened(silent_url), opened(echo_url)
        asker = gevent.spawn(ask, half_open, "heartbeat", 1, {}, 0.05)
        assert ask(whole, "heartbeat", 2, {}, 5).reply.outcome == "ok"
        answer = asker.get(timeout=5).reply
        assert (answer.outcome, answer.error) == ("unknown", "timeout")
        half_open.abort()
        whole.close()


def broken_by(data: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """How a request ends, and what the owner receives, when the server answers with these bytes."""

    def script(connected: Any) -> None:
        next(requests(connected))
        connected.sendall(data)
        for _ in requests(connected):
            pass

    lost: list[tuple[str, str]] = []
    with pod(script) as url:
        connection = opened(url, lost)
        answer = ask(connection, "heartbeat", 7, {}, 5).reply
        gevent.sleep(0.01)
        connection.abort()
    return answer.outcome, answer.error, lost


KEY = "0" * 15 + "7"


@pytest.mark.parametrize(
    "data",
    [
        frame(b"not JSON"),
        frame(b"[1, 2]"),
        frame(b"\xff\xfe"),
        frame(b""),
        frame(json.dumps({"type": "reply", "key": KEY}).encode()),
        frame(json.dumps({"type": "reply", "key": KEY, "outcome": "perhaps", "error": ""}).encode()),
        frame(json.dumps({"type": "surprise", "key": KEY}).encode()),
        frame(event(1, by=7)),
        frame(reply(KEY, outcome=["ok"])),
        frame(reply(KEY, outcome={})),
        frame(reply(KEY), 0x83),
        frame(reply(KEY), 0xC1),
        frame(b"continues nothing", 0x80),
        frame(b"x" * 200, 0x89),
        b"\x81\x85maskhello",
        b"\x81\xfe\x00\x05maskhello",
        frame(b"x" * (MAX_MESSAGE_BYTES + 1)),
        b"\x81\x7f" + (1 << 62).to_bytes(8, "big"),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(data: bytes) -> None:
    outcome, error, lost = broken_by(data)
    assert (outcome, error) == ("fail", "bad_reply")
    assert [why for why, _ in lost] == ["bad_reply"]
    assert len(lost[0][1]) < 300


@pytest.mark.parametrize(
    "data", [b"", frame(reply(KEY))[:9], frame(b"\x03\xe9going away", 0x88), frame(b"", 0x88), b"\x81"]
)
def test_being_cut_off_is_unknown(data: bytes) -> None:
    def script(connected: Any) -> None:
        next(requests(connected))
        connected.sendall(data)

    lost: list[tuple[str, str]] = []
    with pod(script) as url:
        connection = opened(url, lost)
        askers = [gevent.spawn(ask, connection, "heartbeat", key, {}, 5) for key in range(3)]
        gevent.joinall(askers, timeout=5)
        assert {(a.value.reply.outcome, a.value.reply.error) for a in askers} == {("unknown", "cut_off")}
        gevent.sleep(0.01)
        assert [why for why, _ in lost] == ["cut_off"]
        assert connection.lost is not None


def test_a_reset_connection_is_cut_off() -> None:
    def script(connected: Any) -> None:
        next(requests(connected))
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    lost: list[tuple[str, str]] = []
    with pod(script) as url:
        assert ask(opened(url, lost), "heartbeat", 1, {}, 5).reply.error == "cut_off"
        gevent.sleep(0.01)
    assert [why for why, _ in lost] == ["cut_off"]


def test_server_that_closes_and_stays_is_left() -> None:
    def script(connected: Any) -> None:
        connected.sendall(frame(b"\x03\xe8", 0x88))
        silent(connected)

    with pod(script) as url:
        connection = opened(url)
        gevent.sleep(0.02)
        assert ask(connection, "heartbeat", 1, {}, 5).reply.error == "cut_off"
        connection.abort()


@given(st.binary(min_size=1, max_size=300))
def test_no_bytes_make_it_hang_or_raise(data: bytes) -> None:
    def handle(connected: Any) -> None:
        accept_upgrade(connected)
        connected.sendall(data)

    with serving(handle) as port:
        connection = opened(f"ws://127.0.0.1:{port}/")
        answer = ask(connection, "heartbeat", 1, {}, 2).reply
        assert (answer.outcome, answer.error) in {("unknown", "cut_off"), ("fail", "bad_reply")}
        connection.abort()
