"""A network that is cut: bytes pass, are held, or the connection is reset, on real sockets."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

import pytest


class Echo:
    """A server that sends back what it gets."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._echo, args=(self._listener.accept()[0],), daemon=True).start()

    @staticmethod
    def _echo(connection):
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def close(self):
        self._listener.close()


class ProxyProcess:
    def __init__(self, port):
        read_end, write_end = os.pipe()
        argv = [sys.executable, "-m", "loadtests.timeline.proxy", "--port", str(port), "--ready-fd", str(write_end)]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[write_end]
        )
        os.close(write_end)
        with os.fdopen(read_end) as ready:
            self.port = json.loads(ready.readline())["port"]

    def order(self, word):
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == word

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.settimeout(10)
        return connection

    def close(self):
        """Returns the exit code."""
        self._process.stdin.close()
        code = self._process.wait(10)
        self._process.stdout.close()
        return code


@pytest.fixture
def proxy():
    echo = Echo()
    proxy = ProxyProcess(echo.port)
    yield proxy
    assert proxy.close() == 0
    echo.close()


def output(connection, words):
    connection.sendall(words)
    return connection.recv(65536)


def test_bytes_pass_both_ways(proxy):
    with proxy.connect() as connection:
        assert output(connection, b"hello") == b"hello"
        assert output(connection, b"again") == b"again"


def test_a_reset_ends_connections_with_an_error_and_new_ones_too(proxy):
    with proxy.connect() as connection:
        assert output(connection, b"hello") == b"hello"
        proxy.order("reset")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with pytest.raises(ConnectionResetError), proxy.connect() as another:
        another.sendall(b"hello")
        another.recv(1)
    proxy.order("pass")
    with proxy.connect() as after:
        assert output(after, b"hello") == b"hello"


def test_a_black_hole_swallows_nothing_but_passes_nothing(proxy):
    with proxy.connect() as connection:
        assert output(connection, b"hello") == b"hello"
        proxy.order("blackhole")
        connection.sendall(b"held")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        proxy.order("pass")
        assert connection.recv(65536) == b"held"


def test_an_end_on_one_side_ends_the_other(proxy):
    with proxy.connect() as connection:
        assert output(connection, b"hello") == b"hello"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
