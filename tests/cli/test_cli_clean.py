"""`loadtests clean`, and `loadtests run` before it begins: leftovers of killed harnesses are removed and reported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.servers.contract import DatabaseServer
from loadtests.servers.record import Record
from loadtests.servers.registry import create_server


def loadtests(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What a killed harness left of a server but its processes: the directory, and a record that is not locked."""
    directory = tmp_path / "runs" / "20240702T120000Z-study" / "server-01-postgres"
    (directory / "data").mkdir(parents=True)
    os.close(Record(directory, "postgres").descriptor)
    return directory


def test_clean_removes_leftovers_and_reports_them(left: Path, tmp_path: Path) -> None:
    done = loadtests("clean", "--runs", str(tmp_path / "runs"))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"removed {left}\n", "")
    assert list(left.parent.iterdir()) == []
    again = loadtests("clean", "--runs", str(tmp_path / "runs"))
    assert (again.returncode, again.stdout) == (0, f"nothing was left in {tmp_path / 'runs'}\n")


def test_clean_lets_a_running_server_be(redis_server: DatabaseServer, tmp_path: Path) -> None:
    with create_server("redis", tmp_path / "runs" / "study" / "server") as server:
        done = loadtests("clean", "--runs", str(tmp_path / "runs"))
        assert done.stdout == f"nothing was left in {tmp_path / 'runs'}\n"
        assert server.running


def test_a_directory_that_cannot_be_removed_is_named_and_ends_in_69(left: Path, tmp_path: Path) -> None:
    """One that is a mount point or belongs to another user; here a file that was put in its place as a link."""
    (left / "data").rmdir()
    left.rmdir()
    left.symlink_to(tmp_path)
    done = loadtests("clean", "--runs", str(tmp_path / "runs"))
    assert (done.returncode, done.stdout) == (69, f"could not remove {left}\n")
    assert tmp_path.is_dir()


def test_run_removes_leftovers_first_and_reports_them(
    left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = loadtests("run", "smoke", "--storage", "memory", "--runs", str(tmp_path / "runs"), "--bind", "127.0.0.1:1")
    assert done.returncode == 64  # refused before anything is touched
    assert left.exists()
    target = ("--target", "ws://127.0.0.1:1", "--label", "nobody")
    monkeypatch.setenv("LOADTESTS_TOKEN_SECRET", "secret")
    done = loadtests("run", "smoke", *target, "--runs", str(tmp_path / "runs"))
    assert done.returncode == 69
    assert done.stderr.splitlines()[0] == f"left by a harness that was killed: removed {left}"
    assert not left.exists()
