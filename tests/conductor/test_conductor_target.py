"""Addresses that are refused before anything is sent, and targets that are refused before the load."""

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from loadtests.conductor.failures import CannotRun, RunEnded, Unavailable
from loadtests.conductor.target import check_target, problems_of_target, require_target


@pytest.mark.parametrize(
    "url",
    ["ws://127.0.0.1:99999", "ws://127.0.0.1:80a", "ws://127.0.0.1:0", "ws://[::1", "http://127.0.0.1", "ws://", "pod"],
)
def test_invalid_address_is_reported_with_what_was_expected(url):
    (problem,) = problems_of_target(url, ())
    assert repr(url) in problem
    assert "expected ws://HOST:PORT" in problem


@pytest.mark.parametrize("url", ["ws://a:b@127.0.0.1", "wss://127.0.0.1/ws?token=secret", "ws://127.0.0.1/#secret"])
def test_what_may_be_a_secret_is_refused_and_not_repeated(url):
    (problem,) = problems_of_target(url, ())
    assert "do not belong in an address" in problem
    assert "secret" not in problem


@pytest.mark.parametrize("url", ["ws://127.0.0.1:8080", "wss://localhost/path", "ws://[::1]:1"])
def test_this_machine_is_ours(url):
    assert problems_of_target(url, ()) == []


def test_other_hosts_have_to_be_owned():
    (problem,) = problems_of_target("ws://pod.example.com", ())
    assert "--i-own pod.example.com" in problem
    assert problems_of_target("ws://pod.example.com", ("pod.example.com",)) == []


@contextmanager
def answering(answer: bytes, port: int = 0, host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a server that gives the same answer to every client."""

    def serve() -> None:
        while True:
            try:
                connected, _ = server.accept()
            except OSError:
                return
            with connected:
                connected.recv(65536)
                connected.sendall(answer)

    with socket.create_server((host, port)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def refusal(url: str) -> str:
    with pytest.raises(Unavailable) as refused:
        check_target(url, "account-0001", "secret")
    return str(refused.value)


def test_refused_handshake_is_reported_with_its_status():
    with answering(b"HTTP/1.1 503 Busy\r\nRetry-After: 30\r\n\r\n") as port:
        url = f"ws://127.0.0.1:{port}/"
        assert refusal(url) == f"no WebSocket with messaging-pod.v1 at {url}: HTTP 503 Busy (Retry-After: 30)"


def test_another_protocol_is_named():
    with answering(b"-ERR unknown command\r\n") as port:
        assert "the server sent Redis or POP3" in refusal(f"ws://127.0.0.1:{port}/")


def test_closed_port_is_reported_with_its_error():
    with answering(b"") as port:
        pass
    expected = (
        f"nothing answers at 127.0.0.1:{port}: ECONNREFUSED (Connection refused): start the pod, or correct --target"
    )
    assert refusal(f"ws://127.0.0.1:{port}/") == expected
    with pytest.raises(RunEnded) as ended:
        require_target(f"ws://127.0.0.1:{port}/")
    assert (ended.value.reason.code, ended.value.reason.detail) == ("target_unavailable", expected)


def test_unknown_name_is_reported():
    assert refusal("ws://no-such-host.invalid:1/").startswith("no such host: no-such-host.invalid: ")


def test_a_target_is_found_at_its_second_address(monkeypatch):
    def getaddrinfo(name, port, *_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with answering(b"HTTP/1.1 503 Busy\r\n\r\n") as port:
        assert "HTTP 503 Busy" in refusal(f"ws://pod.invalid:{port}/")
        require_target(f"ws://pod.invalid:{port}/")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS])
def test_what_this_host_lacks_is_no_fault_of_the_target(monkeypatch, number):
    class Failing(socket.socket):
        def connect_ex(self, address: object) -> int:
            return number

        def connect(self, address: object) -> None:
            pass

    monkeypatch.setattr(socket, "socket", Failing)
    with pytest.raises(CannotRun, match="this host has run out of") as refused:
        check_target("ws://127.0.0.1:1/", "account-0001", "secret")
    assert refused.value.exit_code == 70
    with pytest.raises(RunEnded) as ended:
        require_target("ws://127.0.0.1:1/")
    assert ended.value.reason.code == "internal"
