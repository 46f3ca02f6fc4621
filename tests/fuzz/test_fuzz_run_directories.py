"""A few of the mutations that `make fuzz` makes ten thousand of, and that the fuzzer notices what it is there for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_base import STUDY, write_base
from fuzz_cases import judge
from fuzz_mutations import Mutation

HERE = Path(__file__).parent
MUTATIONS = 16


def test_mutated_runs_pass_nothing_and_crash_nothing():
    argv = [sys.executable, HERE / "longer.py", str(MUTATIONS), "1"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "WORKERS": "2"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{MUTATIONS} mutations, 0 wrong" in done.stdout


def crash():
    raise KeyError("a bug")


def print_escape():
    print("\x1b[31m")
    return 2


def print_traceback():
    print("cannot be read: KeyError: 'x'")
    return 2


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (crash, "gate ended with 99"),
        (lambda: 70, "gate ended with 70"),
        (print_escape, "gate printed '\\x1b'"),
        (print_traceback, "gate says 'cannot be read: KeyError'"),
        (lambda: 0, "gate passed"),
    ],
)
def test_fuzzer_notices(tmp_path, command, message):
    study = write_base(tmp_path)
    (study / "verdict.json").write_text("{}")
    (study / "verdict.xml").write_text("<x/>")
    (found, *_) = judge("gate", command, study, Mutation("nothing", must_not_pass=True))
    assert found.startswith(message)


def test_base_study_is_one_that_passes(tmp_path):
    from reports.gate.command import main

    study = write_base(tmp_path)
    assert study.name == STUDY
    assert main([str(study)]) == 0
