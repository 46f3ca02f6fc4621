"""A private server's life: start, stop, kill, pause, resize, recreate, destroy."""

import os
import shutil
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from server_clients import alive, count, family, passwords, port, setting, until, write

from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.registry import create_server

CONNECTIONS = {"postgres": "max_connections", "mariadb": "max_connections", "redis": "maxclients"}
MEMORY = {"postgres": "shared_buffers", "mariadb": "innodb_buffer_pool_size", "redis": "maxmemory"}

Start = Callable[[], DatabaseServer]


def test_stop_and_kill_keep_what_was_committed_and_the_address(server: DatabaseServer) -> None:
    dsns = (server.dsn, server.pod_dsn)
    for end in (server.stop, server.kill):
        write(server)
        before = family(server)
        end()
        assert not [p for p in before if p.is_running()]
        assert not server.running
        with pytest.raises(ServerUnavailable, match="not running"):
            _ = server.pid
        server.start()
    assert ((server.dsn, server.pod_dsn), count(server)) == (dsns, 2)


def test_destroy_leaves_nothing_even_after_kill(started: Start, tmp_path: Path) -> None:
    server = started()
    server.kill()
    server.destroy()
    server.destroy()
    assert list(tmp_path.iterdir()) == []


def test_files_that_were_removed_by_hand_do_not_keep_a_server_alive(started: Start) -> None:
    server = started()
    left = family(server)
    shutil.rmtree(server.directory, ignore_errors=True)
    server.destroy()
    assert not [p for p in left if alive(p)]


def test_secrets_are_not_visible(server: DatabaseServer) -> None:
    output = repr(server) + server.log_tail() + " ".join(server.notes)
    for process in [*family(server), *psutil.Process().children(recursive=True)]:
        output += " ".join(process.cmdline())
        output += str(process.environ()) if alive(process) else ""
    files = [path for path in server.directory.rglob("*") if path.is_file()]
    record = server.directory.with_name(f"{server.directory.name}.json")
    assert len(files) > 3
    for password in passwords(server):
        assert password not in output
        assert [path for path in [*files, record] if password.encode() in path.read_bytes()] == []
    assert server.directory.stat().st_mode & 0o077 == 0
    assert record.stat().st_mode & 0o077 == 0


def test_a_directory_in_use_is_refused(engine: str, tmp_path: Path) -> None:
    (tmp_path / "somebody's").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        create_server(engine, tmp_path)


def test_starting_twice_is_refused(server: DatabaseServer) -> None:
    with pytest.raises(ServerUnavailable, match="running already"):
        server.start()


def test_port_stays_reserved_while_the_server_is_down(server: DatabaseServer) -> None:
    server.stop()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port(server)))
    server.start()


def test_stolen_port_is_reported_with_the_log_of_the_server(server: DatabaseServer) -> None:
    server.stop()
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", port(server)))
        thief.listen()
        with pytest.raises(ServerUnavailable, match=r"(?s)on port \d+ ended.*[Aa]ddress already in use"):
            server.start()
    server.start()
    assert count(server) >= 0


def test_paused_every_process_stands_still_and_then_answers(server: DatabaseServer) -> None:
    server.pause()
    try:
        assert {p.status() for p in family(server) if alive(p)} == {psutil.STATUS_STOPPED}
        assert server.running
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(count(server)))
        asking.start()
        with pytest.raises(ServerUnavailable, match="while it is paused"):
            server.resize(connections=20)
        assert answers == []
    finally:
        server.resume()
    asking.join(20)
    assert len(answers) == 1


def test_a_paused_server_can_be_stopped_and_killed(server: DatabaseServer) -> None:
    for end in (server.stop, server.kill):
        write(server)
        kept = count(server)
        server.pause()
        end()
        server.start()
        assert count(server) == kept
        with pytest.raises(ServerUnavailable, match=r"(?s)paused: it is not running"):
            end()
            server.pause()
        server.start()


def test_a_size_is_there_from_the_start_and_changes_in_mid_life(engine: str, tmp_path: Path) -> None:
    with create_server(engine, tmp_path / engine, connections=20, memory_mb=32, cores=1) as server:
        assert _size(server) == (20, 32, 1)
        write(server)
        server.resize(connections=40, memory_mb=64)
        assert (_size(server), count(server)) == ((40, 64, 1), 1)
        server.stop()
        server.resize(connections=30)
        server.start()
        assert (_size(server), count(server)) == ((30, 64, 1), 1)


def _size(server: DatabaseServer) -> tuple[int, int, int]:
    """Connections for the pod, memory in MB, cores: as the server and the kernel say."""
    reported = setting(server, MEMORY)
    memory = int(reported.removesuffix("MB")) if reported.endswith("MB") else int(reported) // 2**20
    reserved = 0 if server.engine == "mariadb" else 5  # MariaDB's come on top of what it says
    return int(setting(server, CONNECTIONS)) - reserved, memory, len(_cores(server))


def _cores(server: DatabaseServer) -> set[int]:
    """Of every thread of every process; one may end meanwhile."""
    cores: set[int] = set()
    for process in family(server):
        with suppress(FileNotFoundError):
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                with suppress(ProcessLookupError):
                    cores |= os.sched_getaffinity(int(thread.name))
    return cores


def test_cores_are_taken_and_given_back_while_it_runs(server: DatabaseServer) -> None:
    every = os.sched_getaffinity(0)
    write(server)
    before = server.pid
    server.resize(cores=1)
    assert _cores(server) == {min(every)}
    write(server)
    assert _cores(server) == {min(every)}  # also what was born since
    server.resize(cores=len(every))
    assert _cores(server) == every
    assert server.pid == before


@pytest.mark.parametrize("asked", [{"connections": 1}, {"memory_mb": 1}, {"cores": 0}, {"cores": 10_000}], ids=str)
def test_sizes_that_cannot_be_are_refused_with_what_can(server: DatabaseServer, asked: dict[str, int]) -> None:
    ((what, number),) = asked.items()
    with pytest.raises(ServerUnavailable, match=rf"{what}: {number} asked for, \d+ to \d+ is possible"):
        server.resize(**asked)


def test_recreated_it_is_empty_at_the_same_address_and_size(engine: str, tmp_path: Path) -> None:
    with create_server(engine, tmp_path / engine, connections=20, memory_mb=32, cores=1) as server:
        dsns = (server.dsn, server.pod_dsn)
        write(server)
        server.recreate()
        assert (count(server), (server.dsn, server.pod_dsn), _size(server)) == (0, dsns, (20, 32, 1))
        write(server)
        server.kill()
        server.recreate()
        assert count(server) == 0


def test_frozen_from_outside_it_is_destroyed_as_well(started: Start) -> None:
    server = started()
    frozen = psutil.Process(server.pid)
    frozen.suspend()
    server.destroy()
    assert not server.directory.exists()
    assert until(lambda: not alive(frozen))
