"""Report and gate in an environment, a home and a working directory that were made for other programs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_environment import make
from studies import Op, write_run

BIN = Path(sys.executable).parent
OBJECTIVES = Path(__file__).resolve().parents[2] / "scenarios" / "objectives.yaml"


@pytest.fixture
def studies(tmp_path):
    """The same study twice."""
    accepts = [Op("chat.accept", planned_s=5.0 + 9.9 * i / 200, response_s=0.02) for i in range(200)]
    write_run(tmp_path / "as-made" / "study", "01-sqlite", operations=accepts)
    shutil.copytree(tmp_path / "as-made", tmp_path / "hostile" / "runs")
    return tmp_path / "as-made" / "study", tmp_path / "hostile" / "runs" / "study"


def files(directory):
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_report_and_verdict_ignore_the_environment(studies, tmp_path):
    working, variables = make(tmp_path)
    results = []
    for study, settings in zip(studies, ({}, {"cwd": working, "env": {**os.environ, **variables}}), strict=True):
        printed = []
        for command in (["loadtests-report", study], ["loadtests-gate", study, "--objectives", OBJECTIVES]):
            argv = [BIN / command[0], *command[1:]]
            done = subprocess.run(argv, capture_output=True, text=True, check=False, **settings)
            printed.append((done.returncode, done.stdout.replace(str(study), "STUDY"), done.stderr))
        results.append((printed, files(study / "report"), (study / "verdict.json").read_bytes()))
    (printed, report, verdict), (hostile_printed, hostile_report, hostile_verdict) = results
    assert hostile_printed == printed
    assert [stderr for _, _, stderr in printed] == ["", ""]
    assert len(report) > 10
    assert [name for name in report if hostile_report.get(name) != report[name]] == []
    assert hostile_verdict == verdict
