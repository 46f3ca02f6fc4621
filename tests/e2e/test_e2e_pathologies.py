"""Faults of the reference pod from the scenario to the verdict: the run says that it had them, and the gate fails."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e_harness import SCENARIO, loadtests

from loadtests.records.rundirectory import RunDirectory, run_directories

pytestmark = pytest.mark.e2e

FAULTS = {
    "lost-events": "one of 25 events is not sent to its subscriber",
    "duplicated-events": "one of 30 events is sent to its subscriber twice",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of a pod that loses events and sends others twice, judged."""
    place = tmp_path_factory.mktemp("pathologies")
    scenario = place / "tiny.yaml"
    faulty = f"storages: [sqlite]\nfaults: [{', '.join(FAULTS)}]"
    scenario.write_text(SCENARIO.format(steady_s=5).replace("storages: [memory]", faulty))
    with loadtests("run", str(scenario), runs=place / "runs") as harness:
        assert harness.finish() == 0, harness.stderr
    made = harness.study()
    gate = [str(Path(sys.executable).with_name("loadtests-gate")), str(made)]
    assert subprocess.run(gate, capture_output=True, text=True, timeout=60, check=False).returncode == 1
    return made


@pytest.fixture(scope="module")
def run(study: Path) -> RunDirectory:
    (found,) = run_directories(study)
    return found


def test_manifest_lists_the_faults_that_the_pod_reports(run: RunDirectory) -> None:
    assert run.read("manifest")["faults"] == [{"name": name, "title": title} for name, title in FAULTS.items()]


@pytest.mark.parametrize("check", ["lost_pushes", "duplicated_messages"])
def test_gate_fails_by_the_ledger(study: Path, check: str) -> None:
    verdict: dict[str, Any] = json.loads((study / "verdict.json").read_text())
    (found,) = (c for c in verdict["checks"] if c["check"] == f"ledger: {check}")
    assert (verdict["overall"], found["verdict"]) == ("fail", "fail")
    assert found["observed"] > 0
