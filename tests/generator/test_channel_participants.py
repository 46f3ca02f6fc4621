"""Messages of workers that take part in a run: what does not fit is refused, and changes nothing of the run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from channel_bodies import PROGRESS, READY, row
from locust_runs import SECRET, TINY, plan_for

from loadtests.generator import runmessages
from loadtests.generator.channel.messages import Refused
from loadtests.generator.live import LiveWindow
from loadtests.generator.masterrun import MasterRun
from loadtests.generator.prepared import Prepared
from loadtests.generator.workerstate import Budget
from loadtests.records.rundirectory import RunDirectory


class Lines:
    """What the conductor would read."""

    def __init__(self) -> None:
        self.reported: list[dict[str, Any]] = []

    def report(self, event: str, **fields: Any) -> None:
        self.reported.append({"event": event, **fields})


class Run:
    """A run of two remote workers that have prepared it."""

    def __init__(self, directory: Path) -> None:
        self.lines, self.sent = Lines(), list[tuple[str, Any, str]]()
        runner: Any = SimpleNamespace(
            send_message=lambda kind, data, client_id: self.sent.append((kind, data, client_id)), clients={}
        )
        lines: Any = self.lines
        self.directory = RunDirectory(directory)
        self.run = MasterRun(runner, Prepared(plan_for(directory, "ws://x", TINY), SECRET, lines, lambda: 0))
        for client in ("a_0", "b_1"):
            self.run._invite(client)
        for number, client in enumerate(("a_0", "b_1")):
            self.receive(client, runmessages.READY, {**READY, "worker": number, "run": self.run.plan.run})

    def receive(self, client: str, kind: str, body: dict[str, Any]) -> None:
        self.run.receive(client, kind, body)


@pytest.fixture
def made(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (runmessages.PROGRESS, {**PROGRESS, "error": "forged"}),
        (runmessages.DRAINED, {**PROGRESS, "error": "forged"}),
        (runmessages.LEAVING, {"cause": "forged"}),
        (runmessages.ROWS, {"number": 0, "data": row()}),
        (runmessages.READY, READY),
    ],
)
@pytest.mark.parametrize(("client", "number"), [("b_1", 0), ("c_2", 0), ("c_2", 7), ("b_1", 7)])
def test_the_number_of_another_worker_is_refused(
    made: Run, client: str, number: int, kind: str, body: dict[str, Any]
) -> None:
    with pytest.raises(Refused, match="not the worker of that number"):
        made.receive(client, kind, {**body, "worker": number, "run": made.run.plan.run})
    assert made.run.workers[0].last_report == {}
    assert not any(worker.left or worker.drained for worker in made.run.workers.values())
    assert made.lines.reported == []
    assert list(made.directory.batches("operations")) == []


@pytest.mark.parametrize(
    "data",
    [b"", b"x", row(operation=200), row(pod=1), row() * 3 + b"y", b"ARROW1\0\0" * 81],
    ids=["empty", "cut", "operation", "pod", "rest", "arrow"],
)
def test_rows_that_are_none_are_refused_and_not_acknowledged(made: Run, data: bytes) -> None:
    made.receive("a_0", runmessages.ROWS, {"worker": 0, "number": 0, "data": row()})
    with pytest.raises(Refused, match="its rows"):
        made.receive("a_0", runmessages.ROWS, {"worker": 0, "number": 1, "data": data})
    made.receive("a_0", runmessages.ROWS, {"worker": 0, "number": 1, "data": row(seq=1)})
    kept = [data["number"] for kind, data, _ in made.sent if kind == runmessages.ROWS_KEPT]
    assert kept == [0, 1]
    assert [r["seq"] for batch in made.directory.batches("operations") for r in batch.to_pylist()] == [0, 1]


def test_more_rows_than_operations_are_refused(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.generator.masterrun._ROWS_AHEAD", 10)
    made.receive("a_0", runmessages.PROGRESS, PROGRESS)
    with pytest.raises(Refused, match="more than 110"):
        made.receive("a_0", runmessages.ROWS, {"worker": 0, "number": 0, "data": row() * 111})


def test_messages_after_the_last_one_are_refused(made: Run) -> None:
    made.receive("a_0", runmessages.DRAINED, PROGRESS)
    for kind in (runmessages.DRAINED, runmessages.PROGRESS, runmessages.ROWS, runmessages.LEAVING, runmessages.READY):
        with pytest.raises(Refused, match="after the worker's last message"):
            made.receive("a_0", kind, {**PROGRESS, "worker": 0, "run": made.run.plan.run})
    assert len([line for line in made.lines.reported if line.get("state") == "left"]) == 2


def test_a_flood_of_reports_makes_few_lines(made: Run) -> None:
    refused = 0
    for _ in range(5000):
        try:
            made.receive("a_0", runmessages.PROGRESS, PROGRESS)
        except Refused:
            refused += 1
    assert len(made.lines.reported) + refused == 5000
    assert refused > 4000
    made.receive("b_1", runmessages.PROGRESS, {**PROGRESS, "worker": 1})
    made.receive("a_0", runmessages.DRAINED, PROGRESS)


def test_a_budget_refills_up_to_its_burst() -> None:
    now = [0.0]
    budget = Budget(10, 20, lambda: now[0])
    assert [budget.take() for _ in range(21)] == [True] * 20 + [False]
    now[0] += 0.5
    assert [budget.take() for _ in range(6)] == [True] * 5 + [False]
    now[0] += 1000
    assert [budget.take() for _ in range(21)] == [True] * 20 + [False]


def test_a_flood_of_histograms_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.generator.live._LARGEST_WINDOW", 1000)
    window = LiveWindow()
    for _ in range(100):
        window.add({"chat.accept": "x" * 100})
    assert len(window._taken) == 10
