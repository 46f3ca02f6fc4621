"""What a killed conductor leaves in its run is removed by the next command; what a living one uses is not."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtests.calibration.contract import SCRATCH
from loadtests.conductor.leftovers import CLAIM, Claim, remove_leftovers
from loadtests.servers.record import KIND

CONDUCTOR = """
import sys, time
from pathlib import Path
from loadtests.conductor.leftovers import Claim
claim = Claim(Path(sys.argv[1]))
print("claimed", flush=True)
time.sleep(600)
"""
LEFT = ["storage-legacy.sqlite", "storage-legacy.sqlite-shm", "storage-legacy.sqlite-wal", ".end.json.a1b2c3_4"]
KEPT = ["manifest.json", "operations-1.arrows", "scenario.yaml", "storage.txt"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run in its middle."""
    path = tmp_path / "runs" / "20260101T000000Z-smoke" / "01-sqlite"
    (path / "log").mkdir(parents=True)
    (path / SCRATCH / "first").mkdir(parents=True)
    for name in [*LEFT, *KEPT]:
        (path / name).write_text(name)
    return path


@contextmanager
def conductor(run: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", CONDUCTOR, run], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


def test_run_of_a_killed_conductor_keeps_its_records_only(run: Path) -> None:
    with conductor(run) as process:
        assert remove_leftovers(run.parents[1]) == [], "its conductor lives"
        assert {path.name for path in run.iterdir()} == {*LEFT, *KEPT, SCRATCH, "log", CLAIM}
        process.kill()
        process.wait()
        done = remove_leftovers(run.parents[1])
    assert sorted(done) == sorted(f"removed {run / name}" for name in [*LEFT, SCRATCH])
    assert {path.name for path in run.iterdir()} == {*KEPT, "log"}
    assert remove_leftovers(run.parents[1]) == []


def test_finished_run_is_left_as_it_is(run: Path) -> None:
    claim = Claim(run)
    claim.release()
    claim.release()
    before = sorted(run.iterdir())
    assert remove_leftovers(run.parents[1]) == []
    assert sorted(run.iterdir()) == before


def test_links_in_a_run_lead_nowhere(run: Path, tmp_path: Path) -> None:
    """As a study from elsewhere may have them."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "storage-x.sqlite").write_text("precious")
    (elsewhere / CLAIM).touch()
    (run / CLAIM).touch()
    (run / "storage-victim.sqlite").symlink_to(elsewhere / "storage-x.sqlite")
    (run / SCRATCH / "first").rmdir()
    (run / SCRATCH).rmdir()
    (run / SCRATCH).symlink_to(elsewhere)
    (run.parent / "02-link").symlink_to(elsewhere)
    (run.parents[1] / "linked-study").symlink_to(tmp_path)
    (tmp_path / "01-elsewhere").symlink_to(elsewhere)
    assert f"removed {run / SCRATCH}" in remove_leftovers(run.parents[1])
    assert (elsewhere / "storage-x.sqlite").read_text() == "precious"
    assert (elsewhere / CLAIM).exists()


@pytest.mark.parametrize("kind", ["fifo", "link", "hard link", "directory"])
def test_claim_that_is_no_file_of_ours_is_passed_over(run: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    if kind == "fifo":
        os.mkfifo(run / CLAIM)
    elif kind == "link":
        (run / CLAIM).symlink_to(tmp_path / "file")
    elif kind == "hard link":
        (run / CLAIM).hardlink_to(tmp_path / "file")
    else:
        (run / CLAIM).mkdir()
    assert remove_leftovers(run.parents[1]) == []
    assert (run / LEFT[0]).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
@pytest.mark.parametrize("whose", ["run", "study", "claim"])
def test_run_of_another_user_is_passed_over(run: Path, whose: str) -> None:
    (run / CLAIM).touch()
    os.chown({"run": run, "study": run.parent, "claim": run / CLAIM}[whose], 65534, 65534)
    assert remove_leftovers(run.parents[1]) == []
    assert (run / LEFT[0]).exists()


def test_old_trial_directory_is_removed_and_a_new_one_is_not(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (f".{'0' * 16}____", f".{'1' * 16}____", ".hidden"))
    for path in (old, new, other):
        (path / "inner" / "log").mkdir(parents=True)
        os.utime(path, (0, 0) if path != new else (time.time(), time.time()))
    assert remove_leftovers(tmp_path) == [f"removed {old}"]
    assert {path.name for path in tmp_path.iterdir()} == {new.name, other.name}


def test_name_of_a_file_is_shown_without_its_control_characters(tmp_path: Path) -> None:
    record = tmp_path / "a\x1b[2J\nb\x9b.json"
    facts = {"kind": KIND, "engine": "redis", "directory": "x", "reason": None, "process": None}
    record.write_text(json.dumps(facts))
    record.chmod(0o666)
    (sentence,) = remove_leftovers(tmp_path)
    assert "a\\x1b[2J\\x0ab\\x9b.json" in sentence
    assert sentence.isprintable()
