"""Limits of the host that a server would have to take: refused before it starts, raised, read back."""

import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from server_clients import setting

from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.private import PrivateServer
from loadtests.servers.registry import create_server

CONNECTIONS = {"postgres": "max_connections", "mariadb": "max_connections", "redis": "maxclients"}

_UNDER_LIMITS = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024))
from loadtests.servers.registry import create_server
with create_server(sys.argv[1], Path(sys.argv[2]), connections=int(sys.argv[3])) as server:
    print(dict(server.limits))
    try:
        server.resize(connections=2000)
    except Exception as error:
        print(type(error).__name__, error)
    print(dict(server.limits))
"""


def _under_limits(engine: str, directory: Path, connections: int) -> subprocess.CompletedProcess[str]:
    """A server of a process that may have 256 files open, or 1024 when it asks."""
    argv = [sys.executable, "-c", _UNDER_LIMITS, engine, str(directory), str(connections)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.parametrize(("engine", "needed"), [("mariadb", 2105), ("redis", 2037)])
def test_more_connections_than_files_are_refused_before_the_start(
    engine: str, needed: int, open_directory: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"{engine}_server")
    done = _under_limits(engine, open_directory / "server", 2000)
    assert done.returncode == 1
    assert f": 2000 connections need {needed} open files, and the hard limit allows 1024: raise it (" in done.stderr
    assert list(open_directory.iterdir()) == []


@pytest.mark.parametrize("engine", ["mariadb", "redis"])
def test_soft_limit_is_raised_and_growth_beyond_the_hard_one_is_refused(
    engine: str, open_directory: Path, request: pytest.FixtureRequest
) -> None:
    """With the soft limit of 256 neither would take 500 connections."""
    request.getfixturevalue(f"{engine}_server")
    started, refused, after = _under_limits(engine, open_directory / "server", 500).stdout.splitlines()
    assert "'connections': 500" in started
    assert "'open_files': 1024" in started
    assert refused.startswith("ServerUnavailable")
    assert "the hard limit allows 1024" in refused
    assert after == started


def test_sessions_of_postgres_need_no_more_files(open_directory: Path, postgres_server: DatabaseServer) -> None:
    started, resized = _under_limits("postgres", open_directory / "server", 500).stdout.splitlines()
    assert "'connections': 500" in started
    assert "'connections': 2000" in resized


def test_limits_are_those_that_the_server_reports(engine: str, open_directory: Path) -> None:
    with create_server(engine, open_directory / "server", connections=30) as server:
        assert server.limits["connections"] == 30
        assert server.limits[CONNECTIONS[engine]] == int(setting(server, CONNECTIONS))
        server.resize(connections=60)
        assert server.limits["connections"] == 60
        assert server.limits[CONNECTIONS[engine]] == int(setting(server, CONNECTIONS))


def test_server_that_takes_less_than_it_was_asked_is_no_server(
    engine: str, open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = create_server(engine, open_directory / "server", connections=30)
    monkeypatch.setattr(type(server), "_read_limits", lambda self: {"connections": 29})
    try:
        with pytest.raises(ServerUnavailable, match=r"takes 29 connections of the 30 that were asked for"):
            server.start()
        assert not server.running
    finally:
        server.destroy()


def test_limit_of_a_server_that_has_ended_is_unavailable() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    server = Mock(spec=PrivateServer, pid=ended.pid)
    server._title.return_value = "PostgreSQL 15.1"
    server._home = Mock()
    server._home.explained.return_value = ""
    with pytest.raises(ServerUnavailable, match=r"PostgreSQL 15\.1 has ended"):
        PrivateServer._open_files(server)
