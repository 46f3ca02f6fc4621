"""Servers live wherever a directory can be: odd characters, long paths, file systems without owners, no /tmp."""

import contextlib
import errno
import fcntl
import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from server_clients import count, write

from loadtests.servers import home, leftovers, record
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.registry import create_server

ODD = [
    'My Runs -a:b #c\'d "e" %s $HOME `id` a[b] *?; ~ a\\b a\\nb {x},=&| ü u\u0308',
    "a\nb\tc",
    os.fsdecode(b"a\xffb"),
    "-a",
]


def open_files(pid: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(descriptor.readlink()))
    return found


@pytest.mark.server
@pytest.mark.parametrize("name", ODD)
def test_server_lives_in_odd_directory(engine, open_directory, name):
    directory = open_directory / name / f"server-{name}"
    with create_server(engine, directory) as server:
        assert server.notes == []
        assert server.directory == directory
        write(server)
        server.stop()
        server.start()
        assert count(server) == 1
        opened = open_files(server.pid)
        strangers = [p for p in opened if p.startswith("/") and not p.startswith((str(directory), "/dev/", "/memfd:"))]
        assert strangers == []
        server.recreate()
        assert count(server) == 0
    assert list((open_directory / name).iterdir()) == []


@pytest.mark.server
def test_server_in_a_long_path_lives_elsewhere_or_there(engine, open_directory):
    directory = open_directory.joinpath(*["y" * 100] * 12) / "server"
    with create_server(engine, directory) as server:
        write(server)
        assert count(server) == 1
        if engine == "redis":
            assert server.directory == directory
        else:
            (note,) = server.notes
            assert f"and {directory} has {len(str(directory))}" in note
            elsewhere = server.directory
    assert list(directory.parent.iterdir()) == []
    assert engine == "redis" or not elsewhere.exists()


@pytest.mark.server
def test_server_leaves_a_file_system_without_owners(engine, open_directory, monkeypatch):
    """As on exFAT, vfat or a network share; the temporary directory keeps owners."""

    real = os.fchmod

    def chmod(descriptor, mode):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_relative_to(open_directory):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        real(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", chmod)
    with create_server(engine, open_directory / "server") as server:
        (note,) = server.notes
        assert "keeps no modes or owners" in note
        assert server.directory.stat().st_mode & 0o777 == 0o700
        write(server)
        assert count(server) == 1
        elsewhere = server.directory
    assert not elsewhere.exists()
    assert list(open_directory.iterdir()) == []


@pytest.mark.server
def test_server_needs_no_temporary_directory(engine, open_directory, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/directory")
    monkeypatch.setenv("TMPDIR", "/no/such/directory")
    with create_server(engine, open_directory / "server") as server:
        write(server)
        assert count(server) == 1


def test_no_place_at_all_is_explained(open_directory, monkeypatch, request):
    request.getfixturevalue("redis_server")
    monkeypatch.setattr(home, "private", lambda *_: False)
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/directory")
    with pytest.raises(ServerUnavailable, match="keeps no modes or owners, and there is no temporary directory"):
        create_server("redis", open_directory / "server")
    assert list(open_directory.iterdir()) == []


def test_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(ServerUnavailable, match="cannot be locked: No locks available"):
        record.Record(tmp_path / "server", "redis")
    assert list(tmp_path.iterdir()) == []


def test_record_that_cannot_be_locked_is_left_alone(tmp_path, monkeypatch):
    """It may belong to a harness that runs."""
    of_another = record.Record(tmp_path / "server", "redis")
    (tmp_path / "server").mkdir()
    os.close(of_another.descriptor)

    def no_locks(*_):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert leftovers.remove_leftovers(tmp_path) == []
    assert (tmp_path / "server").is_dir()
    monkeypatch.undo()
    assert leftovers.remove_leftovers(tmp_path) != []
    assert list(Path(tmp_path).iterdir()) == []


def test_left_server_is_known_though_the_clock_was_set(tmp_path, monkeypatch):
    """The start of a process in seconds since the epoch moves with the clock; the kernel's own account does not."""
    with subprocess.Popen(["sleep", "600"]) as left:
        own = record.Record(tmp_path / "server", "redis")
        own.started(left.pid)
        facts = record.facts_of((tmp_path / "server.json").read_text())
        assert facts is not None
        assert facts.process is not None
        real = psutil.Process.create_time
        monkeypatch.setattr(psutil.Process, "create_time", lambda process: real(process) + 3600)
        assert record.still_there(facts.process) is not None
        earlier = replace(facts.process, ticks=facts.process.ticks - 1)
        assert record.still_there(earlier) is None
        assert record.still_there(replace(facts.process, boot="another")) is None
        assert record.still_there(replace(facts.process, ticks=None, boot="")) is None
        own.close()  # ends it
        assert left.poll() is not None
