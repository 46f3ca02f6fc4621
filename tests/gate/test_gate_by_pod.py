"""Objectives that are judged for each pod of a run with several pods."""

import json

import pytest
from studies import SCENARIO, Op, write_run
from test_gate_objectives import SLI, SLO, problems

from reports.gate.command import main
from reports.gate.slo.objectives import parse_objectives
from reports.report_command import main as report

BY_POD = (SLI + SLO).replace("displayName: Accept chat", 'annotations: {loadtests/by-pod: "true"}')
LEDGER = """\
---
apiVersion: openslo/v1
kind: Service
metadata: {name: pod, annotations: {loadtests/ledger: optional, loadtests/observer: optional}}
spec: {}
"""
FREE = SCENARIO.replace("arrivals_per_s: 5", "arrivals_per_s: 0").replace("agents: 2", "agents: 0")
"""A scenario that asks for no load of its own."""


def accepts(pod, n=400, bad=0):
    """The bad ones are spread evenly: neighbours that are bad together are worth fewer attempts."""
    wrong = {round(i * n / bad) for i in range(bad)}
    return [
        Op("chat.accept", 6 + 8 * i / n, 0.1, "fail" if i in wrong else "ok", "internal" if i in wrong else "", pod=pod)
        for i in range(n)
    ]


def judged(tmp_path, *runs, options=()):
    """`runs`: name of each, with its pods and operations."""
    study = tmp_path / "study"
    for name, pods, operations in runs:
        write_run(study, name, operations=operations, pods=pods, scenario=FREE)
    (tmp_path / "o.yaml").write_text(BY_POD + LEDGER)
    code = main([str(study), "--objectives", str(tmp_path / "o.yaml"), *options])
    checks = json.loads((study / "verdict.json").read_text())["checks"]
    return code, {
        (c["storage"], c["check"]): (c["verdict"], c["n"])
        for c in checks
        if c["check"].startswith(("objective", "no w"))
    }


def test_each_pod_is_judged_beside_all_of_them(tmp_path):
    operations = [*accepts(0, 4000), *accepts(1, 400, bad=20)]
    code, checks = judged(tmp_path, ("01-sqlite", ("16", "17"), operations))
    assert code == 1
    assert checks == {
        ("sqlite", "objective: accept"): ("pass", 4400),
        ("sqlite", "objective: accept on pod 16"): ("pass", 4000),
        ("sqlite", "objective: accept on pod 17"): ("fail", 400),
    }


def test_one_pod_is_not_judged_twice(tmp_path):
    assert judged(tmp_path, ("01-sqlite", ("17",), accepts(0)))[1] == {("sqlite", "objective: accept"): ("pass", 400)}


def test_pod_without_attempts_is_unknown(tmp_path):
    _, checks = judged(tmp_path, ("01-sqlite", ("16", "17"), accepts(0)))
    assert checks["sqlite", "objective: accept on pod 17"] == ("unknown", 0)


def test_systems_are_judged_by_their_own_pods(tmp_path):
    runs = [
        ("01-sqlite", ("16", "17"), [*accepts(0), *accepts(1)]),
        ("02-memory", ("17", "18"), [*accepts(0), *accepts(1)]),
    ]
    _, checks = judged(tmp_path, *runs)
    assert [check for _, check in checks] == [
        *("objective: accept", "objective: accept on pod 16", "objective: accept on pod 17"),
        *("objective: accept", "objective: accept on pod 17", "objective: accept on pod 18"),
    ]


def test_candidate_is_compared_by_the_pods_of_both(tmp_path):
    runs = [
        ("01-sqlite", ("16", "17"), [*accepts(0), *accepts(1)]),
        ("02-memory", ("17", "18"), [*accepts(0), *accepts(1)]),
    ]
    _, checks = judged(tmp_path, *runs, options=("--baseline", "sqlite", "--candidate", "memory"))
    assert [check for _, check in checks if check.startswith("no worse")] == [
        "no worse: accept",
        "no worse: accept on pod 17",
    ]


def test_without_the_annotation_pods_are_judged_together(tmp_path):
    assert not parse_objectives(SLI + SLO, "").objectives[0].by_pod
    assert not parse_objectives(BY_POD.replace('"true"', '"false"'), "").objectives[0].by_pod
    assert parse_objectives(BY_POD, "").objectives[0].by_pod


@pytest.mark.parametrize("value", ["yes", "17", ""])
def test_annotation_is_true_or_false(value):
    (problem,) = problems(BY_POD.replace('"true"', f'"{value}"'))
    assert problem.endswith(f"got loadtests/by-pod: '{value}', expected loadtests/by-pod: false or true")


def test_page_has_one_mark_for_all_pods(tmp_path):
    operations = [*accepts(0, 4000), *accepts(1, 400, bad=20)]
    judged(tmp_path, ("01-sqlite", ("16", "17"), operations))
    assert report([str(tmp_path / "study"), "--objectives", str(tmp_path / "o.yaml")]) == 0
    page = (tmp_path / "study" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Accept chat in 300 ms, by pod" in page
    assert "95 % on pod 17" in page
    assert "objective: accept on pod 16" in page
