"""Real runs for the tests of this room: a pod in memory, Locust as a subprocess, everything taken down afterwards."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.conductor.ports import free_port
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import codes_of
from loadtests.scenario import PodTarget, RunPlan

LOCUSTFILE = Path(__file__).parents[2] / "loadtests" / "locustfile.py"
SECRET = "a secret of the tests"
ACCOUNTS = ("account-0001", "account-0002")

TINY = """
name: tiny
accounts: 2
agent:
  subscriptions: 2
  think: {median: 60ms, sigma: 0.3}
  chats_at_once: 3
  session: 1h
  churn: 1s
customer:
  arrivals: constant
  patience: 3s
  messages: {min: 1, max: 2}
  pause: {median: 40ms, sigma: 0.3}
timeouts: {default: 2s}
stages:
  - {name: warm-up, duration: 1s, agents: 4, arrivals_per_s: 4}
  - {name: steady, duration: 2s, agents: 6, arrivals_per_s: 10, judge: true}
  - {name: storm, duration: 1s, agents: 6, arrivals_per_s: 10, reconnect: 1.0, reconnect_within: 500ms}
"""


def end(process: subprocess.Popen[Any]) -> None:
    """Ends a process group that this test started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_line(descriptor: int, timeout_s: float) -> str:
    until, line = time.monotonic() + timeout_s, b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        assert readable, "no line came in time"
        chunk = os.read(descriptor, 65536)
        assert chunk, "the process ended without a word"
        line += chunk
    return line.decode()


@contextmanager
def memory_pod(directory: Path) -> Iterator[str]:
    """A reference pod on `memory`; yields its URL."""
    ready, writing = os.pipe()
    argv = ["--storage", "memory", "--name", "pod-1", "--host", "127.0.0.1", "--port", "0", "--control-port", "0"]
    argv += ["--run-directory", str(directory), "--origin-ns", "0", "--ready-fd", str(writing)]
    environment = {**os.environ, "LOADTESTS_TOKEN_SECRET": SECRET, "LOADTESTS_CONTROL_TOKEN": "control"}
    with (directory / "pod.log").open("w") as log:
        pod = subprocess.Popen(
            [sys.executable, "-m", "loadtests.pod", *argv],
            env=environment, pass_fds=[writing], stderr=log, stdout=log, start_new_session=True,
        )  # fmt: skip
    os.close(writing)
    try:
        yield json.loads(read_line(ready, 30))["url"]
    finally:
        os.close(ready)
        end(pod)


@dataclass
class LocustRun:
    """What a run left: its live lines, its rows, Locust's exit code."""

    directory: Path
    code: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == name]

    @property
    def drained(self) -> list[dict[str, Any]]:
        (line,) = self.events("drained")
        workers: list[dict[str, Any]] = line["workers"]
        return workers

    def rows(self) -> list[dict[str, Any]]:
        """Every row of every worker, codes as names."""
        found = []
        for batch in RunDirectory(self.directory).batches("operations"):
            codes = codes_of(batch.schema)
            found += [{k: codes[k][v] if k in codes else v for k, v in row.items()} for row in batch.to_pylist()]
        return found


def plan_for(directory: Path, url: str, scenario: str) -> RunPlan:
    pods = (PodTarget("pod-1", url, ACCOUNTS),)
    return RunPlan("01-memory", str(directory), scenario, "memory", 11, time.monotonic_ns(), pods)


class Locust:
    """A Locust master with its workers, in a process group of its own."""

    def __init__(self, plan: RunPlan, arguments: list[str], **environment: str) -> None:
        self.run = LocustRun(Path(plan.directory))
        self._live, writing = os.pipe()
        self.port = str(free_port())
        bind = ["--master-bind-host", "127.0.0.1", "--master-bind-port", self.port, "--master-port", self.port]
        self.log = Path(plan.directory) / "locust.log"
        given = {"LOADTESTS_PLAN": plan.to_json(), "LOADTESTS_LIVE_FD": str(writing), "LOADTESTS_TOKEN_SECRET": SECRET}
        argv = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*argv, *bind, *arguments],
                env={**os.environ, **given, **environment}, pass_fds=[writing], stderr=log, stdout=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        os.close(writing)
        self._rest = b""

    def until(self, wanted: str | None, timeout_s: float = 60.0) -> None:
        """Reads live lines until an event has come or, for None, until the master has closed them."""
        until = time.monotonic() + timeout_s
        while True:
            readable, _, _ = select.select([self._live], [], [], max(0.0, until - time.monotonic()))
            assert readable, f"no {wanted or 'end'} in time:\n{self.log.read_text()}"
            chunk = os.read(self._live, 65536)
            if not chunk:
                assert wanted is None, f"no {wanted}:\n{self.log.read_text()}"
                return
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            self.run.lines += [json.loads(line) for line in whole]
            if wanted is not None and any(json.loads(line)["event"] == wanted for line in whole):
                return

    def finish(self) -> LocustRun:
        self.until(None)
        self.run.code = self.process.wait(timeout=60)
        return self.run

    def close(self) -> None:
        end(self.process)
        os.close(self._live)


@contextmanager
def locust(plan: RunPlan, arguments: list[str], **environment: str) -> Iterator[Locust]:
    running = Locust(plan, arguments, **environment)
    try:
        yield running
    finally:
        running.close()
