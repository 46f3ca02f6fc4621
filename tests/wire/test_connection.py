"""One WebSocket for greenlets against a server in the same process: what a well-behaved pod may do."""

import gc
from pathlib import Path
from typing import Any

import gevent
import pytest
from certificates import certificate
from gevent.event import Event as Bell
from hypothesis import given
from hypothesis import strategies as st
from podconnection import ask, connect
from scripted_pod import accept_upgrade, echo, event, exactly, frame, pod, received, reply, requests, serving
from websockets.frames import Frame

from loadtests.protocols.contract import Push
from loadtests.wire.connection import Connection
from loadtests.wire.frames import client_frame


class Owner:
    """The owner of a connection: its pushes and its end."""

    def __init__(self) -> None:
        self.events: list[Push] = []
        self.lost: list[tuple[str, str]] = []
        self.bell = Bell()

    def on_event(self, event: Push, at_ns: int) -> None:
        assert at_ns > 0
        self.events.append(event)
        self.bell.set()

    def on_lost(self, error: str, detail: str) -> None:
        self.lost.append((error, detail))
        self.bell.set()

    def open(self, url: str, **more: Any) -> Connection:
        return connect(url, timeout_s=5, on_push=self.on_event, on_lost=self.on_lost, **more)

    def wait(self) -> None:
        assert self.bell.wait(5), "nothing was owner within 5 s"
        self.bell.clear()


@pytest.fixture
def owner() -> Owner:
    return Owner()


def test_a_reply_reaches_the_one_who_asked(owner: Owner) -> None:
    with pod(echo) as url:
        connection = owner.open(url)
        answer = ask(connection, "message.send", 0x2A, {"chat": "a", "text": "żółw"}, 5).reply
        assert (answer.key, answer.outcome, answer.error) == (0x2A, "ok", "")
        assert answer.body["asked"] == {"type": "message.send", "key": "000000000000002a", "chat": "a", "text": "żółw"}
        connection.close()


def test_greenlets_share_a_connection_and_replies_come_in_any_order(owner: Owner) -> None:
    def backwards(connected: Any) -> None:
        asked = requests(connected)
        keys = [next(asked)["key"] for _ in range(50)]
        connected.sendall(b"".join(frame(reply(key, mine=key)) for key in reversed(keys)))
        next(asked, None)

    with pod(backwards) as url:
        connection = owner.open(url)
        askers = [gevent.spawn(ask, connection, "heartbeat", key, {}, 5) for key in range(50)]
        gevent.joinall(askers, timeout=5)
        assert [int(a.value.reply.body["mine"], 16) for a in askers] == list(range(50))
        connection.close()


def test_a_waiting_key_cannot_be_asked_twice(owner: Owner) -> None:
    with pod(lambda connected: gevent.sleep(5)) as url:
        connection = owner.open(url)
        first = gevent.spawn(ask, connection, "heartbeat", 1, {}, 5)
        gevent.sleep(0)
        with pytest.raises(ValueError, match="waiting already"):
            ask(connection, "heartbeat", 1, {}, 5)
        connection.abort()
        assert first.get(timeout=5).reply.error == "cut_off"


@pytest.mark.parametrize("piece", [1, 3, 7, 4096])
def test_pushes_and_replies_survive_any_cutting_of_the_stream(owner: Owner, piece: int) -> None:
    """Whole frames take the short way, cut ones the library's; both must give the same."""

    def script(connected: Any) -> None:
        asked = requests(connected)
        key = next(asked)["key"]
        stream = frame(event(1)) + frame(event(2, text="x" * 300)) + frame(b"?", 0x89)
        stream += frame(event(3, text="y" * 70_000)) + frame(event(4)[:20], 0x01) + frame(b"", 0x8A)
        stream += frame(event(4)[20:], 0x80) + frame(event(5)) + frame(reply(key))
        step = piece if piece > 100 else piece * 500
        for at in range(0, len(stream), step):
            connected.sendall(stream[at : at + step])
            gevent.sleep(0)
        assert received(connected) == (0x8A, b"?")
        next(asked, None)

    with pod(script) as url:
        connection = owner.open(url)
        assert ask(connection, "heartbeat", 9, {}, 5).reply.outcome == "ok"
        assert [e.sequence for e in owner.events] == [1, 2, 3, 4, 5]
        connection.close()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_small_frames_cut_anywhere(cuts: list[int]) -> None:
    stream = frame(event(1)) + frame(b"p", 0x89) + frame(event(2)[:9], 0x01) + frame(event(2)[9:], 0x80)
    stream += frame(event(3)) + frame(reply("0" * 15 + "9"))

    def script(connected: Any) -> None:
        asked = requests(connected)
        next(asked)
        rest = stream
        for cut in cuts:
            connected.sendall(rest[:cut])
            rest = rest[cut:]
            gevent.sleep(0)
        connected.sendall(rest)
        exactly(connected, 7)
        next(asked, None)

    owner = Owner()
    with pod(script) as url:
        connection = owner.open(url)
        assert ask(connection, "heartbeat", 9, {}, 5).reply.outcome == "ok"
        assert [e.sequence for e in owner.events] == [1, 2, 3]
        connection.abort()


def test_frames_right_behind_the_handshake_are_received(owner: Owner) -> None:
    def handle(connected: Any) -> None:
        accept_upgrade(connected, frame(event(1)) + frame(event(2))[:10])
        connected.sendall(frame(event(2))[10:])
        echo(connected)

    with serving(handle) as port:
        connection = owner.open(f"ws://127.0.0.1:{port}")
        assert ask(connection, "heartbeat", 1, {}, 5).reply.outcome == "ok"
        assert [e.sequence for e in owner.events] == [1, 2]
        connection.close()


def test_late_reply_wakes_no_greenlet(owner: Owner) -> None:
    def late(connected: Any) -> None:
        asked = requests(connected)
        first, second = next(asked), next(asked)
        connected.sendall(frame(reply(first["key"])) + frame(reply(second["key"])))
        next(asked, None)

    with pod(late) as url:
        connection = owner.open(url)
        answer = ask(connection, "chat.accept", 1, {"chat": "a"}, 0.02).reply
        assert (answer.outcome, answer.error) == ("unknown", "timeout")
        assert ask(connection, "heartbeat", 2, {}, 5).reply.key == 2
        assert not connection.busy
        connection.close()


def test_a_killed_asker_leaves_nothing_behind(owner: Owner) -> None:
    with pod(echo) as url:
        connection = owner.open(url)
        asker = gevent.spawn(ask, connection, "heartbeat", 1, {}, 5)
        gevent.sleep(0)
        assert connection.busy
        asker.kill()
        assert not connection.busy
        assert ask(connection, "heartbeat", 2, {}, 5).reply.key == 2
        connection.close()


def slow(connected: Any) -> None:
    gevent.sleep(0.05)
    for request in requests(connected):
        connected.sendall(frame(reply(request["key"], size=len(request["text"]))))


def test_what_the_socket_does_not_take_is_sent_later(owner: Owner) -> None:
    """Half a megabyte for a reader that takes its time: partial writes, then all of it, in order."""
    with pod(slow) as url:
        connection = owner.open(url)
        body = {"chat": "a", "text": "x" * 500_000}
        askers = [gevent.spawn(ask, connection, "message.send", key, body, 5) for key in range(20)]
        gevent.joinall(askers, timeout=5)
        assert [a.value.reply.body["size"] for a in askers] == [500_000] * 20
        connection.close()


def test_an_exception_in_the_callback_stops_neither_hub_nor_connection(caplog: pytest.LogCaptureFixture) -> None:
    def script(connected: Any) -> None:
        connected.sendall(frame(event(1)))
        echo(connected)

    def broken(event: Push, at_ns: int) -> None:
        raise RuntimeError("a bug in a user")

    with pod(script) as url:
        connection = connect(url, timeout_s=5, on_push=broken)
        assert ask(connection, "heartbeat", 1, {}, 5).reply.outcome == "ok"
        assert "a bug in a user" in caplog.text
        connection.close()


def test_closing_sends_a_close_frame_and_is_no_loss(owner: Owner) -> None:
    goodbyes = []

    def script(connected: Any) -> None:
        head, payload = received(connected)
        goodbyes.append((head, payload))
        connected.sendall(frame(payload, 0x88))

    with pod(script) as url:
        connection = owner.open(url)
        connection.close()
        connection.close()
        assert goodbyes == [(0x88, b"\x03\xe8")]
        assert owner.lost == []
        assert ask(connection, "heartbeat", 1, {}, 5).reply.error == "cut_off"


def test_closing_wakes_those_who_still_wait(owner: Owner) -> None:
    with pod(lambda connected: gevent.sleep(5)) as url:
        connection = owner.open(url)
        asker = gevent.spawn(ask, connection, "heartbeat", 1, {}, 5)
        gevent.sleep(0)
        connection.close(timeout_s=0.02)
        assert asker.get(timeout=5).reply.error == "cut_off"


def test_tls_carries_the_same(owner: Owner, tmp_path: Path) -> None:
    files, trusting = certificate(tmp_path)
    with pod(echo, **files) as url:
        connection = owner.open(url, tls=trusting)
        for size in (10, 300, 200_000):
            answer = ask(connection, "message.send", size, {"chat": "a", "text": "x" * size}, 5).reply
            assert len(answer.body["asked"]["text"]) == size
        connection.close()


def test_over_tls_too_what_the_socket_does_not_take_is_sent_later(owner: Owner, tmp_path: Path) -> None:
    """One request of 8 MB, far more than a socket's buffer, and nothing after it that could push it on."""
    files, trusting = certificate(tmp_path)
    with pod(slow, **files) as url:
        connection = owner.open(url, tls=trusting)
        answer = ask(connection, "message.send", 1, {"chat": "a", "text": "x" * 8_000_000}, 10).reply
        assert answer.body["size"] == 8_000_000
        connection.close()


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_leaks(owner: Owner) -> None:
    def round_trip(url: str, key: int) -> None:
        connection = owner.open(url)
        ask(connection, "heartbeat", key, {}, 5)
        if key % 2:
            connection.close()
        else:
            connection.abort()

    with pod(echo) as url:
        round_trip(url, 0)
        gevent.sleep(0.05)
        before = _descriptors()
        others = {id(o) for o in gc.get_objects() if isinstance(o, Connection)}  # of failed openings in other tests
        for key in range(30):
            round_trip(url, key)
        gevent.sleep(0.1)
        gc.collect()
        assert _descriptors() <= before
        assert not [o for o in gc.get_objects() if isinstance(o, Connection) and id(o) not in others]


@given(st.binary(max_size=70_000) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40_000))
def test_a_client_frame_is_what_the_library_reads(message: bytes | str) -> None:
    data = bytearray(client_frame(message))
    opcode, payload = (1, message.encode()) if isinstance(message, str) else (2, message)

    def read_exact(size: int) -> Any:
        taken = bytes(data[:size])
        del data[:size]
        return taken
        yield

    try:
        next(Frame.parse(read_exact, mask=True))
    except StopIteration as parsed:
        assert (parsed.value.opcode, bytes(parsed.value.data), parsed.value.fin) == (opcode, payload, True)
        assert not data
