"""However a harness ends, its servers and their files do not stay."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from server_clients import alive, count, family, gone, until

import loadtests
from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.leftovers import remove_leftovers
from loadtests.servers.registry import create_server

OWNER = """
import sys, time
from pathlib import Path
from loadtests.servers.registry import create_server
server = create_server(sys.argv[1], Path(sys.argv[2]))
server.start()
print(server.pid, server.directory, flush=True)
time.sleep(600)
"""

Start = Callable[[], DatabaseServer]


@dataclass
class Owned:
    """A process that owns a running server, its supervisor, the server's processes, and where it lives."""

    owner: subprocess.Popen[str]
    supervisor: psutil.Process
    server: list[psutil.Process]
    home: Path


@contextmanager
def owned(engine: str, directory: Path) -> Iterator[Owned]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, engine, str(directory)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        pid, _, home = owner.stdout.readline().strip().partition(" ")
        first = psutil.Process(int(pid))
        supervisor = first.parent()
        assert supervisor is not None
        yield Owned(owner, supervisor, [first, *first.children(recursive=True)], Path(home))
        owner.kill()


def test_server_is_gone_with_its_killed_owner(engine: str, tmp_path: Path) -> None:
    with owned(engine, tmp_path / "server") as it:
        assert it.home.is_dir()
        it.owner.kill()
        assert gone([it.supervisor, *it.server])
        assert until(lambda: list(tmp_path.iterdir()) == [])
        assert not it.home.exists()


def test_server_ends_with_its_killed_supervisor(started: Start) -> None:
    server = started()
    left = family(server)
    supervisor = left[0].parent()
    assert supervisor is not None
    supervisor.kill()
    assert gone(left)
    assert not server.running
    with pytest.raises(ServerUnavailable, match="supervisor"):
        server.stop()
    server.destroy()
    assert not server.directory.exists()


def test_stopped_supervisor_is_continued(started: Start) -> None:
    server = started()
    supervisor = family(server)[0].parent()
    assert supervisor is not None
    supervisor.suspend()
    assert server.running, "an order is answered"
    supervisor.suspend()
    server.destroy()
    assert gone([supervisor])
    assert not server.directory.exists()


def _kill_both(it: Owned) -> None:
    """The server is paused, so that the death signal which PostgreSQL gets from its supervisor does not reach it."""
    it.server[0].suspend()
    it.owner.send_signal(signal.SIGSTOP)  # else the supervisor's death is noticed
    it.supervisor.kill()
    it.owner.kill()
    it.owner.wait()
    assert gone([it.supervisor])  # until then it has the record


def test_remains_of_killed_supervisor_and_owner_are_removed(engine: str, tmp_path: Path) -> None:
    with owned(engine, tmp_path / "study" / "server") as it:
        _kill_both(it)
        assert it.home.is_dir()
        done = remove_leftovers(tmp_path)
        assert gone(it.server)
    assert not it.home.exists()
    assert list((tmp_path / "study").iterdir()) == []
    assert any(sentence == f"removed {it.home}" for sentence in done)
    assert remove_leftovers(tmp_path) == []


def test_a_paused_postgres_that_was_left_is_ended_with_its_memory(
    postgres_server: DatabaseServer, tmp_path: Path
) -> None:
    with owned("postgres", tmp_path / "server") as it:
        memory = (it.home / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]
        assert memory in segments()
        _kill_both(it)
        assert alive(it.server[0])
        assert remove_leftovers(tmp_path)[0] == f"ended postgres (process {it.server[0].pid})"
        assert gone(it.server)
        assert memory not in segments()


def segments() -> set[str]:
    """The System V shared memory of this machine, by id."""
    return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def test_a_frozen_postgres_frees_its_memory(postgres_server: DatabaseServer, tmp_path: Path) -> None:
    server = create_server("postgres", tmp_path / "postgres")
    server.start()
    memory = (server.directory / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]
    assert memory in segments()
    psutil.Process(server.pid).suspend()
    server.destroy()
    assert memory not in segments()


def test_a_server_in_use_is_left_alone(server: DatabaseServer) -> None:
    assert remove_leftovers(server.directory.parent) == []
    assert remove_leftovers(server.directory.parent.parent) == []
    assert count(server) >= 0


def _left_record(directory: Path, process: dict[str, Any] | None, kind: str = "private database server") -> Path:
    (directory / "data").mkdir(parents=True)
    record = directory.with_name(f"{directory.name}.json")
    facts = {"kind": kind, "engine": "redis", "directory": str(directory), "reason": None, "process": process}
    record.write_text(json.dumps(facts))
    return record


def _described(process: psutil.Process) -> dict[str, Any]:
    return {"pid": process.pid, "started": process.create_time(), "argv": process.cmdline()}


@pytest.mark.parametrize(
    "other", [{"started": time.time() - 3600}, {"argv": ["redis-server", "/gone"]}], ids=["its start", "its command"]
)
def test_a_process_that_got_the_number_of_a_dead_server_lives(tmp_path: Path, other: dict[str, Any]) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        _left_record(tmp_path / "server", _described(psutil.Process(stranger.pid)) | other)
        assert remove_leftovers(tmp_path) == [f"removed {tmp_path / 'server'}"]
        assert stranger.poll() is None
        stranger.kill()


def test_other_documents_and_directories_are_nobodys_leftovers(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    record = _left_record(tmp_path / "server", None)
    record.write_text(record.read_text().replace(str(tmp_path / "server"), str(precious)))
    _left_record(tmp_path / "verdict", None, kind="a verdict")
    (tmp_path / "cut.json").write_text('{"kind": "private database ser')
    assert remove_leftovers(tmp_path) == [f"removed {tmp_path / 'server'}"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.json", "precious", "verdict", "verdict.json"]


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a server to another user")


@root_only
def test_root_runs_the_server_as_an_ordinary_user(server: DatabaseServer) -> None:
    assert psutil.Process(server.pid).uids().effective != 0
    assert server.directory.name == server.engine  # where it was asked for
    assert server.notes == []


@root_only
def test_inaccessible_home_moves_the_server_and_is_noted(engine: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with create_server(engine, tmp_path / "study" / "server") as server:
        record = json.loads((tmp_path / "study" / "server.json").read_text())
        assert Path(record["directory"]) == server.directory
        assert tmp_path not in server.directory.parents
        assert "cannot write" in record["reason"]
        assert "cannot write" in server.notes[0]
        assert count(server) == 0
    assert not server.directory.exists()
    assert list((tmp_path / "study").iterdir()) == []


@root_only
def test_a_server_that_moved_out_is_found_by_its_record(redis_server: DatabaseServer, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with owned("redis", tmp_path / "study" / "server") as it:
        assert tmp_path not in it.home.parents
        _kill_both(it)
        assert f"removed {it.home}" in remove_leftovers(tmp_path)
    assert not it.home.exists()


@root_only
def test_ordinary_user_needs_no_other_user(engine: str) -> None:
    """As `nobody`, with an interpreter that it can run: root's own may be in a home that is closed."""
    home = Path(f"/tmp/loadtests-nobody-{os.getpid()}")
    home.mkdir()
    shutil.chown(home, "nobody")
    code = OWNER.replace("time.sleep(600)", "server.destroy()")
    unprivileged: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/"}
    paths = [str(Path(loadtests.__file__).parents[1]), str(Path(asyncpg.__file__).parents[1])]
    unprivileged |= {"env": {**os.environ, "PYTHONPATH": ":".join(paths)}, "capture_output": True, "text": True}
    try:
        if not (python := _reachable(engine, unprivileged)):
            pytest.skip("the user nobody can run no interpreter here that is recent enough for us and the driver")
        done = subprocess.run([python, "-c", code, engine, str(home / "server")], check=False, **unprivileged)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.split()[1] == str(home / "server")
        assert list(home.iterdir()) == []
    finally:
        shutil.rmtree(home)


def _reachable(engine: str, options: dict[str, Any]) -> str | None:
    code = f"import loadtests.servers.{engine}.server, typing; typing.Self"
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(PermissionError, FileNotFoundError):
            if subprocess.run([python, "-c", code], check=False, **options).returncode == 0:
                return python
    return None


def test_interrupting_the_owner_does_not_reach_the_server(server: DatabaseServer) -> None:
    supervisor = psutil.Process(server.pid).parent()
    assert supervisor is not None
    assert os.getpgid(supervisor.pid) != os.getpgid(0)
    os.killpg(os.getpgid(server.pid), signal.SIGCONT)
    assert count(server) >= 0
