"""What a directory of runs must be able to do is tried, and everything that it cannot is reported at once."""

import errno
import fcntl
import mmap
import os
from pathlib import Path

import pytest

from loadtests.conductor import filesystem
from loadtests.conductor.filesystem import Contents, problems_of_directory, problems_of_name

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
