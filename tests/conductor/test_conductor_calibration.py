"""A calibration as a process: waited for, killed, cancelled; in each case a document is all that it leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from loadtests.conductor.failures import RunEnded
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.run.calibration import CalibrationPlace, CalibrationProcess
from loadtests.conductor.watching import Interrupts
from loadtests.records.rundirectory import RunDirectory


@pytest.fixture
def interrupts():
    with Interrupts() as caught:
        yield caught


@pytest.fixture
def run(tmp_path):
    (tmp_path / "log").mkdir()
    return RunDirectory(tmp_path)


@pytest.fixture
def calibrating(run):
    with ProcessReaper() as reaper:
        under_way = CalibrationProcess(run, {"sqlite": CalibrationPlace("sqlite")}, "short", reaper)
        yield under_way
        under_way.stop()


def left(run: RunDirectory) -> set[str]:
    return {path.name for path in run.path.iterdir()}


def test_its_outcome_is_waited_for(calibrating, run, interrupts):
    output = []
    outcome = calibrating.finish(interrupts, output.append)
    document = run.read("calibration")
    assert "sqlite" in outcome.sentence
    assert output == ["sqlite: holding 7 locks"]
    assert (document["format"], document["form"], len(document["figures"])) == (1, "short", 3)
    assert left(run) == {"log", "calibration.json"}


def test_one_that_is_killed_is_unknown(calibrating, run, interrupts):
    def kill(_: str) -> None:
        (child,) = [p for p in psutil.Process().children() if "loadtests.calibration" in p.cmdline()]
        child.kill()

    outcome = calibrating.finish(interrupts, kill)
    (figure,) = run.read("calibration")["figures"]
    assert outcome.verdict == figure["verdict"] == "unknown"
    assert "SIGKILL" in figure["reason"]
    assert left(run) == {"log", "calibration.json"}


def test_ctrl_c_calls_it_off(calibrating, run, interrupts):
    with pytest.raises(RunEnded) as ended:
        calibrating.finish(interrupts, lambda _: os.kill(os.getpid(), signal.SIGINT))
    assert ended.value.reason.code == "interrupted"
    assert left(run) == {"log"}


def command(*words: str, runs: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "loadtests", "calibrate", "--runs", str(runs), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_a_table_and_where_it_is(tmp_path):
    done = command("--storage", "sqlite", "--short", runs=tmp_path / "runs")
    *table, path = done.stdout.splitlines()
    (document,) = Path(path).glob("01-sqlite/calibration.json")
    verdicts = {figure["verdict"] for figure in json.loads(document.read_text())["figures"]}
    assert done.returncode == (1 if "fail" in verdicts else 2 if "unknown" in verdicts else 0), done.stderr
    assert table[0].split() == ["database", "source", "figure", "value", "bar", "n", "verdict", "why"]
    assert any("total recovered" in line for line in table)
    assert Path(path).parent == tmp_path / "runs"
    assert not list((tmp_path / "runs").glob("[0-9]*Z-*/"))  # what `make report` takes for the newest study


@pytest.mark.parametrize("storage", ["memory", "nosuch"])
def test_what_cannot_be_calibrated_is_refused(storage, tmp_path):
    done = command("--storage", storage, runs=tmp_path / "runs")
    assert done.returncode == 64
    assert f"{storage}" in done.stderr
    assert not (tmp_path / "runs").exists()
