"""A new action is one class in a module of its own and one line of the table: the rest of the harness follows its
declarations."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MODULE = '''
from typing import ClassVar, Literal

from loadtests.configuration.values import LongerThanNothing, Name
from loadtests.timeline.actions.contract import Need, TimelineAction, Touched


class Freeze(TimelineAction):
    """Takes a database server away for a time."""

    exclusive: ClassVar[bool] = True
    may_exit: ClassVar[bool] = True

    do: Literal["freeze"]
    for_s: LongerThanNothing
    database: Name

    words = property(lambda self: f"{self.subject} frozen")
    need = property(lambda self: Need("server", "a storage with a server to freeze"))
    planned_s = property(lambda self: self.for_s)

    def touched(self, run):
        return Touched(databases=run.chosen_databases(self.database))

    async def perform(self, context):
        context.control.calls.append(f"freeze {self.database}")
        return {"frozen": 1}
'''
LINE = '    "freeze": "toy:Freeze",\n'

SCRIPT = '''
import asyncio, json, time
from contextlib import asynccontextmanager

from loadtests.conductor.choices import Subject
from loadtests.conductor.layout import layout
from loadtests.conductor.preflight.feasibility import problems_of_timeline
from loadtests.conductor.run.actions import row
from loadtests.scenario import ScenarioError, parse_scenario
from loadtests.scenario.schema import scenario_schema
from loadtests.timeline.action_runner import ActionRunner
from loadtests.timeline.context import ActionContext, DatabaseHandle, PodHandle

TEXT = """\\
name: x
agent: {subscriptions: 0, think: {median: 1s, sigma: 0}, chats_at_once: 1, session: 1h}
customer: {arrivals: poisson, patience: 1s, messages: {min: 0, max: 0}, pause: {median: 1s, sigma: 0}}
stages:
  - {name: warm-up, duration: 5s, agents: 2, arrivals_per_s: 1}
  - {name: steady, duration: 60s, agents: 2, arrivals_per_s: 1, judge: true}
timeline:
  - {stage: warm-up, do: freeze, database: postgres, for_s: 2s}
"""


def problems(storage, more="", database="postgres"):
    text = TEXT.replace("database: postgres", f"database: {database}") + more
    return problems_of_timeline(parse_scenario(text, "x"), text, "x", [Subject(storage=storage)], ())


class Control:
    calls = []

    @asynccontextmanager
    async def expected_down(self, *names):
        self.calls.append(f"down {names}")
        yield
        self.calls.append(f"up {names}")


def wrong(text):
    try:
        parse_scenario(text, "x")
    except ScenarioError as error:
        return str(error)


class Events:
    def __init__(self):
        self.results = []

    def report(self, message):
        pass

    def ended(self, result):
        self.results.append(result)

    def failed(self, error):
        raise error


def results(scenario):
    control, events, loop = Control(), Events(), asyncio.new_event_loop()
    context = ActionContext(
        {"pod-1": PodHandle("pod-1", "", "", (), {"postgres": "postgres"})},
        {"postgres": DatabaseHandle("postgres", "postgres", "")},
        control,
    )
    runner = ActionRunner(scenario, context, loop, events)
    runner.begin(time.monotonic_ns())
    while runner.alive:
        loop.run_until_complete(asyncio.sleep(0.01))
    return events.results[0], control.calls


scenario = parse_scenario(TEXT, "x")
plan = layout(scenario, "postgres:pessimistic")
result, calls = results(scenario)
print(json.dumps({
    "schema": "Freeze" in json.loads(scenario_schema())["$defs"],
    "feasible": problems("postgres:pessimistic"),
    "no_server": problems("sqlite", database="sqlite"),
    "no_database": problems("postgres:pessimistic", "  - {stage: steady, do: freeze, database: x, for_s: 1s}\\n"),
    "collision": problems("postgres:pessimistic", "  - {stage: warm-up, after: 1s, do: recreate}\\n"),
    "unknown_key": wrong(TEXT.replace("database: postgres", "databse: postgres")),
    "locks": scenario.timeline[0].locked(plan.components),
    "calls": calls,
    "row": {**row(result, plan, 0)._asdict(), "started_ns": 0, "ended_ns": 0},
}))
'''


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """What a copy of the harness with one more action reports."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "loadtests", copy / "loadtests", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "scenarios").mkdir()
    table = copy / "loadtests" / "timeline" / "actions" / "table.py"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    lines.insert(next(n for n, line in enumerate(lines) if '"http":' in line), LINE)
    table.write_text("".join(lines), encoding="utf-8")
    table.with_name("toy.py").write_text(MODULE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_schema_has_it(reported):
    assert reported["schema"]


def test_wrong_key_of_it_is_reported(reported):
    assert "timeline[0].databse: got unknown key 'databse'" in reported["unknown_key"]
    assert "did you mean database?" in reported["unknown_key"]


def test_feasibility_follows_its_need(reported):
    assert reported["feasible"] == []
    expected = "timeline[0].do: got freeze, expected a storage with a server to freeze: sqlite has none"
    assert reported["no_server"] == [f"x:8: {expected}"]
    assert "timeline[1].database: got 'x', expected postgres (of postgres:pessimistic)" in reported["no_database"][0]


def test_collisions_follow_what_it_touches_and_how_long_it_lasts(reported):
    (line,) = reported["collision"]
    expected = "expected 2s or more: until then timeline[0] (database postgres frozen) uses database postgres"
    assert "timeline[1].after: got '1s'" in line
    assert line.endswith(expected)


def test_it_locks_what_it_touches(reported):
    assert reported["locks"] == ["database postgres"]


def test_what_it_touches_may_exit_while_it_runs(reported):
    assert reported["calls"] == ["down ('postgres',)", "freeze postgres", "up ('postgres',)"]


def test_its_row_has_what_it_touched_and_found(reported):
    assert reported["row"] == {
        "started_ns": 0,
        "ended_ns": 0,
        "kind": "action",
        "subject": "database postgres",
        "result": "ok",
        "detail": json.dumps(
            {
                "do": "freeze",
                "words": "database postgres frozen",
                "stage": "warm-up",
                "pods": [],
                "databases": ["postgres"],
                "found": {"frozen": 1},
            }
        ),
    }
