"""A run whose load was less than what the scenario asked for is not completed, for any cause."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from e2e_harness import Harness, loadtests, wait_for, write_scenario

from loadtests.conductor.ports import free_port
from loadtests.records.rundirectory import RunDirectory, run_directories
from reports.gate.inputs.reading import read_evidence, study_storages
from reports.gate.judging.soundness import check_run
from reports.gate.judging.verdicts import Verdict
from reports.gate.slo.objectives import Objective, Objectives

pytestmark = pytest.mark.e2e

ACCEPT = Objective("accept", "Accept", "chat.accept", 0.3, 0.9)


def is_whole(study: Path) -> bool:
    """Whether the gate takes the study's run for readable and completed."""
    (run,) = read_evidence(study_storages(study), (ACCEPT,)).runs
    verdicts = {check.check: check.verdict for check in check_run(run, Objectives("o.yaml", "", (ACCEPT,))).checks}
    return verdicts.get("completed") is Verdict.PASS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_that_is_ended_in_mid_run_ends_the_run(tmp_path: Path, number: signal.Signals) -> None:
    scenario, address = str(write_scenario(tmp_path, 60)), f"127.0.0.1:{free_port()}"
    hosts = ["--master", "--expect-workers", "2", "--bind", address]
    with ExitStack() as stack:
        master = stack.enter_context(loadtests("run", scenario, "--storage", "memory", *hosts, runs=tmp_path / "runs"))
        workers = [
            stack.enter_context(loadtests("run", "--worker", address, runs=tmp_path / f"worker-{n}")) for n in (0, 1)
        ]
        master.wait_for_rows()
        wait_for(lambda: has_stage(master, "steady"))
        workers[0].process.send_signal(number)
        assert master.finish(40) == 70, master.stderr
        assert workers[0].finish(20) == 130
        assert workers[1].finish(20) == 0
        end = master.end()
        assert end["reason"] == "worker_left"
        assert f"left in mid-run ({number.name}): its agents and arrivals were missing" in end["detail"]
        assert f" on {os.uname().nodename} " in end["detail"]
        assert end["operations"]["lost"] == 0
        assert "ending early: worker_left" in master.stderr
        assert not is_whole(master.study())


def has_stage(harness: Harness, name: str) -> bool:
    """Whether the run is in that stage by its rows: the stage before lasts one second."""
    run = harness.directory()
    rows = [row for batch in run.batches("operations") for row in batch.to_pylist()] if run is not None else []
    times = [row["ended_ns"] for row in rows]
    return name == "steady" and bool(times) and max(times) - min(times) > 2_000_000_000


AGENTS_CRASH = """
def broken(self, planned_ns):
    raise RuntimeError("broken agent")
agent.Agent._connect = broken
"""
AGENTS_CRASH_AT_FIRST = """
def broken(self, load):
    raise RuntimeError("broken agent")
agent.Agent._begin = broken
"""
NO_TASKS = "agent.Agent.tasks = []"
HALF_OF_THE_AGENTS = """
start = runners.WorkerRunner.start_worker
def half(self, user_classes_count, **named):
    start(self, {name: count // 2 for name, count in user_classes_count.items()}, **named)
runners.WorkerRunner.start_worker = half
"""
NO_CUSTOMERS = "customer.Customer.live = lambda self: None"
CUSTOMERS_CRASH = """
def broken(self):
    raise KeyError("broken customer")
customer.Customer._request_chat = broken
"""
ARRIVALS_CRASH = """
def broken(*arguments):
    yield from itertools.islice(thinned(*arguments), 5)
    raise OSError("broken arrivals")
thinned, load.thinned = load.thinned, broken
"""
ARRIVALS_END = """
thinned, load.thinned = load.thinned, lambda *arguments: itertools.islice(thinned(*arguments), 5)
"""
AGENTS_STOPPED = """
report = worker.WorkerRun._report_progress
def stop_some(self):
    gevent.spawn_later(2.0, lambda: [agent.leave() for agent in list(self.load.agents)[:3]])
    report(self)
worker.WorkerRun._report_progress = stop_some
"""
UNHANDLED = """
def broken():
    raise ZeroDivisionError("broken greenlet")
report = worker.WorkerRun._report_progress
def and_break(self):
    gevent.spawn_later(2.0, broken)
    report(self)
worker.WorkerRun._report_progress = and_break
"""
REPORTS_END = """
def broken(self, before):
    raise AttributeError("broken report")
masterrun.MasterRun._report_tick = broken
"""
WORKER_QUITS = """
report = worker.WorkerRun._report_progress
def and_quit(self):
    gevent.spawn_later(2.0, self._runner.quit)
    report(self)
worker.WorkerRun._report_progress = and_quit
"""


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        (AGENTS_CRASH, "internal", "RuntimeError: broken agent at broken.py:"),
        (AGENTS_CRASH_AT_FIRST, "internal", "RuntimeError: broken agent at broken.py:"),
        (NO_TASKS, "internal", "No tasks defined on Agent"),
        (HALF_OF_THE_AGENTS, "incomplete", "stage steady: 4 agents planned, up to 2 missing"),
        (NO_CUSTOMERS, "incomplete", "arrivals planned, 0 began"),
        (CUSTOMERS_CRASH, "internal", "KeyError: 'broken customer'"),
        (ARRIVALS_CRASH, "internal", "OSError: broken arrivals"),
        (ARRIVALS_END, "incomplete", "arrivals planned, 0 began"),
        (AGENTS_STOPPED, "incomplete", "stage steady: 4 agents planned, up to 3 missing"),
        (UNHANDLED, "internal", "ZeroDivisionError: broken greenlet at broken.py:"),
        (REPORTS_END, "internal", "AttributeError: broken report"),
        (WORKER_QUITS, "worker_left", "left in mid-run (ended by Locust)"),
    ],
    ids=[
        "agents-crash",
        "agents-crash-at-first",
        "no-tasks",
        "half-of-the-agents",
        "no-customers",
        "customers-crash",
        "arrivals-crash",
        "arrivals-end",
        "agents-stopped",
        "unhandled",
        "reports-end",
        "worker-quits",
    ],
)
def test_a_broken_load_is_not_completed(tmp_path: Path, change: str, reason: str, detail: str) -> None:
    code, study = own_run(tmp_path, change)
    end: dict[str, Any] = study.read("end")
    assert (end["reason"], code) == (reason, 70), end["detail"]
    assert detail in end["detail"]
    assert not is_whole(study.path.parent)


def test_a_load_that_is_not_broken_is_completed(tmp_path: Path) -> None:
    code, run = own_run(tmp_path, "")
    end: dict[str, Any] = run.read("end")
    assert (end["reason"], end["detail"], code) == ("completed", "", 0)
    assert [stage["agents_missing"] for stage in end["load"]["stages"]] == [0, 0]
    assert all(stage["arrivals_begun"] >= stage["arrivals_required"] > 0 for stage in end["load"]["stages"])
    assert is_whole(run.path.parent)


def own_run(tmp_path: Path, change: str) -> tuple[int, RunDirectory]:
    """A run of Locust's own command whose locustfile changes our load; its exit code, and the run."""
    locustfile = tmp_path / "broken.py"
    imports = """
        import itertools
        import gevent
        from locust import runners
        from loadtests.locustfile import *
        from loadtests.generator import masterrun, worker
        from loadtests.users import agent, customer, load
        """
    locustfile.write_text(textwrap.dedent(imports) + change)
    scenario = str(write_scenario(tmp_path, 5))
    arguments = ["--headless", "--processes", "1", "--scenario", scenario, "--storage", "memory"]
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(locustfile), *arguments, "--runs-dir", str(tmp_path / "runs")],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    studies = list((tmp_path / "runs").glob("*"))
    assert studies, done.stderr
    (run,) = run_directories(studies[0])
    return done.returncode, run
