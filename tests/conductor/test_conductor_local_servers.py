"""Which process serves an address, with real ones that listen."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import psutil
import pytest

from loadtests.conductor.choices import Target
from loadtests.conductor.run.local_servers import served_here
from loadtests.probes.contract import Database
from loadtests.servers.contract import DatabaseServer

LISTEN = "import os, socket; s = socket.create_server(('127.0.0.1', 0), reuse_port=True)"
TWO_CHILDREN = "parent = os.getpid(); children = [os.fork(), os.getpid() == parent and os.fork()]"
SHOW_PORT = "print(s.getsockname()[1], flush=True)"
SERVES = {
    "alone": f"{LISTEN}; {SHOW_PORT}; input()",
    "pre-forked": f"{LISTEN}; {TWO_CHILDREN}; all(children) and {SHOW_PORT}; input()",
    "children only": f"{LISTEN}; {TWO_CHILDREN}; all(children) and ({SHOW_PORT}, s.close()); input()",
}


@contextmanager
def serving(program: str) -> Iterator[tuple[int, ...]]:
    """Process and ports, until the block is left."""
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        ports = [int(process.stdout.readline()) for _ in range(program.count("print("))]
        yield process.pid, *ports
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def pids(url: str, *databases: Database, dsns: dict[str, str] | None = None) -> list[tuple[str, str, int | None]]:
    return [(its.role, its.name, its.pid) for its in served_here(Target(url, "", databases), "pod-1", dsns or {})]


@pytest.mark.parametrize("program", SERVES.values(), ids=SERVES)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_is_the_process_that_started_those_that_listen(program: str, host: str) -> None:
    with serving(program) as (pid, port):
        assert pids(f"ws://{host}:{port}/") == [("pod", "pod-1", pid)]


def test_a_server_on_another_host_is_none_of_this_one() -> None:
    assert pids("ws://192.0.2.1:80/") == []


def test_where_nothing_listens_or_this_process_does_no_process_is_named() -> None:
    with serving(SERVES["alone"]) as (_, port):
        pass
    assert pids(f"ws://127.0.0.1:{port}/") == [("pod", "pod-1", None)]
    with socket.create_server(("127.0.0.1", 0)) as own:
        assert pids(f"ws://127.0.0.1:{own.getsockname()[1]}/") == [("pod", "pod-1", None)]


def test_what_is_below_another_process_counts_once() -> None:
    """A pod that starts its database itself."""
    program = f"{LISTEN}; t = socket.create_server(('127.0.0.1', 0)); {SHOW_PORT}; "
    program += "print(t.getsockname()[1], flush=True); os.fork() and t.close(); input()"
    with serving(program) as (pid, port, below):
        redis = Database("below", "redis")
        found = pids(f"ws://127.0.0.1:{port}/", redis, dsns={"below": f"redis://127.0.0.1:{below}/0"})
    assert found == [("pod", "pod-1", pid)]


@pytest.mark.parametrize("error", [PermissionError(13, "/proc/net/tcp"), RuntimeError("cannot parse"), psutil.Error()])
def test_sockets_that_are_not_listed_name_no_process(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "net_connections", Mock(side_effect=error))
    assert pids("ws://127.0.0.1:80/") == [("pod", "pod-1", None)]


@pytest.mark.server
def test_a_database_is_found_by_port_and_by_socket(postgres_server: DatabaseServer) -> None:
    with serving(SERVES["alone"]) as (pid, port):
        found = pids(f"ws://127.0.0.1:{port}/", Database("orders", "postgres"), dsns={"orders": postgres_server.dsn})
    assert found == [("pod", "pod-1", pid), ("database", "orders", postgres_server.pid)]
