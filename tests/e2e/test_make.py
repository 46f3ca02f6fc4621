"""make, as people type it: one study from scenario to verdict, and the messages when they mistype."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_harness import write_scenario

from loadtests.records.rundirectory import run_directories

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
NOT_INHERITED = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"}
"""A make that runs the tests does not speak for the makes in them."""


@pytest.fixture(scope="module", autouse=True)
def environment_is_there() -> None:
    if not (ROOT / ".venv" / "bin" / "loadtests").exists():
        pytest.skip("make works in .venv, which is not here: make setup")


def make(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`-o` keeps it from making the environment anew, however old it is."""
    given = [f"{name}={value}" for name, value in variables.items()]
    environment = {k: v for k, v in os.environ.items() if k not in {*NOT_INHERITED, *variables}}
    command = ["make", "-o", ".venv/ready", *words, *given]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)


ODD = '-a:b #c\'d "e" %s $HOME `id` [x] ~ \\n ;&| ü u\u0308'
"""Everything that a shell, make or a configuration file could take for something else."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.CompletedProcess[str], dict[str, str]]]:
    """`make compare` with odd characters wherever people may put one, and the variables that it was given."""
    directory = tmp_path_factory.mktemp("with space") / ODD
    directory.mkdir()
    scenario = write_scenario(directory, 1).rename(directory / f"{ODD}.yaml")
    variables = {"SCENARIO": str(scenario), "RUNS": str(directory / ODD)}
    yield make("compare", **variables, STORAGES="sqlite memory", ROUNDS="1"), variables


def study_of(variables: dict[str, str]) -> Path:
    (study,) = Path(variables["RUNS"]).iterdir()
    return study


def test_compare_makes_a_study_and_ends_with_its_page(made):
    done, variables = made
    assert done.returncode == 0, done.stderr
    study = study_of(variables)
    assert [r.name for r in run_directories(study)] == ["01-sqlite", "02-memory"]
    assert [r.read("end")["reason"] for r in run_directories(study)] == ["completed", "completed"]
    page = Path(done.stdout.splitlines()[-1])
    assert page.samefile(study / "report" / "index.html")


def test_report_takes_the_newest_study(made):
    _, variables = made
    page = study_of(variables) / "report" / "index.html"
    page.unlink()
    done = make("report", RUNS=variables["RUNS"])
    assert done.returncode == 0, done.stderr
    assert page.stat().st_size > 10_000
    assert Path(done.stdout.splitlines()[-1]).samefile(page)


def test_gate_judges_the_newest_study(made):
    """A run this small proves nothing: the verdict is there, and it is no pass."""
    _, variables = made
    done = make("gate", RUNS=variables["RUNS"])
    verdict = json.loads((study_of(variables) / "verdict.json").read_text())
    assert verdict["overall"] in ("fail", "unknown")
    assert done.returncode == 2, done.stderr  # make's own code for any that is not 0
    assert f"Error {1 if verdict['overall'] == 'fail' else 2}" in done.stderr


def test_a_run_of_it_is_exported(made, tmp_path):
    _, variables = made
    run = run_directories(study_of(variables))[0]
    command = [sys.executable, "-m", "loadtests", "export", str(run.path), "--format", "csv", "--to", tmp_path / "t t"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "t t" / "operations.csv").open() as lines:
        assert sum(1 for _ in lines) == run.read("end")["operations"]["written"] + 1


@pytest.mark.parametrize("goal", ["run", "compare"])
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SCENARIO": "smoek"}, "smoke"),
        ({"SCENARIO": "no/such file.yaml"}, "no/such file.yaml"),
        ({"STORAGES": "sqlit"}, "did you mean 'sqlite'"),
        ({"STORAGES": "sqlite sqlite"}, "named twice"),
        ({"ROUNDS": "many"}, "'many': expected a whole number"),
        ({"ROUNDS": "0"}, "'0': expected a whole number"),
    ],
)
def test_what_is_mistyped_is_named(tmp_path, goal, variables, words):
    done = make(goal, **{"SCENARIO": "smoke", "RUNS": str(tmp_path / "my runs"), **variables})
    assert done.returncode == 2
    assert "Error 64" in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "my runs").exists()


@pytest.mark.parametrize(
    ("goal", "given", "expected"),
    [("run", "STORAGE", "STORAGES"), ("compare", "STORAGE", "STORAGES"), ("ui", "STORAGES", "STORAGE")],
)
def test_a_storage_variable_of_another_target_is_refused(goal, given, expected):
    done = make("-n", goal, **{given: "redis"})
    assert done.returncode == 2
    assert f"with {expected}." in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("goal", ["report", "gate"])
def test_message_without_a_study_names_the_command(tmp_path, goal):
    (tmp_path / "not a study").mkdir()
    done = make(goal, RUNS=str(tmp_path))
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert "make run" in done.stderr


def test_a_study_that_is_not_there_is_named(tmp_path):
    for goal in ("report", "gate"):
        done = make(goal, STUDY=str(tmp_path / "gone"))
        assert done.returncode == 2
        assert "gone" in done.stderr
        assert "Traceback" not in done.stderr


def test_help_is_the_default_and_names_every_target():
    done = make()
    assert done.returncode == 0
    targets = {line.split()[0] for line in done.stdout.splitlines() if line[:1].isalpha()}
    assert targets >= {
        *("help", "setup", "compare", "run", "report", "gate", "pod", "ui", "test", "lint", "bench", "clean")
    }
    assert done.stdout == make("help").stdout


def handed_over(directory: Path, *words: str, **variables: str) -> list[list[str]]:
    """The words of each command of ours that a target starts; `{here}` in a value is the directory."""
    for name in ("loadtests", "loadtests-report", "loadtests-gate"):
        stub = directory / name
        stub.write_text(f"#!/bin/sh\nprintf '%s\\0' {name} \"$@\" >>'{directory}/calls'; echo >>'{directory}/calls'\n")
        stub.chmod(0o755)
    done = make(*words, BIN=str(directory), **variables)
    assert done.returncode == 0, done.stderr
    return [line.split("\0")[:-1] for line in (directory / "calls").read_text().splitlines()]


def test_every_target_passes_values_as_they_are(tmp_path):
    given = {"RUNS": ODD, "SCENARIO": f"{ODD}.yaml", "OBJECTIVES": ODD}
    storages = {"STORAGES": "memory dual(redis,sqlite)", "ROUNDS": "2"}
    one_storage = {"pod", "ui"}
    study = str(tmp_path / ODD / "study")
    chosen = ["--storage=memory", "--storage=dual(redis,sqlite)"]
    expected = {
        "run": ["loadtests", "run", f"--runs={ODD}", *chosen, "--rounds=2", "--", f"{ODD}.yaml"],
        "compare": ["loadtests", "run", f"--runs={ODD}", *chosen, "--rounds=2", "--", f"{ODD}.yaml"],
        "incident": ["loadtests", "run", f"--runs={ODD}", *chosen, "--rounds=2", "--", "incident-2024-07-02"],
        "report": ["loadtests-report", "--", study],
        "gate": ["loadtests-gate", f"--objectives={ODD}", "--", study],
        "calibrate": ["loadtests", "calibrate", f"--runs={ODD}", *chosen],
        "pod": ["loadtests", "pod", "--storage=dual(redis,sqlite)", f"--runs={ODD}"],
        "ui": ["loadtests", "ui", "--storage=dual(redis,sqlite)", f"--runs={ODD}", "--", f"{ODD}.yaml"],
    }
    for goal, words in expected.items():
        place = tmp_path / goal
        place.mkdir()
        choice = {"STORAGE": "dual(redis,sqlite)"} if goal in one_storage else storages
        assert handed_over(place, goal, **given, **choice, STUDY=study) == [words]


def test_newest_study_is_found_in_an_odd_directory(tmp_path):
    runs = tmp_path / ODD
    for name in ("20260101T000000Z-b", "20260102T000000Z-a", "calibration-20260103T000000Z", "server.json"):
        (runs / name).mkdir(parents=True)
    (call,) = handed_over(tmp_path, "report", RUNS=str(runs))
    assert Path(call[-1]) == runs / "20260102T000000Z-a"


def test_clean_removes_the_runs_and_nothing_else(tmp_path):
    for name in ("a b", "a", "b"):
        (tmp_path / name).mkdir()
    recipe = make("-n", "clean", RUNS=str(tmp_path / "a b")).stdout.splitlines()[-1]
    script = recipe.replace("rm -rf .venv", "rm -rf no-such-file").lstrip("@")
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env={**os.environ, "RUNS": str(tmp_path / "a b")}, check=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
