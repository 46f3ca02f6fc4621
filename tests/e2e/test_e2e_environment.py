"""Whole runs in an environment, a home and a working directory that were made for other programs."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest
from e2e_harness import Harness, wait_for, write_scenario
from hostile_environment import VARIABLES, make

from loadtests.environment import NO_HOME

BIN = Path(sys.executable).parent
ACTION = "timeline:\n  - {{stage: steady, after: 1s, do: run, command: [/bin/sh, -c, 'env >{printed}']}}\n"
ROLES = ("loadtests.pod", "loadtests.probes", "loadtests.generator", "conductor/reaper.py")

pytestmark = pytest.mark.e2e


def run(storage: str, tmp_path: Path, umask: int) -> tuple[Harness, dict[str, str], dict[str, dict[str, str]]]:
    """A finished run, the variables it was started with, and those of its processes by role."""
    working, variables = make(tmp_path)
    scenario, mark = write_scenario(working), uuid.uuid4().hex
    scenario.write_text(scenario.read_text() + ACTION.format(printed=tmp_path / "printed"))
    given = {**os.environ, **variables, "OWN_TOKEN": "t", "LOADTESTS_TOKEN_SECRET": "s", "LOADTESTS_E2E_MARK": mark}
    runs = tmp_path / "runs"
    process = subprocess.Popen(
        [BIN / "loadtests", "run", scenario.name, "--storage", storage, "--runs", runs, "--allow-commands"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=working, env=given, umask=umask,
        start_new_session=True,
    )  # fmt: skip
    harness = Harness(process, mark, runs)
    seen: dict[str, dict[str, str]] = {}
    try:
        wait_for(lambda: (tmp_path / "printed").exists() or process.poll() is not None, within_s=60)
        for role in ROLES:
            seen[role] = harness.child(role).environ()
        assert harness.finish() == 0, harness.stderr
        assert not harness.left_behind()
    finally:
        for left in [psutil.Process(process.pid)] if process.poll() is None else []:
            left.kill()
    return harness, given, seen


@pytest.mark.parametrize(
    ("storage", "umask"), [("sqlite", 0o077), ("postgres", 0o077), ("mariadb", 0o000), ("redis", 0o022)]
)
def test_run_is_as_elsewhere(storage, umask, tmp_path, request):
    if storage != "sqlite":
        request.getfixturevalue(f"{storage}_server")  # skips where there is none
    harness, given, seen = run(storage, tmp_path, umask)
    end = harness.end()
    assert (end["reason"], end["operations"]["lost"]) == ("completed", 0)
    assert end["operations"]["written"] > 50
    for has in seen.values():
        assert has["HOME"] == NO_HOME
        assert set(VARIABLES) & set(has) <= {"TZ", "LC_ALL", "LANG", "PYTHONIOENCODING"}
        assert "OWN_TOKEN" not in has
    printed = dict(line.split("=", 1) for line in (tmp_path / "printed").read_text().splitlines() if "=" in line)
    assert {name: printed.get(name) for name in VARIABLES} == VARIABLES
    assert (printed["OWN_TOKEN"], printed["HOME"]) == ("t", given["HOME"])
    assert "LOADTESTS_TOKEN_SECRET" not in printed
    assert "LOADTESTS_USER_UMASK" not in printed
    assert (tmp_path / "printed").stat().st_mode & 0o777 == 0o666 & ~umask, "the command has the user's umask"
    study = harness.study()
    passed_by_the_server = os.geteuid() == 0 and storage != "sqlite"
    assert study.stat().st_mode & 0o777 == (0o711 if passed_by_the_server else 0o700)
    open_to_others = [path for path in study.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []
    assert not list(study.rglob(".conductor"))
