"""`--abort-on-fail`: a study ends in order as soon as an objective certainly fails, on a busy host too."""

from pathlib import Path

import pytest
from e2e_harness import loadtests, write_scenario

pytestmark = pytest.mark.e2e

CONNECTIONS = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: connections}
spec:
  service: messaging-pod
  indicator:
    metadata: {name: connection-within-a-second}
    spec:
      ratioMetric:
        counter: false
        good: {metricSource: {type: loadtests, spec: {operation: connection.create, within: 1s}}}
        total: {metricSource: {type: loadtests, spec: {operation: connection.create}}}
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
"""


def test_study_ends_when_an_objective_fails(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, 80)
    (tmp_path / "objectives.yaml").write_text(CONNECTIONS, encoding="utf-8")
    text = scenario.read_text(encoding="utf-8")
    killed = "timeline: [{stage: steady, after: 1s, do: kill, pods: [pod-1]}]"
    scenario.write_text(f"{text}\nobjectives: objectives.yaml\n{killed}\n", encoding="utf-8")
    with loadtests("run", str(scenario), "--storage", "sqlite", "--abort-on-fail", runs=tmp_path / "runs") as harness:
        assert harness.finish(90) == 1, harness.stderr
    end = harness.end()
    assert end["reason"] == "objective_failed"
    assert end["detail"].startswith("FAIL so far: connections on sqlite: fail after")
    assert end["operations"]["lost"] == 0
    assert "ending early: objective_failed" in harness.stderr
