"""A small study that passes, with every table and document that a run can have: what mutations begin with."""

import json
from pathlib import Path

from studies import NS, SCENARIO, Op, action, healthy_timeline, ledger_check, lock_wait, session, write_run

from loadtests.records.vocabulary import TRANSACTION_OPERATIONS
from loadtests.scenario import parse_scenario
from loadtests.scenario.arrivals import arrivals
from loadtests.scenario.stages import timeline

STUDY = "20260101T000000-tiny"
OBJECTIVES = """\
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: accept, annotations: {loadtests/by-pod: "true"}}
spec:
  service: pod
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
  indicator:
    metadata: {name: accept-in-time}
    spec:
      ratioMetric:
        good: {metricSource: {type: loadtests, spec: {operation: chat.accept, within: 300ms}}}
        total: {metricSource: {type: loadtests, spec: {operation: chat.accept}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: deliver}
spec:
  service: pod
  budgetingMethod: Occurrences
  objectives: [{op: lte, value: 0.5, target: 0.9}]
  indicator:
    metadata: {name: delivery}
    spec: {thresholdMetric: {metricSource: {type: loadtests, spec: {operation: event.deliver}}}}
"""
CHECKS = ("orphans", "doubles", "lost", "lost_pushes")
_ACCEPT = TRANSACTION_OPERATIONS.index("chat.accept")


def write_base(directory: Path) -> Path:
    """The study: one run whose load is the planned one, and a report and a verdict of earlier."""
    study = directory / STUDY
    run = write_run(
        study,
        operations=_operations(),
        workers=2,
        pods=("pod-1", "pod-2"),
        timeline=[*healthy_timeline(), action(8.0, "stall", pods=["pod-1"]), (9 * NS, None, "fault", "x", "y", "{}")],
        transactions=[
            (1, _ACCEPT, n, n * NS, n * NS + 10, n * NS + 99, 0, "sqlite", n * NS, n * NS) for n in range(16)
        ],
        tables={
            "lock_waits": [lock_wait(6 + n / 50, 0.05, wait=n, outcome=1) for n in range(50)],
            "sessions": [session(n / 10, "lock", 1, operation="chat.accept") for n in range(160)],
            "counters": [
                (n * NS, "redis", "redis", name, n * 10)
                for n in range(16)
                for name in ("command_us:GET", "command_calls:GET", "slow_us:chat.accept", "slow_calls:chat.accept")
            ],
            "resources": [
                (n * NS, role, role, n * 10**8, 50 << 20) for n in range(16) for role in ("pod", "generator")
            ],
            "host": [
                (n * NS, name, n * step)
                for n in range(17)
                for name, step in (("busy_ns", NS), ("own_cpu_ns", NS), ("measured_cpu_ns", NS), ("run_queue_ns", 1))
            ],
        },
        ledger={"format": 1, "checks": [ledger_check(name, known="rows and storage") for name in CHECKS]},
        manifest={"lock_sources": {"postgres": {"known": ["event"], "period_ns": 10**8, "threshold_ns": None}}},
    )
    (run.path / "objectives.yaml").write_text(OBJECTIVES, encoding="utf-8")
    figure = {"engine": "postgres", "database": "postgres", "source": "event", "figure": "waits found", "value": 1.0}
    calibration = {"format": 1, "figures": [{**figure, "unit": "ratio", "bar": 0.9, "verdict": "pass", "n": 9}]}
    (run.path / "calibration.json").write_text(json.dumps(calibration), encoding="utf-8")
    (study / "report").mkdir()
    (study / "report" / "earlier").touch()
    return study


def _operations() -> list[Op]:
    parsed = parse_scenario(SCENARIO, "scenario.yaml")
    schedule = arrivals(timeline(parsed.stages).segments(), parsed.customer.arrivals, 7)
    customers = [Op("connection.create", int(a.at_s * 1e9) / NS, user=1000 + a.index) for a in schedule]
    agents = [Op("connection.create", -0.2, user=user) for user in (0, 1)]
    left = [Op("connection.close", 16.02, user=user) for user in (0, 1)]
    accepts = [Op("chat.accept", 5 + n / 30, key=10_000 + n, chat=n, pod=n % 2) for n in range(290)]
    subscribed = [Op("subscription.create", 4.5, topic="queue", sequence=0)] * 2  # of each worker
    pushes = [
        Op("event.deliver", None, key=10_000 + n, ended_s=at + 0.02, published_s=at, topic="queue", sequence=1 + n // 2)
        for n, at in ((n, 5 + n / 30) for n in range(50))
    ]
    return [*agents, *customers, *accepts, *subscribed, *pushes, *left]
