"""Attacks on the master's port between runs: none gets in, learns a secret, or keeps worker hosts out."""

import json
import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from worker_hosts import SECRET, TOKEN, events, greet_as, hello_fields, roster, worker_host

from loadtests.conductor.hosts import candidates
from loadtests.conductor.hosts.link import Link, LinkClosed, Unproven
from loadtests.conductor.hosts.roster import Roster
from loadtests.conductor.hosts.session import run_token
from loadtests.conductor.watching import Interrupts
from loadtests.joining import join_key

SECRETS = [SECRET.encode(), TOKEN.encode(), join_key(TOKEN), join_key(TOKEN).hex().encode(), join_key(SECRET)]


class Stranger:
    """A raw connection to the master, which keeps what it receives."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), source_address=(address, 0))
        self.received = b""

    def nonce(self, master: Roster) -> str:
        """The nonce that the master welcomes it with."""
        while b"\n" not in self.received:
            master._step(0.1)
            self._read()
        return str(json.loads(self.received.partition(b"\n")[0])["nonce"])

    def until_closed(self, master: Roster) -> None:
        """Reads until the master has closed the connection."""
        while self._read():
            master._step(0.1)

    def _read(self) -> bool:
        with suppress(ConnectionError):
            while select.select([self.socket], [], [], 0.0)[0]:
                data = self.socket.recv(65536)
                self.received += data
                if not data:
                    return False
            return True
        return False

    def assert_nothing_learnt(self) -> None:
        assert not [secret for secret in SECRETS if secret in self.received]


@contextmanager
def stranger(port: int, address: str = "127.0.0.1") -> Iterator[Stranger]:
    made = Stranger(port, address)
    with made.socket:
        yield made
    made.assert_nothing_learnt()


def assert_admits(master: Roster, port: int) -> None:
    """A host that has the token is still admitted."""
    with Interrupts() as interrupts, worker_host(port, lambda link: events(link, [])):
        master.gather(interrupts)
        assert [host.name for host in master.hosts] == ["host-b (127.0.0.1)"]
        master.finish()


@pytest.mark.parametrize("secrets", [(), ("guessed",), ("",)], ids=["no-proof", "guess", "empty"])
def test_a_stranger_that_claims_the_masters_host_is_refused(secrets: tuple[str, ...]) -> None:
    with roster() as (master, port, output):
        with stranger(port) as attacker:
            claim = hello_fields(attacker.nonce(master), secrets, host="master", node="host-b")
            attacker.socket.sendall(json.dumps({"event": "hello", **claim}).encode() + b"\n")
            attacker.until_closed(master)
            assert b"refused" in attacker.received
            assert b"accepted" not in attacker.received
        assert master.hosts == []
        assert any("LOADTESTS_JOIN_TOKEN" in sentence for sentence in output)
        assert_admits(master, port)


def test_a_recorded_hello_is_worth_nothing_on_another_connection() -> None:
    with roster() as (master, port, _):
        with stranger(port) as first, stranger(port) as second:
            recorded = hello_fields(first.nonce(master))
            second.nonce(master)
            second.socket.sendall(json.dumps({"event": "hello", **recorded}).encode() + b"\n")
            second.until_closed(master)
            assert b"is not that of the master" in second.received
        assert master.hosts == []
        assert_admits(master, port)


def test_a_relay_can_add_no_line_in_either_direction() -> None:
    """An attacker between a worker host and its master passes the handshake on, and then speaks for both."""
    ours, theirs = socket.socketpair()
    with ours, roster() as (master, port, output), stranger(port) as attacker:
        worker = Link.__new__(Link)
        worker._socket, worker._received, worker._session, worker._possible = theirs, b"", None, None
        greet_as(worker, attacker.nonce(master), node="host-b")
        attacker.socket.sendall(ours.recv(65536))
        attacker.received = b""
        while not master.hosts:
            master._step(0.1)
        while b"\n" not in attacker.received:
            attacker._read()
        accepted = attacker.received
        ours.sendall(b'{"event": "run", "name": "mine", "nonce": "x"}\n')
        with pytest.raises(Unproven):
            worker.receive(5.0)
        ours.sendall(accepted)
        assert worker.receive(5.0) == {"event": "accepted", "address": "127.0.0.1"}
        ours.sendall(accepted)
        with pytest.raises(LinkClosed, match="was not sent by the other side"):
            worker.receive(5.0)
        attacker.socket.sendall(b'{"event": "ended", "how": "was killed by an attacker"}\n')
        attacker.until_closed(master)
        worker.close()
        assert master.hosts == []
        assert "a line was not sent by the other side" in output[-1]


GARBAGE = {
    "nested": b"[" * 4000 + b"\n",
    "nested-in-hello": b'{"event": "hello", "node": ' + b"[" * 3900 + b"\n",
    "long-line": b"x" * 70_000,
    "long-first-line": b'{"event": "hello", "node": "' + b"x" * 5000 + b'"}\n',
    "not-json": b"GET / HTTP/1.1\r\n\r\n",
    "zmtp": b"\xff\0\0\0\0\0\0\0\1\x7f",
    "nul": b"\0" * 100 + b"\n",
    "no-event": b"{}\n",
    "event-of-wrong-type": b'{"event": ["hello"]}\n',
    "infinite": b'{"event": "hello", "protocol": 2, "processes": Infinity, "node": "x", "version": "1", "host": "x"}\n',
    "digits": b'{"event": "hello", "protocol": ' + b"9" * 3900 + b"}\n",
    "surrogates": b'{"event": "hello", "protocol": 2, "processes": 1, "node": "\\ud800", "version": "1.0", "host": "x",'
    b' "nonce": "0123456789abcdef0123456789abcdef", "proofs": [], "secret_proof": ""}\n',
    "escapes": b'{"event": "hello", "protocol": 9, "processes": 1, "node": "\\u001b[2J\\u0007", "version": "\\u009b1m",'
    b' "host": "\\r\\n"}\n',
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_hello_is_refused_and_the_master_goes_on(data: bytes) -> None:
    with roster() as (master, port, output):
        with stranger(port) as attacker:
            attacker.nonce(master)
            attacker.socket.sendall(data)
            attacker.until_closed(master)
        assert_admits(master, port)
    assert any(sentence.startswith("refused the worker on ") for sentence in output)
    assert all(sentence.isprintable() and len(sentence) < 400 for sentence in output)


def test_silent_connections_do_not_keep_worker_hosts_out() -> None:
    with roster() as (master, port, _), ExitStack() as stack:
        for _ in range(3 * candidates.MOST_CANDIDATES):
            stack.enter_context(stranger(port, "127.0.0.2"))
            master._step(0.0)
        assert len(master._candidates) <= candidates.MOST_CANDIDATES
        assert_admits(master, port)


def test_an_address_with_few_connections_keeps_them() -> None:
    with roster() as (master, port, _), ExitStack() as stack:
        few = stack.enter_context(stranger(port))
        few.nonce(master)
        for _ in range(2 * candidates.MOST_CANDIDATES):
            stack.enter_context(stranger(port, "127.0.0.2"))
            master._step(0.0)
        assert "127.0.0.1" in [candidate.address for candidate in master._candidates._waiting]


def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "HELLO_WITHIN_S", 0.2)
    with roster() as (master, port, output):
        with stranger(port) as attacker:
            attacker.nonce(master)
            attacker.socket.sendall(b'{"event": ')
            attacker.until_closed(master)
        assert output == ["refused the worker on 127.0.0.1: it sent nothing for 0.2 s"]


def test_strangers_do_not_fill_the_terminal() -> None:
    with roster() as (master, port, output):
        for number in range(60):
            with stranger(port) as attacker:
                claim = hello_fields(attacker.nonce(master), (), node=f"host-{number}\x1b[31m")
                attacker.socket.sendall(json.dumps({"event": "hello", **claim}).encode() + b"\n")
                attacker.until_closed(master)
        assert len(output) == 21
        assert output[-1] == "further refusals are not reported"
        assert master._present().endswith("; and 17 more")
        assert all(re.fullmatch(r"refused the worker on host-\d+\\x1b\[31m .*", sentence) for sentence in output[:-1])
        assert_admits(master, port)


def test_a_host_that_keeps_sending_does_not_stop_the_master() -> None:
    def flood(link: Link) -> None:
        with suppress(LinkClosed):
            events(link, [], "accepted")
            until = time.monotonic() + 5
            while time.monotonic() < until:
                link.send("ended", how="")

    with Interrupts() as interrupts, roster(expected=2) as (master, port, _), worker_host(port, flood):
        while not master.hosts:
            master._step(0.1)
        for _ in range(20):
            master._step(0.0)
        with worker_host(port, lambda link: events(link, []), node="host-c"):
            master.gather(interrupts)
            assert [host.node for host in master.hosts] == ["host-b", "host-c"]
            master.finish()


def test_each_run_has_a_join_token_of_its_own_that_is_not_sent() -> None:
    messages: list[dict[str, Any]] = []

    def serve(link: Link) -> None:
        while not messages or messages[-1]["event"] != "over":
            message = link.receive(20.0)
            assert message is not None
            messages.append(message)
            if message["event"] == "run":
                link.send("starting")

    with Interrupts() as interrupts, roster() as (master, port, _), worker_host(port, serve):
        tokens = []
        for number in (1, 2):
            master.gather(interrupts)
            tokens.append(master.release(f"run {number}"))
            master.listen()
        master.finish()
    runs = [message for message in messages if message["event"] == "run"]
    assert tokens == [run_token(join_key(TOKEN), run["nonce"]) for run in runs]
    assert len(set(tokens)) == 2
    assert not [token for token in tokens if token in json.dumps(messages)]
