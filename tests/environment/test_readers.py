"""Who may read what the harness writes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadtests import readers
from loadtests.conductor.choices import Subject
from loadtests.conductor.commands.study import create_run, create_study, traversable
from loadtests.records.reservation import Reservation
from loadtests.records.tables import TICKS_TABLE

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True, params=[0o000, 0o022, 0o077], ids=["umask-000", "umask-022", "umask-077"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("chosen", "directory", "file"),
    [
        (None, 0o700, 0o600),
        ("owner", 0o700, 0o600),
        ("group", 0o750, 0o640),
        ("all", 0o755, 0o644),
        ("x", 0o700, 0o600),
    ],
)
def test_run_has_the_readers_that_were_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, directory: int, file: int
) -> None:
    monkeypatch.delenv(readers.VARIABLE, raising=False)
    if chosen is not None:
        monkeypatch.setenv(readers.VARIABLE, chosen)
    if directory != 0o700:  # a closed mode stays closed with any umask
        os.umask(readers.umask())
    study = create_study(tmp_path / "a" / "runs", "smoke", NOW)
    run = create_run(study, 1, Subject(storage="memory"))
    run.write("manifest", {"format": 1})
    run.create_table(TICKS_TABLE.name).close()
    Reservation(run.path / "operations-0.reserved")
    assert {mode(path) for path in (study, run.path, run.path / "log")} == {directory}
    os.umask(readers.umask())  # as `environment.clean` does
    (run.path / "scenario.yaml").touch()
    assert {mode(path) for path in run.path.iterdir() if path.is_file()} == {file}
    shared = 0o711 | directory if os.geteuid() == 0 else directory
    assert {mode(study.parent), mode(study.parent.parent)} == {shared}


def test_study_with_servers_of_root_can_be_passed_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = [Subject(storage="sqlite"), Subject(storage="dual(redis,memory)")]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not traversable(subjects[:1])
    assert traversable(subjects)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not traversable(subjects)
    monkeypatch.undo()
    study = create_study(tmp_path, "smoke", NOW, traversable=True)
    assert mode(study) == 0o711
    assert mode(create_run(study, 1, subjects[0]).path) == 0o700


def test_directory_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o750)
    readers.make_directories(tmp_path / "runs" / "b", traversable=True)
    assert (mode(tmp_path / "runs"), mode(tmp_path / "runs" / "b")) == (0o750, 0o711)
    with pytest.raises(FileExistsError):
        readers.make_directory(tmp_path / "runs")
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        readers.make_directories(tmp_path / "file")


def test_unknown_readers_are_bad_input() -> None:
    command = [sys.executable, "-m", "loadtests", "clean", "--runs", "/nonexistent"]
    done = subprocess.run(
        command, env={**os.environ, readers.VARIABLE: "world\n"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "loadtests: LOADTESTS_READERS='world\\n': expected one of owner, group, all\n"
