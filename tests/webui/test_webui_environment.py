"""The web UI and its runs in an environment, a home and a working directory that were made for other programs."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hostile_environment import VARIABLES, make
from uis import SCENARIO, Ui, ended

from loadtests.conductor.ports import free_port

BIN = Path(sys.executable).parent
TIMELINE = "timeline:\n  - {{stage: steady, do: run, command: [/bin/sh, -c, 'env >{printed}']}}\n"

pytestmark = pytest.mark.e2e


@contextmanager
def web_ui(tmp_path, *arguments, **more):
    """`loadtests ui` started in the hostile working directory."""
    working, variables = make(tmp_path)
    (working / "short.yaml").write_text(SCENARIO + TIMELINE.format(printed=tmp_path / "printed"))
    port = free_port()
    argv = [BIN / "loadtests", "ui", *arguments, "--port", str(port), "--runs", tmp_path / "runs"]
    with (tmp_path / "ui.log").open("w") as log:
        process = subprocess.Popen(
            argv, cwd=working, env={**os.environ, **variables, **more}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        page = Ui(port, process.pid)
        page.until(lambda: "No run yet" in page.get("/run"))
        page.until(lambda: page.workers == 1)
        yield page
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_web_ui_runs_what_locust_variables_choose(tmp_path):
    chosen = {"LOCUST_SCENARIO": "short.yaml", "LOCUST_STORAGE": "memory"}
    with web_ui(tmp_path, "--allow-commands", **chosen) as page:
        form = page.get("/")
        assert "short.yaml" in form
        assert re.search(r'"default_value": ?"memory"', form)
        assert ended(tmp_path) == []  # neither headless nor started by itself
        assert page.post("/swarm", scenario="short.yaml", storage="memory")["success"]
        page.until(lambda: len(ended(tmp_path)) == 1)
    [end] = ended(tmp_path)
    assert (end["reason"], end["operations"]["lost"]) == ("completed", 0)
    printed = dict(line.split("=", 1) for line in (tmp_path / "printed").read_text().splitlines() if "=" in line)
    expected = {**VARIABLES, **chosen}
    assert {name: printed.get(name) for name in expected} == expected


def test_unknown_storage_in_a_variable_is_refused(tmp_path):
    environment = {**os.environ, "LOCUST_STORAGE": "sqlit"}
    argv = [BIN / "loadtests", "ui", "smoke"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 64
    assert "did you mean 'sqlite'" in done.stderr
