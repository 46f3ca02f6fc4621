"""Servers that cannot be made: the messages, and that nothing stays of them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from asyncmy.errors import MySQLError
from redis.exceptions import RedisError
from server_clients import ask, count, write

from loadtests.servers import process
from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.registry import create_server, missing, product, programs

NEVER_READY = """\
#!/bin/sh
case "$*" in
*--version*) exec {real} --version ;;
*--bootstrap*|*--single*|*--boot*|*--check*) exec {real} "$@" ;;
*) echo it will be long; exec sleep 600 ;;
esac
"""


def _directory_with(engine: str, server_script: str, directory: Path) -> Path:
    """The engine's real programs, but for its server."""
    directory.mkdir()
    directory.chmod(0o755)
    real = programs(engine)
    for name in real.programs:
        (directory / name).symlink_to(real.program(name))
    server = directory / product(engine).programs[0]
    server.unlink()
    server.write_text(server_script.format(real=real.program(server.name)))
    server.chmod(0o755)
    return directory


@pytest.mark.parametrize("name", ["mariadb", "redis"])
def test_server_that_never_gets_ready_is_ended_with_its_log(
    name: str, open_directory: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"{name}_server")
    programs_of_ours = _directory_with(name, NEVER_READY, open_directory / "bin")
    monkeypatch.setenv(product(name).choice, str(programs_of_ours))
    server = create_server(name, open_directory / "server")
    monkeypatch.setattr(process, "START_S", 3.0)
    with pytest.raises(ServerUnavailable, match=r"(?s)on port \d+ was not ready after 3 s.*it will be long"):
        server.start()
    assert not server.running
    server.destroy()
    assert [p.name for p in open_directory.iterdir()] == ["bin"]


def test_a_server_that_a_signal_stopped_is_not_waited_for(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch, redis_server: DatabaseServer
) -> None:
    """For a minute, as for one that recovers from a crash."""
    script = NEVER_READY.replace("exec sleep 600", "kill -STOP $$")
    monkeypatch.setenv(product("redis").choice, str(_directory_with("redis", script, open_directory / "bin")))
    server = create_server("redis", open_directory / "server")
    with pytest.raises(ServerUnavailable, match=r"(?s)was stopped by a signal before it was ready.*it will be long"):
        server.start()
    server.destroy()
    assert [p.name for p in open_directory.iterdir()] == ["bin"]


def test_server_that_ends_at_once_is_reported_with_its_log(
    engine: str, open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = NEVER_READY.replace("echo it will be long; exec sleep 600", "echo out of luck; exit 3")
    monkeypatch.setenv(product(engine).choice, str(_directory_with(engine, script, open_directory / "bin")))
    try:
        with (
            pytest.raises(ServerUnavailable, match=r"(?s)(ended|failed).*out of luck"),
            create_server(engine, open_directory / "server"),
        ):
            pass
    finally:
        assert [p.name for p in open_directory.iterdir()] == ["bin"]


class Room(NamedTuple):
    """Disks in MB: too small to make a server on, and one that a server fills soon."""

    too_small: int
    enough: int


ROOM = {"postgres": Room(20, 120), "mariadb": Room(40, 200), "redis": Room(1, 4)}


@contextmanager
def _disk(directory: Path, size_mb: int) -> Iterator[Path]:
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_a_disk_too_small_for_a_server_is_named(
    name: str, open_directory: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"{name}_server")
    with _disk(open_directory / "disk", ROOM[name].too_small) as disk:
        with pytest.raises(ServerUnavailable, match=rf"the disk under {disk}/server is full: make room"):
            create_server(name, disk / "server")
        assert list(disk.iterdir()) == []


def test_full_disk_is_in_the_message_of_a_server(engine: str, open_directory: Path) -> None:
    with _disk(open_directory / "disk", ROOM[engine].enough) as disk, create_server(engine, disk / "server") as server:
        write(server)
        _fill(disk)
        with pytest.raises((asyncpg.PostgresError, OSError, MySQLError, RedisError)):
            for _ in range(300):
                _write_much(server)
        assert f"the disk under {disk}/server is full" in server.log_tail()
        (disk / "somebody's").unlink()
        server.kill()
        server.start()
        assert count(server) == 1  # what was answered before is there


def _fill(disk: Path) -> None:
    with suppress(OSError), (disk / "somebody's").open("wb", buffering=0) as file:
        while True:
            file.write(b"\1" * 4096)


def _write_much(server: DatabaseServer) -> None:
    """A megabyte."""
    if server.engine == "redis":
        ask(server.pod_dsn, f"RPUSH much {'x' * 2**20}")
    else:
        text = "longtext" if server.engine == "mariadb" else "text"
        ask(
            server.pod_dsn,
            f"create table if not exists much (t {text})",
            "insert into much values (repeat('x', 1000000))",
        )


def test_postgres_needs_a_name_for_its_user(monkeypatch: pytest.MonkeyPatch, postgres_server: DatabaseServer) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2**31 - 7)
    why = missing("postgres")
    assert why is not None
    assert "user id 2147483641 has none" in why
    assert "NSS_WRAPPER_PASSWD" in why
    assert missing("redis") is None or "user id" not in str(missing("redis"))
