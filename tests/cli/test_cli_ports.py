"""Ports in use by another process: one line that names the port, and 69."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from loadtests.conductor.ports import free_port, problems_of_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    "arguments",
    [
        "run smoke --storage memory --master --expect-workers 1 --bind 127.0.0.1:{port}",
        "ui --port {port}",
        "pod --port {port}",
    ],
)
def test_a_port_that_is_taken_is_named(arguments, taken, tmp_path):
    command = [sys.executable, "-m", "loadtests", *arguments.format(port=taken).split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == 69, done.stderr
    assert str(taken) in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_what_keeps_us_from_a_port(taken):
    assert problems_of_port("--port", "127.0.0.1", free_port()) == []
    assert problems_of_port("--port", "*", free_port()) == []
    assert "Address already in use" in problems_of_port("--port", "127.0.0.1", taken)[0]
    assert "Cannot assign" in problems_of_port("--bind", "192.0.2.1", 0)[0]


def test_free_port_is_for_a_child_only():
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with socket.socket() as locusts:
        locusts.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        locusts.bind(("127.0.0.1", port))
        locusts.listen()
