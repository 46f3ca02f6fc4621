"""Where tokens go: to no address but those that a host may stand for, by both clients, and never after a redirect."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent.socket
import pytest
from podconnection import connect

from loadtests.accounts import token_for
from loadtests.conductor.choices import Generator
from loadtests.conductor.failures import Unavailable
from loadtests.conductor.preflight.request import StudyRequest, _networks, choose
from loadtests.conductor.target import check_target, networks_of_url, problems_of_target, require_target
from loadtests.destinations import AddressRefused, is_loopback, is_owned, networks_of, permitted
from loadtests.scenario import PodTarget, RunPlan
from loadtests.timeline.control import call
from loadtests.users.load import account_endpoints
from loadtests.wire.failures import ConnectionFailed
from loadtests.wire.greenlets import GreenletWaiting

SECRET = "signed-with-this"
SIGNATURE = token_for("account-0001", SECRET).rpartition(".")[2]


@contextmanager
def listening(host: str, answer: bytes = b"", port: int = 0) -> Iterator[tuple[int, list[bytes]]]:
    """The port of a server that notes what it receives, and answers each connection alike."""
    received: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connected, _ = server.accept()
            except OSError:
                return
            with connected:
                received.append(connected.recv(65536))
                connected.sendall(answer)

    with socket.create_server((host, port)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], received
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, ...]) -> None:
    """The resolver gives these answers in turn, the last one for good."""
    left = list(answers)

    def getaddrinfo(host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(gevent.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("loadtests.wire.greenlets._WAITING", GreenletWaiting())


def opened(url: str, networks: tuple[str, ...] = ()) -> None:
    connect(url, timeout_s=5, on_push=lambda *_: None, networks=networks).abort()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_client_follows_a_redirect(status: int) -> None:
    with listening("127.0.0.2") as (elsewhere, received):
        location = f"Location: ws://127.0.0.2:{elsewhere}/\r\n".encode()
        with listening("127.0.0.1", b"HTTP/1.1 %d Moved\r\n%s\r\n" % (status, location)) as (port, _):
            with pytest.raises(Unavailable, match="redirects are not followed"):
                check_target(f"ws://127.0.0.1:{port}/", "account-0001", SECRET)
            with pytest.raises(ConnectionFailed, match="redirects are not followed"):
                opened(f"ws://127.0.0.1:{port}/")
    assert received == []


def test_localhost_elsewhere_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ("192.0.2.7",))
    expected = "localhost resolves to 192.0.2.7, which is no loopback address: nothing was sent"
    with pytest.raises(Unavailable, match=expected):
        check_target("ws://localhost:1/", "account-0001", SECRET)
    with pytest.raises(Exception, match=expected):
        require_target("ws://localhost:1/")
    with pytest.raises(ConnectionFailed, match=expected) as failed:
        opened("ws://localhost:1/")
    assert (failed.value.outcome, failed.value.error) == ("fail", "dns")


def test_localhost_at_two_addresses_is_the_loopback_one(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ("192.0.2.7", "127.0.0.1"))
    with listening("127.0.0.1", b"HTTP/1.1 503 Busy\r\n\r\n") as (port, received):
        with pytest.raises(Unavailable, match="HTTP 503 Busy"):
            check_target(f"ws://localhost:{port}/", "account-0001", SECRET)
        with pytest.raises(ConnectionFailed, match="HTTP 503 Busy"):
            opened(f"ws://localhost:{port}/")
    assert len(received) == 2


def test_a_name_that_moves_between_check_and_use_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name stood for an owned address when it was checked, and stands for another one later."""
    resolving(monkeypatch, ("10.1.2.3",), ("127.0.0.1",))
    with listening("127.0.0.1") as (port, received):
        url = f"ws://pod.invalid:{port}/"
        networks = networks_of_url(url, ("pod.invalid",))
        assert networks == ("10.0.0.0/8",)
        for attempt in (lambda: check_target(url, "account-0001", SECRET, networks), lambda: opened(url, networks)):
            with pytest.raises((Unavailable, ConnectionFailed), match=r"--i-own 127\.0\.0\.1/32") as refused:
                attempt()
            assert "pod.invalid resolves to 127.0.0.1, outside of the networks" in str(refused.value)
    assert received == []


def test_calls_of_a_scenario_keep_to_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROL", "hush")
    with listening("127.0.0.1") as (port, received):
        resolving(monkeypatch, ("192.0.2.7",))
        headers = {"Authorization": "Bearer ${env:CONTROL}"}
        with pytest.raises(Exception, match="no loopback address: nothing was sent"):
            asyncio.run(call("POST", f"http://localhost:{port}/", headers, "", 5))
        resolving(monkeypatch, ("127.0.0.1",))
        networks = {"pod.invalid": ("10.0.0.0/8",)}
        with pytest.raises(Exception, match="outside of the networks"):
            asyncio.run(call("POST", f"http://pod.invalid:{port}/", headers, "", 5, networks))
    assert received == []


def test_networks_travel_to_the_workers() -> None:
    pods = (PodTarget("pod-1", "ws://pod.invalid/", ("account-0001",), 1, ("10.0.0.0/8",)),)
    plan = RunPlan("s/r", "/d", "", "x", 1, 0, pods)
    assert RunPlan.from_json(plan.to_json()) == plan
    assert account_endpoints(plan, SECRET)[0].networks == ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("127.0.0.5", ("127.0.0.0/8", "::1/128")),
        ("::1", ("127.0.0.0/8", "::1/128")),
        ("::ffff:127.0.0.1", ("127.0.0.0/8", "::1/128")),
        ("10.9.8.7", ("10.0.0.0/8",)),
        ("172.31.0.1", ("172.16.0.0/12",)),
        ("fd00::1", ("fc00::/7",)),
        ("fe80::1%eth0", ("fe80::/10",)),
        ("203.0.113.9", ("203.0.113.9/32",)),
        ("2001:db8::9", ("2001:db8::9/128",)),
    ],
)
def test_a_name_stays_in_the_kind_of_network_where_it_was(address: str, networks: tuple[str, ...]) -> None:
    assert networks_of([address]) == networks
    assert permitted("pod.invalid", (address,), networks) == {address}
    with pytest.raises(AddressRefused):
        permitted("pod.invalid", ("198.51.100.1",), networks)


def test_owned_networks_are_added() -> None:
    networks = networks_of(["203.0.113.9"], ("pod.invalid", "198.51.100.0/24", "no/network"))
    assert networks == ("203.0.113.9/32", "198.51.100.0/24")
    assert permitted("pod.invalid", ("198.51.100.1", "192.0.2.1"), networks) == {"198.51.100.1"}


def test_addresses_and_names_of_certificates_are_not_bound() -> None:
    assert networks_of_url("wss://pod.example.com/", ("pod.example.com",)) == ()
    assert networks_of_url("ws://203.0.113.9/", ("203.0.113.9",)) == ()
    assert permitted("203.0.113.9", ("203.0.113.9",), ("10.0.0.0/8",)) == {"203.0.113.9"}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8", "::ffff:127.0.0.1"])
def test_loopback_by_address_and_one_name(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "127.1", "2130706433", "0.0.0.0", "::", "LOCALHOST.", ""])
def test_what_only_resembles_loopback_is_not(host: str) -> None:
    assert not is_loopback(host)
    assert problems_of_target(f"ws://{f'[{host}]' if ':' in host else host or 'x'}:1/", ()) != []


def test_a_network_owns_its_addresses_and_no_names() -> None:
    assert is_owned("10.1.2.3", ("10.0.0.0/8",))
    assert is_owned("Pod.Example.com", ("pod.example.com",))
    assert not is_owned("pod.example.com", ("10.0.0.0/8",))
    assert not is_owned("11.1.2.3", ("10.0.0.0/8", "10.0.0.0"))


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening("127.0.0.3") as (proxy, asked):
        for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "socks_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.3:{proxy}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.3:{proxy}")
        with listening("127.0.0.1", b"HTTP/1.1 503 Busy\r\n\r\n") as (port, received):
            with pytest.raises(Unavailable):
                check_target(f"ws://localhost:{port}/", "account-0001", SECRET)
            with pytest.raises(ConnectionFailed):
                opened(f"ws://localhost:{port}/")
    assert asked == []
    assert len(received) == 2
    assert not any(SIGNATURE.encode() in one for one in received)


SCENARIO = """\
name: calls
accounts: 1
locales: [en_GB]
storages: [memory]
acts_on_target: true
agent: {subscriptions: 1, think: {median: 50ms, sigma: 0.3}, chats_at_once: 4, session: 2s, churn: 1s}
customer: {arrivals: poisson, patience: 1s, messages: {min: 1, max: 2}, pause: {median: 50ms, sigma: 0.3}}
stages:
  - {name: warm-up, duration: 2s, agents: 1, arrivals_per_s: 1}
  - {name: steady, duration: 2s, agents: 1, arrivals_per_s: 1, judge: true}
timeline:
  - {stage: steady, do: http, url: "http://hook.invalid:8/", headers: {Authorization: "Bearer ${env:LOADTESTS_HOOK}"}}
"""


def test_check_binds_every_host_that_gets_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "calls.yaml").write_text(SCENARIO)
    monkeypatch.setenv("LOADTESTS_TOKEN_SECRET", SECRET)
    monkeypatch.setenv("LOADTESTS_HOOK", "hush")
    dsns = {
        "chats": "postgresql://u:hush@db.invalid/d",
        "sure": "postgresql://u@sure.invalid/d?sslmode=verify-full&sslrootcert=system",
    }
    monkeypatch.setenv("LOADTESTS_DSNS", json.dumps(dsns))
    addresses = {"pod.invalid": "10.1.2.3", "hook.invalid": "203.0.113.9", "db.invalid": "127.0.0.1"}

    def getaddrinfo(host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (addresses[host], port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    asked = StudyRequest(
        scenario=str(tmp_path / "calls.yaml"),
        storages=[],
        target="ws://pod.invalid:1/",
        label="candidate",
        databases=["chats:postgres", "sure:postgres"],
        i_own=[*addresses, "sure.invalid", "198.51.100.0/24"],
        rounds=None,
        runs=tmp_path / "runs",
        seed=None,
        generator=Generator(),
    )
    added = "198.51.100.0/24"
    assert _networks(choose(asked)) == {
        "pod.invalid": ("10.0.0.0/8", added),
        "hook.invalid": ("203.0.113.9/32", added),
        "db.invalid": ("127.0.0.0/8", "::1/128", added),
    }
