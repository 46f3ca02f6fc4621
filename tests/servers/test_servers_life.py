"""A private server's life: start, stop, kill, destroy; and its end when its owner is killed."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

import loadtests
from loadtests.servers.postgres import PostgresServer, ServerUnavailable

OWNER = """
import sys, time
from pathlib import Path
from loadtests.servers.postgres import PostgresServer
server = PostgresServer.create(Path(sys.argv[1]))
server.start()
print(server.pid, server.directory, flush=True)
time.sleep(600)
"""


async def _query(dsn: str, sql: str) -> Any:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def ask(server: PostgresServer, sql: str) -> Any:
    return asyncio.run(_query(server.dsn, sql))


def until(true: Callable[[], bool], within_s: float = 20) -> bool:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def segment(server: PostgresServer) -> str:
    """The id of the System V shared memory of a server that runs."""
    return (server.directory / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]


def segments() -> set[str]:
    """Those of this machine, by id."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {line.split()[1] for line in lines}


@pytest.fixture(scope="module")
def server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """One to be hurt; every test leaves it running. In a directory that every user can enter, unlike pytest's own.

    (The session's server is asked for because it skips where there is no PostgreSQL.)
    """
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    try:
        with PostgresServer.create(directory / "servers" / "postgres") as own:
            yield own
        assert list((directory / "servers").iterdir()) == []
    finally:
        shutil.rmtree(directory)


def test_stop_and_kill_keep_what_was_committed_and_the_address(server: PostgresServer) -> None:
    dsn = server.dsn
    ask(server, "create table kept (n int)")
    for end in (server.stop, server.kill):
        ask(server, "insert into kept values (1)")
        before = psutil.Process(server.pid)
        family = [before, *before.children(recursive=True)]
        end()
        assert not [p for p in family if p.is_running()]
        with pytest.raises(ServerUnavailable):
            _ = server.pid
        server.start()
    assert (server.dsn, ask(server, "select count(*) from kept")) == (dsn, 2)


def test_destroy_leaves_nothing_even_after_kill(tmp_path: Path, postgres_server: PostgresServer) -> None:
    server = PostgresServer.create(tmp_path / "postgres")
    server.start()
    memory = segment(server)
    assert memory in segments()
    server.kill()
    server.destroy()
    server.destroy()
    assert list(tmp_path.iterdir()) == []
    assert memory not in segments()


def test_secrets_stay_out_of_sight(server: PostgresServer) -> None:
    passwords = [dsn.split(":")[2].split("@")[0] for dsn in (server.dsn, server.pod_dsn)]
    said = repr(server) + server.log_tail() + " ".join(server.notes)
    for process in [psutil.Process(server.pid), *psutil.Process().children(recursive=True)]:
        said += " ".join(process.cmdline())
    assert [p for p in passwords if p in said] == []


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "somebody's").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        PostgresServer.create(tmp_path)


def test_starting_twice_is_refused(server: PostgresServer) -> None:
    with pytest.raises(ServerUnavailable, match="running already"):
        server.start()


def test_the_port_is_nobody_elses_while_the_server_is_down(server: PostgresServer) -> None:
    server.stop()
    port = int(server.dsn.split(":")[3].split("/")[0])
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    server.start()


def test_a_port_taken_by_force_is_told_with_the_servers_own_words(server: PostgresServer) -> None:
    server.stop()
    port = int(server.dsn.split(":")[3].split("/")[0])
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", port))
        thief.listen()
        with pytest.raises(ServerUnavailable, match=r"Address already in use"):
            server.start()
    server.start()
    assert ask(server, "select 1") == 1


def _owner(directory: Path) -> tuple[subprocess.Popen[str], psutil.Process, Path]:
    """A process that owns a running server; that server; where it lives."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(directory)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    pid, _, home = owner.stdout.readline().strip().partition(" ")
    return owner, psutil.Process(int(pid)), Path(home)


def test_a_frozen_server_is_gone_too_and_its_memory_with_it(tmp_path: Path, postgres_server: PostgresServer) -> None:
    server = PostgresServer.create(tmp_path / "postgres")
    server.start()
    memory = segment(server)
    psutil.Process(server.pid).suspend()
    server.destroy()
    assert not server.directory.exists()
    assert memory not in segments()


def test_server_is_gone_with_its_killed_owner(tmp_path: Path, postgres_server: PostgresServer) -> None:
    owner, postmaster, home = _owner(tmp_path / "postgres")
    family = [*postmaster.parents()[:1], postmaster, *postmaster.children(recursive=True)]
    assert home.is_dir()
    owner.kill()
    owner.wait()
    assert owner.stdout
    owner.stdout.close()
    assert until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family))
    assert until(lambda: not home.exists())
    assert len(family) > 5


def test_server_is_gone_with_its_killed_guardian(tmp_path: Path, postgres_server: PostgresServer) -> None:
    server = PostgresServer.create(tmp_path / "postgres")
    server.start()
    postmaster = psutil.Process(server.pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    guardian = postmaster.parent()
    assert guardian is not None
    guardian.kill()
    assert until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family))
    with pytest.raises(ServerUnavailable, match="guardian"):
        server.stop()
    home = server.directory
    server.destroy()
    assert not home.exists()


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a server to another user")


@root_only
def test_root_hands_the_server_to_an_ordinary_user(server: PostgresServer) -> None:
    assert psutil.Process(server.pid).uids().effective != 0
    assert server.directory.name == "postgres"  # where it was asked for
    assert server.notes == []


@root_only
def test_a_closed_home_moves_the_server_out_and_says_where(tmp_path: Path, postgres_server: PostgresServer) -> None:
    tmp_path.chmod(0o700)
    server = PostgresServer.create(tmp_path / "study" / "postgres")
    with server:
        record = json.loads((tmp_path / "study" / "postgres.json").read_text())
        assert Path(record["directory"]) == server.directory
        assert tmp_path not in server.directory.parents
        assert "cannot write" in server.notes[0]
        assert ask(server, "select 1") == 1
    assert not server.directory.exists()
    assert list((tmp_path / "study").iterdir()) == []


@root_only
def test_an_ordinary_user_needs_nobody_else(postgres_server: PostgresServer) -> None:
    """As `nobody`, with an interpreter that it can run: root's own may be in a home that is closed."""
    home = Path(f"/tmp/loadtests-nobody-{os.getpid()}")
    home.mkdir()
    shutil.chown(home, "nobody")
    code = OWNER.replace("time.sleep(600)", "server.destroy()")
    as_nobody: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/"}
    paths = [str(Path(loadtests.__file__).parents[1]), str(Path(asyncpg.__file__).parents[1])]
    as_nobody |= {"env": {**os.environ, "PYTHONPATH": ":".join(paths)}, "capture_output": True, "text": True}
    try:
        if not (python := _reachable(as_nobody)):
            pytest.skip("nobody can run no interpreter here that is recent enough")
        done = subprocess.run([python, "-c", code, str(home / "postgres")], check=False, **as_nobody)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.split()[1] == str(home / "postgres")
        assert list(home.iterdir()) == []
    finally:
        shutil.rmtree(home)


def _reachable(options: dict[str, Any]) -> str | None:
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(PermissionError, FileNotFoundError):
            if (
                subprocess.run(
                    [python, "-c", "import loadtests, typing; typing.Self"], check=False, **options
                ).returncode
                == 0
            ):
                return python
    return None


def test_interrupting_the_owner_does_not_reach_the_server(server: PostgresServer) -> None:
    guardian = psutil.Process(server.pid).parent()
    assert guardian is not None
    assert os.getpgid(guardian.pid) != os.getpgid(0)
    os.killpg(os.getpgid(server.pid), signal.SIGCONT)
    assert ask(server, "select 1") == 1
