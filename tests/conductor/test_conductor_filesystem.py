"""What a directory of runs must be able to do is tried, and everything that it cannot is reported at once."""

import errno
import fcntl
import mmap
import os
from pathlib import Path

import pytest

from loadtests.conductor.preflight import filesystem
from loadtests.conductor.preflight.filesystem import Contents, problems_of_directory, problems_of_name

SMALL = Contents("20260101T000000Z-smoke", "server-01-memory--")
DATABASES = Contents("20260101T000000Z-smoke", "server-01-sqlite-sqlite", frozenset({"sqlite", "redis"}))


def failing(code):
    def fail(*_arguments, **_options):
        raise OSError(code, os.strerror(code))

    return fail


def test_plain_directory_has_no_problems_and_nothing_in_it(tmp_path):
    assert problems_of_directory(tmp_path / "a" / "b", DATABASES) == []
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_all_that_is_missing_is_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    monkeypatch.setattr(mmap, "mmap", failing(errno.ENODEV))
    monkeypatch.setattr(Path, "replace", failing(errno.EXDEV))
    (problem,) = problems_of_directory(tmp_path, DATABASES)
    for words in ("rename files (Invalid cross-device link)", "flush files to disk (Invalid argument)"):
        assert words in problem
    assert "lock files (No locks available)" in problem
    assert "map files into shared memory (No such device)" in problem
    assert str(tmp_path) in problem
    assert list(tmp_path.iterdir()) == []


def test_what_no_database_needs_is_not_demanded(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    monkeypatch.setattr(mmap, "mmap", failing(errno.ENODEV))
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    assert problems_of_directory(tmp_path, SMALL) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk under"),
        (errno.EDQUOT, "the disk under"),
        (errno.EROFS, "cannot write there: Read-only file system"),
        (errno.EACCES, "cannot write there: Permission denied"),
    ],
)
def test_directory_that_takes_nothing_is_named(tmp_path, monkeypatch, code, words):
    monkeypatch.setattr(Path, "write_bytes", failing(code))
    (problem,) = problems_of_directory(tmp_path, SMALL)
    assert words in problem
    assert str(tmp_path) in problem
    assert list(tmp_path.iterdir()) == []


def test_room_for_new_databases_is_demanded(tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)
    few = os.statvfs_result((*real[:4], 100 * 2**20 // real.f_frsize, *real[5:]))
    monkeypatch.setattr(filesystem.os, "statvfs", lambda _: few)
    assert problems_of_directory(tmp_path, SMALL) == []
    two = Contents("study", "inner", frozenset({"mariadb", "postgres"}))
    (problem,) = problems_of_directory(tmp_path, two)
    assert "100.0 MB are free there, 180.5 MB needed to begin" in problem


def test_names_too_long_for_the_file_system_are_refused(tmp_path):
    (problem,) = problems_of_directory(tmp_path, Contents("s" * 300, "inner"))
    assert "too long" in problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "refused"), [(0o777, True), (0o733, True), (0o1777, False), (0o755, False), (0o700, False)]
)
def test_directory_that_all_users_can_write_in_is_refused(tmp_path, mode, refused):
    """They could exchange a study for links to files of ours; not where the sticky bit is set."""
    runs = tmp_path / "runs"
    runs.mkdir()
    runs.chmod(mode)
    problems = problems_of_directory(runs, SMALL)
    assert bool(problems) == refused
    if refused:
        assert f"--runs {runs}: other users can write there (mode {mode:04o})" in problems[0]
    assert list(runs.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make directories of another user")
@pytest.mark.parametrize("way", ["directory", "link"])
def test_directory_of_another_user_is_refused(tmp_path, monkeypatch, way):
    """As at a predictable place in a shared directory, where that user came first."""
    runs, own = tmp_path / "runs", tmp_path / "own"
    own.mkdir()
    if way == "directory":
        runs.mkdir()
    else:
        runs.symlink_to(own)
    os.chown(runs, 65534, 65534, follow_symlinks=False)
    (problem,) = problems_of_directory(runs, SMALL)
    assert f"--runs {runs}: it belongs to user 65534" in problem
    monkeypatch.setenv("SUDO_UID", "65534")
    assert problems_of_directory(runs, SMALL) == [], "the user who called us as root"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make directories of another group")
def test_directory_that_a_group_can_write_in_is_refused_for_root(tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    os.chown(runs, 0, 65534)
    runs.chmod(0o770)
    (problem,) = problems_of_directory(runs, SMALL)
    assert "other users can write there (mode 0770)" in problem


@pytest.mark.parametrize("readers", ["owner", "group", "all"])
def test_chosen_readers_are_no_missing_modes(tmp_path, monkeypatch, readers):
    monkeypatch.setenv("LOADTESTS_READERS", readers)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o777)
    assert len(problems_of_directory(tmp_path / "runs", SMALL)) == 1


def test_file_system_without_modes_is_not_judged_by_them(tmp_path, monkeypatch):
    """As vfat or a network share, where all that is made belongs to one user and is open."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o777)
    real = os.fchmod
    monkeypatch.setattr(os, "fchmod", lambda descriptor, _mode: real(descriptor, 0o777))
    assert problems_of_directory(tmp_path / "runs", SMALL) == []


def test_path_too_long_for_sqlite_is_refused(tmp_path):
    runs = tmp_path / "/".join(["y" * 100] * 5)
    assert problems_of_directory(runs, SMALL) == []
    (problem,) = problems_of_directory(runs, DATABASES)
    assert "SQLite takes paths of 500 bytes" in problem


@pytest.mark.parametrize("name", ["a b", "a:b", "a\tb", "'\"`$%\\#[]", "ü", "u\u0308", "-a", "~"])
def test_odd_names_are_allowed(name):
    assert problems_of_name(Path("/x") / name) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a\nb", r"control character '\n'"),
        ("a\rb", r"control character '\r'"),
        ("\x1b[2J", r"control character '\x1b'"),
        (os.fsdecode(b"a\xffb"), "byte 0xff"),
    ],
)
def test_character_that_cannot_be_printed_is_named(name, words):
    (problem,) = problems_of_name(Path("/x") / name)
    assert words in problem
    assert "\n" not in problem
    assert ascii(f"/x/{name}") in problem
