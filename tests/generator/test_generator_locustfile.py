"""The locustfile of a project in any directory."""

import shutil
import subprocess
import sys

import pytest

from loadtests.conductor.run.locust import LOCUSTFILE


@pytest.mark.parametrize("name", ["a,b", "a, b #c'd %s [x] ü", "-a", "$y`id`"])
def test_locustfile_is_found_in_odd_directory(tmp_path, name):
    path = tmp_path / name / "locustfile.py"
    path.parent.mkdir()
    shutil.copy(LOCUSTFILE, path)
    command = [sys.executable, "-P", "-m", "loadtests.generator", "-f", str(path), "--list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Agent" in done.stdout.split()


def test_locustfiles_that_are_not_there_are_named(tmp_path):
    command = [sys.executable, "-P", "-m", "loadtests.generator", "-f", "gone,away.py", "--list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "'gone'" in done.stderr
