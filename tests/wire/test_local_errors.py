"""What this host runs out of is named as its own, whichever library reports it, and never blamed on the pod."""

import errno
import os
import resource
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from podconnection import ask, connect
from scripted_pod import echo, frame, pod, reply, requests, serving, silent

from loadtests.protocols.messaging_pod import MessagingPodClient
from loadtests.records.vocabulary import ERRORS, LOCAL_ERRORS
from loadtests.wire import connection as wire_connection
from loadtests.wire.connection import Connection
from loadtests.wire.failures import ConnectionFailed, local_error
from loadtests.wire.transport import PlainTransport


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def opened(url: str) -> Connection:
    return connect(url, timeout_s=5, on_push=lambda *_: None)


def failure(url: str) -> tuple[str, str]:
    with pytest.raises(ConnectionFailed) as failed:
        opened(url)
    return failed.value.outcome, failed.value.error


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (os_error(errno.EADDRNOTAVAIL), "local_ports"),
        (os_error(errno.EADDRINUSE), "local_ports"),
        (os_error(errno.EMFILE), "local_descriptors"),
        (os_error(errno.ENFILE), "local_descriptors"),
        (os_error(errno.ENOMEM), "local_memory"),
        (os_error(errno.ENOBUFS), "local_memory"),
        (MemoryError(), "local_memory"),
        (socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure"), "local_memory"),
        (RuntimeError("can't start new thread"), "local_threads"),
        (RuntimeError("anything else"), None),
        (os_error(errno.ECONNREFUSED), None),
        (os_error(errno.ECONNRESET), None),
        (ssl.SSLError(errno.ENOMEM, "OpenSSL counts from 1, too"), None),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), None),
        (ValueError(), None),
    ],
)
def test_local_error_names_the_resource(error: BaseException, code: str | None) -> None:
    assert local_error(error) == code
    assert code is None or code in LOCAL_ERRORS


def test_local_errors_follow_the_codes_of_older_files() -> None:
    assert ERRORS[:22].index("run_ended") == 21
    assert set(ERRORS[22:26]) == LOCAL_ERRORS


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 1, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "no-such-host.invalid"])
def test_no_free_descriptor_is_local(host: str) -> None:
    failure(f"ws://{host}:1/")  # the resolver's thread, and what it imports
    with no_descriptor_left():
        assert failure(f"ws://{host}:1/") == ("fail", "local_descriptors")


def test_no_free_port_is_local() -> None:
    """In a network namespace of its own, whose two ports are both taken."""
    script = """
import socket, subprocess
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
open("/proc/sys/net/ipv4/ip_local_port_range", "w").write("40000 40001")
from loadtests.wire.connection import Connection
from loadtests.wire.failures import ConnectionFailed
from loadtests.wire.opening import Endpoint
listener = socket.create_server(("127.0.0.1", 9000))
taken = [socket.create_connection(("127.0.0.1", 9000)) for _ in range(2)]
try:
    Connection.open(Endpoint("ws://127.0.0.1:9000/"), None, timeout_s=5, on_push=print)
except ConnectionFailed as failed:
    print(failed.outcome, failed.error)
"""
    alone = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this host allows no network namespace")
    ended = subprocess.run(
        [*alone, sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout.split() == ["fail", "local_ports"], ended.stderr


def test_no_address_of_a_family_is_no_lack_of_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where IPv6 is switched off `connect` to ::1 fails with EADDRNOTAVAIL, too: no port was missing."""

    class Socket:
        def __init__(self, *_: Any) -> None:
            self.close = self.setblocking = self.setsockopt = self.__exit__ = lambda *_: None

        def __enter__(self) -> "Socket":
            return self

        connect = raising(os_error(errno.EADDRNOTAVAIL))

        def connect_ex(self, _: Any) -> int:
            return errno.EADDRNOTAVAIL

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("loadtests.wire.greenlets._native_socket", Socket)
    assert failure("ws://[::1]:1/") == ("fail", "connect_refused")


@pytest.mark.parametrize(("error", "code"), [(RuntimeError("can't start new thread"), "local_threads"),
                                             (MemoryError(), "local_memory")])  # fmt: skip
def test_resolver_without_thread_or_memory_is_local(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    monkeypatch.setattr("gevent.socket.getaddrinfo", raising(error))
    assert failure(f"ws://{code}.invalid:1/") == ("fail", code)


def test_memory_that_ends_in_the_handshake_is_local_and_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlainTransport, "recv", raising(os_error(errno.ENOBUFS)))
    with pod(silent) as url:
        assert failure(url) == ("unknown", "local_memory")


def test_memory_that_ends_after_the_handshake_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_connection, "Incoming", raising(MemoryError()))
    with pod(silent) as url:
        assert failure(url) == ("unknown", "local_memory")


class Failing:
    """A transport whose `send` or `recv` fails from now on."""

    def __init__(self, inner: Any, name: str, error: BaseException) -> None:
        self._inner = inner
        setattr(self, name, raising(error))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize("error", [os_error(errno.ENOBUFS), os_error(errno.ENOMEM), MemoryError()])
def test_a_request_that_was_never_sent_failed_locally(error: BaseException) -> None:
    with pod(silent) as url:
        connection = opened(url)
        earlier = gevent.spawn(ask, connection, "heartbeat", 1, {}, 5)
        gevent.sleep(0)
        connection._outgoing._transport = Failing(connection._transport, "send", error)
        unsent = ask(connection, "heartbeat", 2, {}, 5).reply
        assert (unsent.outcome, unsent.error) == ("fail", "local_memory")
        sent = earlier.get(timeout=5).reply
        assert (sent.outcome, sent.error) == ("unknown", "local_memory")
        later = ask(connection, "heartbeat", 3, {}, 5).reply
        assert (later.outcome, later.error) == ("fail", "local_memory")


@pytest.mark.parametrize("error", [os_error(errno.ENOBUFS), MemoryError()])
def test_a_reply_that_cannot_be_read_is_a_local_error(error: BaseException) -> None:
    with pod(echo) as url:
        connection = opened(url)
        connection._transport = Failing(connection._transport, "recv", error)
        answer = ask(connection, "heartbeat", 1, {}, 5).reply
        assert (answer.outcome, answer.error) == ("unknown", "local_memory")


def test_memory_that_ends_while_decoding_is_a_local_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pod(echo) as url:
        connection = opened(url)
        monkeypatch.setattr(MessagingPodClient, "receive", raising(MemoryError()))
        answer = ask(connection, "heartbeat", 1, {}, 5).reply
        assert (answer.outcome, answer.error) == ("unknown", "local_memory")


@pytest.mark.parametrize("error", [*sorted(LOCAL_ERRORS), "run_ended"])
def test_a_pod_cannot_blame_this_side(error: str) -> None:
    def script(connected: Any) -> None:
        for request in requests(connected):
            connected.sendall(frame(reply(request["key"], outcome="fail", error=error)))

    with pod(script) as url:
        connection = opened(url)
        answer = ask(connection, "heartbeat", 1, {}, 5).reply
        assert (answer.outcome, answer.error) == ("fail", "bad_reply")
        connection.close()


@pytest.mark.parametrize("number", [errno.ENOPROTOOPT, errno.EINVAL, errno.EPERM])
def test_arrivals_are_timed_on_reading_where_the_kernel_gives_no_stamp(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("loadtests.wire.transport._set_stamp", raising(os_error(number)))
    with pod(echo) as url:
        connection = opened(url)
        assert not connection.kernel_times
        assert ask(connection, "heartbeat", 1, {}, 5).reply.outcome == "ok"
        connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's stamps are asked for")
def test_arrivals_are_timed_by_the_kernel() -> None:
    with pod(echo) as url:
        connection = opened(url)
        assert connection.kernel_times
        connection.close()


def test_nothing_stays_open_when_the_upgrade_fails_locally(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    def handle(connected: Any) -> None:
        while connected.recv(4096):
            pass
        closed.append(True)

    monkeypatch.setattr(PlainTransport, "recv", raising(MemoryError()))
    with serving(handle) as port:
        assert failure(f"ws://127.0.0.1:{port}/") == ("unknown", "local_memory")
        with gevent.Timeout(5):
            while not closed:
                gevent.sleep(0.01)
