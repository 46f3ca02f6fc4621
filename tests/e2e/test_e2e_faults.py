"""Everything that a run stands on is killed under it: it ends soon, says why, and stays readable."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from e2e_harness import Account, Harness, loadtests, wait_for, write_scenario

from loadtests import commandline
from loadtests.records.rundirectory import run_directories

pytestmark = pytest.mark.e2e

LONG = 60
"""Seconds that the stages would last: a run that ends earlier ended because of what happened to it."""


def start(tmp_path: Path, *arguments: str, storage: str = "sqlite"):
    scenario = str(write_scenario(tmp_path, LONG))
    return loadtests("run", scenario, "--storage", storage, *arguments, runs=tmp_path / "runs")


def assert_readable(harness: Harness) -> None:
    """Everything up to the end can be read, and every row that was written is counted."""
    end = harness.end()
    run = harness.directory()
    assert end["operations"]["written"] == sum(b.num_rows for b in run.batches("operations")) > 0
    assert run.read("manifest")["format"] == 1
    faults = [row for b in run.batches("timeline") for row in b.to_pylist() if row["kind"] == "fault"]
    assert [f["subject"] for f in faults] == [end["reason"]]
    assert harness.left_behind() == []


@pytest.mark.parametrize(
    ("words", "reason", "code"),
    [
        (("loadtests.pod",), "pod_died", 69),
        (("loadtests.probes",), "observer_died", 70),
    ],
)
def test_a_killed_part_ends_the_run(tmp_path, words, reason, code):
    with start(tmp_path) as harness:
        harness.wait_for_rows()
        harness.child(*words).kill()
        assert harness.finish(30) == code, harness.stderr
        assert harness.end()["reason"] == reason
        assert harness.end()["operations"]["lost"] == 0
        assert_readable(harness)
    assert "SIGKILL" in harness.stderr


def test_a_killed_worker_leaves_an_upper_bound(tmp_path):
    with start(tmp_path, "--processes", "2", storage="memory") as harness:
        harness.wait_for_rows()
        master = harness.child("loadtests.generator")
        workers = wait_for(lambda: len(children := master.children()) == 2 and children)
        workers[1].kill()
        assert harness.finish(40) == 70, harness.stderr
        end = harness.end()
        assert end["reason"] == "worker_lost"
        assert end["operations"]["lost"] is None
        operations = end["operations"]
        assert operations["lost_at_most"] > 0, "numbers that were reserved and never written"
        assert operations["begun"] - operations["written"] <= operations["lost_at_most"]
        assert end["generator"]["saturated"] is not False
        assert_readable(harness)


def test_a_killed_master_ends_the_run(tmp_path):
    with start(tmp_path, storage="memory") as harness:
        harness.wait_for_rows()
        harness.child("loadtests.generator").kill()
        assert harness.finish(30) == 70, harness.stderr
        assert harness.end()["reason"] == "worker_lost"
        assert harness.end()["operations"]["lost"] is None
        assert_readable(harness)


def test_a_stopped_master_ends_the_run(tmp_path):
    with start(tmp_path, storage="memory") as harness:
        harness.wait_for_rows()
        harness.child("loadtests.generator").suspend()
        assert harness.finish(30) == 70, harness.stderr
        end = harness.end()
        assert end["reason"] == "internal"
        assert end["detail"] == "the Locust master sent nothing for 10 s"
        assert end["operations"]["lost"] is None
        assert_readable(harness)


@pytest.mark.server
def test_a_killed_database_ends_the_run(tmp_path, postgres_server):
    with start(tmp_path, storage="postgres") as harness:
        harness.wait_for_rows()
        harness.child("postgres -D").kill()
        assert harness.finish(40) == 69, harness.stderr
        assert harness.end()["reason"] == "database_died"
        assert_readable(harness)


@pytest.fixture
def ordinary():
    """An ordinary user with a home of its own, mode 0700: (who, home)."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    try:
        account = pwd.getpwnam("nobody")
    except KeyError:
        pytest.skip("there is no user nobody")
    home = Path(tempfile.mkdtemp(prefix="e2e-home-", dir="/tmp"))
    os.chown(home, account.pw_uid, account.pw_gid)
    become = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    packages = [str(Path(commandline.__file__).parents[1]), sysconfig.get_path("purelib")]
    environment = {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": os.pathsep.join(packages)}
    try:
        python = python_for(become, environment)
        if python is None:
            pytest.skip("the user nobody can run no Python that has our packages")
        yield Account(python, become, {**environment, "PYTHONDONTWRITEBYTECODE": "1"}), home
    finally:
        shutil.rmtree(home)


def python_for(become, environment) -> str | None:
    """A Python of our version that this user can run, with our packages."""
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with suppress(OSError, subprocess.CalledProcessError):
            command = [candidate, "-c", "import loadtests, locust, pyarrow"]
            subprocess.run(command, check=True, env=environment, cwd="/", capture_output=True, **become)
            return candidate
    return None


def assert_nothing_survives(harness: Harness) -> None:
    run = harness.wait_for_rows()
    harness.note_processes()
    assert len(harness.seen) > 8
    harness.process.kill()
    servers = run.path.parent
    wait_for(lambda: not harness.left_behind() and not list(servers.glob("server-*")), within_s=5)
    assert run.read("end") is None
    assert sum(b.num_rows for b in run.batches("operations")) > 0


@pytest.mark.server
def test_nothing_survives_a_killed_harness(tmp_path, postgres_server):
    with start(tmp_path, "--processes", "2", storage="postgres") as harness:
        assert_nothing_survives(harness)


@pytest.mark.server
def test_nothing_survives_a_killed_harness_of_an_ordinary_user(ordinary, postgres_server):
    who, home = ordinary
    scenario = write_scenario(home, LONG)
    scenario.chmod(0o644)
    arguments = ("run", str(scenario), "--storage", "postgres", "--processes", "2")
    with loadtests(*arguments, runs=home / "runs", who=who) as harness:
        assert_nothing_survives(harness)


def test_ctrl_c_leaves_a_usable_run_and_no_further_ones(tmp_path):
    with start(tmp_path, "--rounds", "3", storage="memory") as harness:
        harness.wait_for_rows()
        os.killpg(harness.process.pid, signal.SIGINT)  # as a terminal does
        assert harness.finish(30) == 130, harness.stderr
        end = harness.end()
        assert end["reason"] == "interrupted"
        assert end["operations"]["lost"] == 0
        assert harness.directory().read("ledger") is not None
        assert_readable(harness)
    assert len(run_directories(harness.study())) == 1


def test_ctrl_c_before_the_load(tmp_path):
    with start(tmp_path, storage="memory") as harness:
        wait_for(harness.directory)
        harness.process.send_signal(signal.SIGINT)
        assert harness.finish(30) == 130, harness.stderr
        assert harness.end()["reason"] == "interrupted"
        assert harness.left_behind() == []


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    with start(tmp_path, storage="memory") as harness:
        harness.wait_for_rows()
        harness.child("loadtests.generator").suspend()  # it cannot drain
        harness.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert harness.process.poll() is None
        harness.process.send_signal(signal.SIGINT)
        assert harness.finish(30) == 130, harness.stderr
        assert harness.end()["reason"] == "interrupted"
        assert harness.left_behind() == []


CLONE_NEWNS = 0x00020000
LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def own_mounts():
    """What is mounted meanwhile is seen by this test and its children only, and gone with the last of them, however
    they end."""
    here = Path.cwd()
    with Path("/proc/thread-self/ns/mnt").open("rb") as everybodys:
        if LIBC.unshare(CLONE_NEWNS) != 0:
            pytest.skip(f"no mounts of our own: {os.strerror(ctypes.get_errno())}")
        try:
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            yield
        finally:
            assert LIBC.setns(everybodys.fileno(), CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
            os.chdir(here)  # going back leads to the root


@pytest.fixture
def small_disk(tmp_path, own_mounts):
    """A file system of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    return place


def test_a_full_disk_ends_the_run_and_names_the_place(tmp_path, small_disk):
    scenario = str(write_scenario(tmp_path, LONG))
    with loadtests("run", scenario, "--storage", "memory", runs=small_disk / "runs") as harness:
        harness.wait_for_rows()
        fill(small_disk / "filler")
        assert harness.finish(40) == 69, harness.stderr
        assert harness.end()["reason"] == "disk_full"
        assert harness.left_behind() == []
        assert sum(b.num_rows for b in harness.directory().batches("operations")) > 0
    assert str(small_disk) in harness.stderr


def test_a_disk_that_is_full_from_the_start_is_69(tmp_path, small_disk):
    fill(small_disk / "filler")
    with loadtests("run", str(write_scenario(tmp_path)), "--storage", "memory", runs=small_disk / "runs") as harness:
        assert harness.finish(40) == 69, harness.stderr
    assert "full" in harness.stderr
    assert str(small_disk) in harness.stderr


def fill(path: Path) -> None:
    """Takes all the room there is."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 65536)
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"\0" * 512)
