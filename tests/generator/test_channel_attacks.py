"""Attacks on the port of a Locust master, with and without the join token: refused, and the master goes on."""

import logging
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import msgpack
import psutil
import pytest
from channel_peers import TOKEN, Master, Peer, running_master, until
from locust import __version__

from loadtests.generator import runmessages
from loadtests.generator.channel import sockets

HEARTBEAT = {"state": "ready", "current_cpu_usage": 1.0, "current_memory_usage": 1}


@pytest.fixture(scope="module")
def master() -> Iterator[Master]:
    with running_master() as made:
        yield made


@pytest.fixture
def attacker(master: Master) -> Iterator[Peer]:
    """One that has the token: a worker host that was taken over, or whose worker is broken."""
    peer = master.peer(b"attacker_%d" % time.monotonic_ns())
    yield peer
    peer.close()
    master.assert_serves()


@pytest.mark.parametrize("token", [None, "guessed", ""], ids=["plain", "guess", "empty"])
def test_a_peer_without_the_token_gets_nothing(master: Master, token: str | None) -> None:
    """An earlier attack: it claimed to run on the master's host, and got the signing secret."""
    stranger = master.peer(b"honest_2", token)
    stranger.send("client_ready", __version__)
    stranger.send(runmessages.READY, {"worker": 0, "run": "x", "error": "", "same_host": True, "has_secret": True})
    gevent.sleep(0.5)
    assert "honest_2" not in master.runner.clients
    assert stranger.received == []
    stranger.close()
    master.assert_serves()


def test_refused_connections_are_logged_once(master: Master, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), ExitStack() as stack:
        for _ in range(20):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", master.port)))
            raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        gevent.sleep(0.3)
    assert sum("did not prove the join token" in record.message for record in caplog.records) <= 1
    master.assert_serves()


def test_worker_with_another_token_reports_it(
    master: Master, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOADTESTS_JOIN_TOKEN", "another token")
    worker = sockets.WorkerSocket("127.0.0.1", master.port, "late_1")
    try:
        until(lambda: "refuses connections: set LOADTESTS_JOIN_TOKEN" in caplog.text)
    finally:
        worker.close(linger=0)
    assert "late_1" not in master.runner.clients


def test_a_message_of_8_exabytes_costs_no_memory(master: Master) -> None:
    """The length is in the header of a frame, which comes before any proof."""
    before = psutil.Process().memory_info().rss
    greeting = b"\xff\0\0\0\0\0\0\0\1\x7f" + b"\3\1" + b"CURVE".ljust(20, b"\0") + b"\0" * 32
    with ExitStack() as stack:
        raws = [stack.enter_context(socket.create_connection(("127.0.0.1", master.port))) for _ in range(20)]
        for raw in raws:
            raw.sendall(greeting + b"\6" + struct.pack(">Q", 1 << 62) + b"\5HELLO" + b"x" * 50_000)
        for raw in raws:
            assert_closed(raw)
    assert psutil.Process().memory_info().rss - before < 50 << 20
    master.assert_serves()


def assert_closed(raw: socket.socket) -> None:
    """The master closes it before the handshake's time-out."""
    raw.settimeout(5.0)
    received = b""
    try:
        while data := raw.recv(65536):
            received += data
    except ConnectionError:
        pass
    assert TOKEN.encode() not in received


def test_silent_connections_leave_the_worker_alone(master: Master) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", master.port)))
        master.assert_serves()
        late = master.peer(b"late_2")
        late.send("client_ready", __version__)
        until(lambda: "late_2" in master.runner.clients)
        late.send("quit")
        until(lambda: "late_2" not in master.runner.clients)
        late.close()


BODIES: dict[str, tuple[Any, Any]] = {
    "unknown type": ("launch", None),
    "type is a number": (7, None),
    "type is a map": ({"a": 1}, None),
    "type with escapes": ("\x1b[2J\x07", None),
    "locustfile": ("locustfile", {"version": __version__}),
    "heartbeat without body": ("heartbeat", None),
    "heartbeat of unknown state": ("heartbeat", {**HEARTBEAT, "state": "missing"}),
    "heartbeat with infinity": ("heartbeat", {**HEARTBEAT, "current_cpu_usage": float("inf")}),
    "heartbeat with nan": ("heartbeat", {**HEARTBEAT, "current_cpu_usage": float("nan")}),
    "heartbeat with text": ("heartbeat", {**HEARTBEAT, "current_memory_usage": "1"}),
    "negative users": ("spawning_complete", {"user_classes_count": {"Agent": -1}, "user_count": -1}),
    "too many users": ("spawning_complete", {"user_classes_count": {"Agent": 1 << 60}, "user_count": 1}),
    "unknown users": ("spawning_complete", {"user_classes_count": {"Intruder": 1}, "user_count": 1}),
    "users are a list": ("spawning_complete", ["Agent"]),
    "stats without body": ("stats", {}),
    "stats of wrong types": ("stats", {"stats": 1, "stats_total": {}, "errors": [], "user_classes_count": 1}),
    "exception without text": ("exception", {"msg": None, "traceback": 1}),
    "logs are a text": ("logs", {"worker_id": "honest_1", "logs": "x"}),
    "logs of another worker": ("logs", {"worker_id": "honest_1", "logs": ["x"]}),
    "old worker": ("client_ready", None),
    "version is a list": ("client_ready", [1, 2]),
    "ready without fields": (runmessages.READY, {"worker": 0, "run": "r", "error": ""}),
    "progress with a negative count": (runmessages.PROGRESS, {"worker": 0, "begun": -1}),
    "rows are no bytes": (runmessages.ROWS, {"worker": 0, "number": 0, "data": "x"}),
    "negative batch": (runmessages.ROWS, {"worker": 0, "number": -1, "data": b"x"}),
    "huge number": (runmessages.PING, {"sent_ns": 1 << 63}),
    "a date": (runmessages.PING, {"sent_ns": {"__datetime__": True, "as_str": "no date"}}),
    "an object id": (runmessages.PING, {"__ObjectId__": True, "as_str": "x"}),
}


@pytest.mark.parametrize(("kind", "body"), BODIES.values(), ids=BODIES)
def test_a_message_of_wrong_content_is_refused(master: Master, attacker: Peer, kind: Any, body: Any) -> None:
    before = master.refusals.total
    attacker.send(kind, body)
    master.refuse(before + 1)
    until(lambda: bool(attacker.messages(runmessages.REFUSED)))
    (answer,) = attacker.messages(runmessages.REFUSED)
    assert answer["reason"].isprintable()
    assert len(answer["reason"]) < 300
    assert attacker.messages("locustfile") == []


DATA = {
    "no msgpack": b"\xc1",
    "empty": b"",
    "cut": msgpack.packb(["quit", None, "honest_1"])[:-3],
    "more than one": msgpack.packb(["quit", None, "honest_1"]) * 2,
    "no list": msgpack.packb(17),
    "short list": msgpack.packb(["quit"]),
    "long list": msgpack.packb(["quit", None, "honest_1", 4]),
    "not utf-8": b"\x93\xa4\xff\xff\xff\xff\xc0\xa1a",
    "deep": b"\x91" * 100_000,
    "deep maps": b"\x81\xa1a" * 60_000,
    "lengths that lie": b"\xdd\xff\xff\xff\xff",
    "text that lies": b"\x93\xdb\xff\xff\xff\xff",
    "200,000 empty maps": b"\x93\xa1a\xdc\xff\xff" + b"\x80" * 65535 + b"\xa1a",
    "bad timestamp": b"\x93\xd7\xff" + b"\xff" * 8 + b"\xc0\xa1a",
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_bytes_that_are_no_message_are_refused(master: Master, attacker: Peer, data: bytes) -> None:
    before = master.refusals.total
    attacker.socket.send(data)
    master.refuse(before + 1)


def test_frames_that_no_worker_sends_are_refused(master: Master, attacker: Peer) -> None:
    before = master.refusals.total
    attacker.socket.send_multipart([b"", b"", msgpack.packb(["quit", None, "honest_1"])])
    master.refuse(before + 1)


def test_a_large_message_closes_its_own_connection_only(master: Master, attacker: Peer) -> None:
    attacker.socket.send(b"x" * (sockets.MAX_MESSAGE + 1))
    gevent.sleep(0.2)
    master.assert_serves()


FORGED: list[tuple[str, Any]] = [
    ("quit", None),
    ("client_stopped", None),
    ("client_ready", __version__),
    ("heartbeat", {**HEARTBEAT, "state": "running"}),
    ("spawning", None),
    ("spawning_complete", {"user_classes_count": {"Agent": 5}, "user_count": 5}),
    ("stats", None),
    ("exception", {"msg": "x", "traceback": "x"}),
    (runmessages.LEAVING, {"worker": 0, "cause": "x"}),
    (runmessages.ROWS, {"worker": 0, "number": 0, "data": b"x"}),
]


@pytest.mark.parametrize(("kind", "body"), FORGED, ids=[kind for kind, _ in FORGED])
def test_a_message_in_the_name_of_another_worker_is_refused(
    master: Master, attacker: Peer, kind: str, body: Any
) -> None:
    before = master.refusals.total
    attacker.send(kind, body, node="honest_1")
    master.refuse(before + 1)
    until(lambda: bool(attacker.messages(runmessages.REFUSED)))
    assert attacker.messages(runmessages.REFUSED) == [{"reason": "it is in the name of honest_1"}]


def test_the_id_of_a_connected_worker_cannot_be_taken(master: Master) -> None:
    thief = master.peer(b"honest_1")
    thief.send("quit")
    gevent.sleep(0.3)
    assert thief.received == []
    thief.close()
    master.assert_serves()


def test_the_id_of_a_disconnected_worker_cannot_be_taken(master: Master) -> None:
    worker = master.peer(b"away_1")
    worker.send("client_ready", __version__)
    until(lambda: "away_1" in master.runner.clients)
    worker.close()
    before = master.refusals.total
    while master.refusals.total == before:  # the socket ignores a second connection of one id for ever
        thief = master.peer(b"away_1")
        thief.send("quit")
        gevent.sleep(0.2)
        assert thief.messages("ack") == []
        thief.close()
    assert "away_1" in master.runner.clients
    del master.runner.clients["away_1"]


FLOOD = """
import sys, zmq
from loadtests.generator.channel.tokens import server_keys
sender = zmq.Context().socket(zmq.DEALER)
sender.curve_serverkey, _ = server_keys(sys.argv[2])
sender.curve_publickey, sender.curve_secretkey = zmq.curve_keypair()
sender.setsockopt(zmq.IDENTITY, b"flood_1")
sender.connect(f"tcp://127.0.0.1:{sys.argv[1]}")
while True:
    sender.send(bytes.fromhex("93a66c61756e6368c0a7666c6f6f645f31"))
"""


def test_a_flood_of_messages_does_not_starve_the_master(master: Master) -> None:
    flood = subprocess.Popen([sys.executable, "-c", FLOOD, str(master.port), TOKEN])
    try:
        before = master.refusals.total
        until(lambda: master.refusals.total > before + 1000)
        ticks = 0
        while ticks < 20:
            gevent.sleep(0.01)
            ticks += 1
        master.assert_serves()
        assert master.refusals.total > before + 2000
    finally:
        flood.kill()
        flood.wait()


def test_no_worker_joins_beyond_those_that_are_expected() -> None:
    with running_master(most_workers=1) as master:
        extra = master.peer(b"extra_1")
        extra.send("client_ready", __version__)
        until(lambda: bool(extra.messages(runmessages.REFUSED)))
        assert extra.messages(runmessages.REFUSED) == [{"reason": "the master has its 1 workers"}]
        assert list(master.runner.clients) == ["honest_1"]
        extra.close()
        master.assert_serves()


@pytest.mark.parametrize("identity", [b"\x1b[31mred", b"\xff\xfe", b"a\n"], ids=ascii)
def test_an_id_that_is_not_printable_is_refused(master: Master, identity: bytes) -> None:
    before = master.refusals.total
    peer = master.peer(identity)
    peer.socket.send(msgpack.packb(["client_ready", __version__, "x"]))
    master.refuse(before + 1)
    assert peer.received == []
    peer.close()


def test_a_fault_in_a_handler_does_not_end_the_listener(master: Master, attacker: Peer) -> None:
    def fail(environment: Any, msg: Any) -> None:
        raise KeyError(msg)

    master.runner.custom_messages.pop(runmessages.PING, None)
    master.runner.environment.events.worker_report.add_listener(fail)
    attacker.send("client_ready", __version__)
    until(lambda: bool(attacker.messages("ack")))
    attacker.send("exception", {"msg": "x", "traceback": "x"})
    attacker.send("quit")
    until(lambda: attacker.identity.decode() not in master.runner.clients)


def test_a_greeting_of_the_master_shows_no_secret(master: Master) -> None:
    with socket.create_connection(("127.0.0.1", master.port)) as raw:
        assert select.select([raw], [], [], 10.0)[0]
        greeting = raw.recv(65536)
    assert greeting == b"\xff\0\0\0\0\0\0\0\1\x7f"
