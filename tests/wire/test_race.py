"""Several addresses of one host: tried side by side, a dead one costs the attempt's delay, nothing stays open."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from podconnection import ask, connect, connect_blocking
from scripted_pod import accept_upgrade, echo, frame, reply, requests, serving

from loadtests.wire import greenlets, race
from loadtests.wire.blocking import ThreadWaiting, reach
from loadtests.wire.failures import ConnectionFailed
from loadtests.wire.greenlets import GreenletWaiting
from loadtests.wire.race import Address, Race, in_order

WAITINGS = {"greenlets": GreenletWaiting, "threads": lambda: ThreadWaiting(20)}


@pytest.fixture(params=WAITINGS)
def waiting(request: pytest.FixtureRequest) -> Any:
    return WAITINGS[request.param]()


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    with socket.create_server((host, port)) as server:
        yield server.getsockname()[1]


@contextmanager
def black_hole(host: str, port: int = 0) -> Iterator[int]:
    """The port of a listener whose backlog is full: the kernel drops what else would connect."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server((host, port), backlog=0))
        address = server.getsockname()
        for _ in range(20):
            filling = stack.enter_context(socket.socket())
            filling.settimeout(0.3)
            try:
                filling.connect(address)
            except TimeoutError:
                break
        else:
            pytest.skip("this kernel drops nothing on loopback")
        yield address[1]


def addresses(*hosts: str, port: int) -> list[Address]:
    return [Address(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port)) for host in hosts]


def run(waiting: Any, found: list[Address]) -> socket.socket:
    winner = Race("pod.test", found[0].address[1], found, waiting).run()
    assert winner.gettimeout() == 0
    return winner


@pytest.fixture(autouse=True, scope="module")
def hub() -> None:
    """Opens what the hub keeps open."""
    gevent.get_hub().threadpool.apply(lambda: None)


def descriptors() -> set[str]:
    """What this process has open, each by a name of its own: other tests' may be closed in between."""
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found.add(f"{path.name} {path.readlink()}")
    return {name for name in found if not name.endswith("/fd")}  # the listing's own


def test_a_dead_first_address_costs_the_delay_of_an_attempt(waiting: Any) -> None:
    with listening("127.0.0.3") as port, black_hole("127.0.0.2", port):
        before, began = descriptors(), time.monotonic()
        with run(waiting, addresses("127.0.0.2", "127.0.0.3", port=port)) as winner:
            took_s = time.monotonic() - began
            assert winner.getpeername() == ("127.0.0.3", port)
            assert len(descriptors() - before) == 1, "the loser is closed"
        assert took_s >= race.ATTEMPT_DELAY_S


def test_a_refused_first_address_costs_nothing(waiting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "ATTEMPT_DELAY_S", 600)
    with listening("127.0.0.3") as port:
        winner = run(waiting, addresses("127.0.0.2", "127.0.0.4", "127.0.0.3", port=port))
        assert winner.getpeername() == ("127.0.0.3", port)
        winner.close()


def test_a_first_address_that_answers_late_still_wins(waiting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second address is dead: the attempt on the first goes on beside it."""
    monkeypatch.setattr(race, "ATTEMPT_DELAY_S", 0.0)
    with listening("127.0.0.3") as port, black_hole("127.0.0.2", port):
        winner = run(waiting, addresses("127.0.0.3", "127.0.0.2", port=port))
        assert winner.getpeername() == ("127.0.0.3", port)
        winner.close()


def test_all_that_failed_are_named_with_their_errors(waiting: Any) -> None:
    with listening() as port:
        pass
    before = descriptors()
    with pytest.raises(ConnectionFailed) as failed:
        run(waiting, addresses("127.0.0.2", "127.0.0.3", port=port))
    assert (failed.value.outcome, failed.value.error) == ("fail", "connect_refused")
    refused = "ECONNREFUSED (Connection refused)"
    assert failed.value.detail == f"pod.test:{port}: 127.0.0.2 {refused}, 127.0.0.3 {refused}"
    assert not failed.value.connected
    assert descriptors() - before == set()


def test_no_address_is_a_failure_of_the_resolver(waiting: Any) -> None:
    with pytest.raises(ConnectionFailed) as failed:
        Race("pod.test", 80, [], waiting).run()
    assert (failed.value.error, failed.value.detail) == ("dns", "pod.test:80: no address")


def resolving(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> list[int]:
    """Makes every name stand for these addresses; counts the look-ups."""
    asked: list[int] = []

    def getaddrinfo(name: str, port: int, *_: Any) -> list[Any]:
        asked.append(port)
        return [(a.family, socket.SOCK_STREAM, 6, "", a.address) for a in addresses(*hosts, port=port)]

    monkeypatch.setattr("gevent.socket.getaddrinfo", getaddrinfo)
    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    return asked


def test_dead_addresses_are_named_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening("127.0.0.3") as port:
        pass
    resolving(monkeypatch, "127.0.0.3", "127.0.0.2")
    before = descriptors()
    with black_hole("127.0.0.2", port):
        for attempt in (lambda url: connect(url, timeout_s=0.5, on_push=lambda *_: None),
                        lambda url: connect_blocking(url, 0.5)):  # fmt: skip
            with pytest.raises(ConnectionFailed) as failed:
                attempt(f"ws://dead-{port}.invalid:{port}/")
            assert (failed.value.outcome, failed.value.error) == ("unknown", "timeout")
            assert failed.value.detail == (
                f"dead-{port}.invalid:{port}: 127.0.0.3 ECONNREFUSED (Connection refused), "
                "127.0.0.2 no answer within 0.5 s"
            )
        with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.2 no answer within 0\.5 s"):
            reach(f"dead-{port}.invalid", port, 0.5)
    assert descriptors() - before == set()


def test_a_killed_attempt_leaves_no_socket_open() -> None:
    with black_hole("127.0.0.2") as port:
        before = descriptors()
        opening = gevent.spawn(
            connect, f"ws://127.0.0.2:{port}/", timeout_s=60, on_push=lambda *_: None
        )  # fmt: skip
        gevent.sleep(0.05)
        assert len(descriptors() - before) == 1
        opening.kill()
        assert descriptors() - before == set()


def test_a_websocket_opens_at_the_living_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda connected: (accept_upgrade(connected), echo(connected))) as port:
        resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
        connection = connect(f"ws://living.invalid:{port}/", timeout_s=20, on_push=lambda *_: None)
        assert ask(connection, "heartbeat", 1, {}, 20).reply.outcome == "ok"
        connection.close()


family_and_number = st.tuples(st.sampled_from([socket.AF_INET, socket.AF_INET6]), st.integers(0, 9))


@given(st.lists(family_and_number))
def test_families_alternate_and_the_order_within_each_stays(found: list[tuple[int, int]]) -> None:
    ordered = in_order([(family, 1, 6, "", (str(number), 80)) for family, number in found])
    assert len(ordered) == len(set(found))
    for family in (socket.AF_INET, socket.AF_INET6):
        mine = [int(a.address[0]) for a in ordered if a.family == family]
        assert mine == list(dict.fromkeys(n for f, n in found if f == family))
    families = [a.family for a in ordered]
    fewer = min(families.count(socket.AF_INET), families.count(socket.AF_INET6))
    assert all(a != b for a, b in pairwise(families[: 2 * fewer]))
    assert not found or families[0] == found[0][0]


def test_a_storm_asks_the_resolver_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolving(monkeypatch, "127.0.0.1")
    resolver = GreenletWaiting()
    askers = [gevent.spawn(resolver.resolve, "pod.test", 80) for _ in range(500)]
    gevent.joinall(askers, raise_error=True)
    assert asked == [80]
    assert {str(a) for asker in askers for a in asker.value} == {"127.0.0.1"}


def test_a_change_in_the_dns_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(greenlets, "monotonic", lambda: now_s)
    resolver = GreenletWaiting()
    resolving(monkeypatch, "127.0.0.1")
    assert [str(a) for a in resolver.resolve("pod.test", 80)] == ["127.0.0.1"]
    resolving(monkeypatch, "127.0.0.2")
    now_s += greenlets.RESOLVE_AGAIN_S - 0.1
    assert [str(a) for a in resolver.resolve("pod.test", 80)] == ["127.0.0.1"]
    now_s += 0.2
    assert [str(a) for a in resolver.resolve("pod.test", 80)] == ["127.0.0.2"]


def test_a_failed_look_up_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    resolver = GreenletWaiting()
    monkeypatch.setattr("gevent.socket.getaddrinfo", unknown)
    with pytest.raises(ConnectionFailed) as failed:
        resolver.resolve("pod.test", 80)
    assert (failed.value.error, failed.value.outcome) == ("dns", "fail")
    resolving(monkeypatch, "127.0.0.1")
    assert [str(a) for a in resolver.resolve("pod.test", 80)] == ["127.0.0.1"]


def test_a_user_that_is_killed_takes_no_answer_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = gevent.event.Event()

    def slow(name: str, port: int, *_: Any) -> list[Any]:
        bell.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("gevent.socket.getaddrinfo", slow)
    resolver = GreenletWaiting()
    first, second = (gevent.spawn(resolver.resolve, "pod.test", 80) for _ in range(2))
    gevent.sleep(0)
    first.kill()
    bell.set()
    assert [str(a) for a in second.get(timeout=20)] == ["127.0.0.1"]


def in_thread(work: Callable[[], Any]) -> Any:
    """The server is greenlets of this process: they must go on while the thread waits."""
    return gevent.get_hub().threadpool.apply(work)


def test_a_thread_asks_a_pod_one_thing() -> None:
    left: list[str] = []

    def handle(connected: Any) -> None:
        accept_upgrade(connected)
        for request in requests(connected):
            connected.sendall(frame(b"?", 0x89) + frame(reply(request["key"], kind=request["type"])))
            left.append(request["type"])

    def ask(url: str) -> Any:
        with connect_blocking(url, 20) as pod:
            answer = pod.create(7)
            pod.leave()
            return answer

    with serving(handle) as port:
        answer = in_thread(lambda: ask(f"ws://127.0.0.1:{port}/"))
        assert (answer.key, answer.outcome, answer.body["kind"]) == (7, "ok", "connection.create")
        with gevent.Timeout(20):
            while len(left) < 2:
                gevent.sleep(0.01)
    assert left == ["connection.create", "connection.close"]


def test_a_thread_is_refused_at_once() -> None:
    def handle(connected: Any) -> None:
        connected.recv(65536)
        connected.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\n\r\n")
        gevent.sleep(60)

    def failure(url: str) -> ConnectionFailed:
        with pytest.raises(ConnectionFailed) as failed:
            connect_blocking(url, 20)
        return failed.value

    with serving(handle) as port:
        failed = in_thread(lambda: failure(f"ws://127.0.0.1:{port}/"))
    assert (failed.error, failed.detail) == ("handshake_rejected", "HTTP 503 Busy (Retry-After: 9)")


def test_a_thread_does_not_wait_for_ever() -> None:
    def never(connected: Any) -> None:
        accept_upgrade(connected)
        gevent.sleep(60)

    def ask(url: str) -> ConnectionFailed:
        with connect_blocking(url, 0.5) as pod, pytest.raises(ConnectionFailed) as failed:
            pod.create(7)
        return failed.value

    with serving(never) as port:
        failed = in_thread(lambda: ask(f"ws://127.0.0.1:{port}/"))
    assert (failed.outcome, failed.error) == ("unknown", "timeout")
