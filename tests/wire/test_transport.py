"""When bytes came: by the kernel's stamp, so that a generator that reads late does not measure its own delay."""

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import certificate
from podconnection import ask, connect
from scripted_pod import event, frame, pod, reply, requests

from loadtests.wire.transport import PlainTransport, _arrived_ns

BUSY_S = 0.3
HALF_NS = int(BUSY_S / 2 * 1e9)

stamped = pytest.mark.skipif(sys.platform != "linux", reason="only Linux's stamps are asked for")


def answer_then_hold_everything_up(connected: Any) -> None:
    """The greenlets' one thread, the reader's too, stands still once the bytes are on their way."""
    for request in requests(connected):
        connected.sendall(frame(event(1)) + frame(reply(request["key"])))
        until = time.monotonic() + BUSY_S
        while time.monotonic() < until:  # not a sleep: gevent may have made that one let others run
            pass


def read_late(url: str, **tls: Any) -> tuple[int, int, int]:
    """When the reply and the event came, and when they could be read at the earliest."""
    events: list[int] = []
    connection = connect(url, timeout_s=5, on_push=lambda _, at_ns: events.append(at_ns), **tls)
    asked_ns = time.monotonic_ns()
    answer = ask(connection, "heartbeat", 1, {}, 5)
    read_ns = time.monotonic_ns()
    connection.abort()
    assert asked_ns < answer.ended_ns <= read_ns
    assert read_ns - asked_ns > BUSY_S * 1e9
    return answer.ended_ns, events[0], read_ns


@pytest.fixture
def stamps() -> Iterator[None]:
    """The kernel begins to stamp a little after a socket has asked for it, and goes on while one does."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sender:
        receiver, _ = server.accept()
        with receiver:
            transport = PlainTransport(receiver)
            until = time.monotonic() + 10
            while True:
                sender.send(b".")
                time.sleep(0.005)
                before = time.monotonic_ns()
                transport.recv(10)
                if before - transport.received_ns > 2_000_000:
                    break
                assert time.monotonic() < until, "no stamp within 10 s"
            yield


@stamped
def test_late_reader_gets_the_arrival_of_the_bytes(stamps: None) -> None:
    with pod(answer_then_hold_everything_up) as url:
        ended_ns, event_ns, read_ns = read_late(url)
    assert read_ns - ended_ns > HALF_NS
    assert read_ns - event_ns > HALF_NS


@stamped
def test_and_so_it_does_over_tls(tmp_path: Path, stamps: None) -> None:
    files, trusting = certificate(tmp_path)
    with pod(answer_then_hold_everything_up, **files) as url:
        ended_ns, _, read_ns = read_late(url, tls=trusting)
    assert read_ns - ended_ns > HALF_NS


def test_without_a_reply_the_end_is_the_time_out() -> None:
    def silent(connected: Any) -> None:
        for _ in requests(connected):
            pass

    with pod(silent) as url:
        connection = connect(url, timeout_s=5, on_push=lambda *_: None)
        asked_ns = time.monotonic_ns()
        answer = ask(connection, "heartbeat", 1, {}, 0.05)
        assert asked_ns + 40_000_000 < answer.ended_ns <= time.monotonic_ns()
        connection.abort()


def stamp(unix_ns: int) -> list[tuple[int, int, bytes]]:
    return [(socket.SOL_SOCKET, 35, struct.pack("@ll", *divmod(unix_ns, 1_000_000_000)))]


def is_now(arrived_ns: Callable[[], int]) -> bool:
    before = time.monotonic_ns()
    return before <= arrived_ns() <= time.monotonic_ns()


def test_no_stamp_is_now() -> None:
    assert is_now(lambda: _arrived_ns([]))


@pytest.mark.parametrize("off_s", [3600, -3600], ids=["set back", "set forward"])
def test_a_clock_that_was_set_since_the_stamp_is_not_believed(off_s: int) -> None:
    assert is_now(lambda: _arrived_ns(stamp(time.time_ns() + off_s * 1_000_000_000)))


def test_the_end_of_the_stream_is_seen_now() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    theirs.close()
    transport = PlainTransport(ours)
    before = time.monotonic_ns()
    assert transport.recv(10) == b""
    assert before <= transport.received_ns
    transport.close()
