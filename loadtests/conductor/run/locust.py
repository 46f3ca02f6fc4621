"""The Locust master and its workers: how they are started, and the master as the run sees it."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from loadtests.commandline import host_and_port
from loadtests.conductor.choices import Generator
from loadtests.conductor.failures import Reason
from loadtests.conductor.ports import free_port
from loadtests.conductor.processes import DESCRIPTOR, Child, ChildCommand, start_with_lines
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.watching import Lines
from loadtests.environment import child_environment
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET
from loadtests.scenario import RunPlan

LOCUSTFILE = Path(__file__).resolve().parents[2] / "locustfile.py"


def locust_argv() -> list[str]:
    """Locust without settings of its own, and without modules of the working directory."""
    return [sys.executable, "-P", "-m", "loadtests.generator", "-f", str(LOCUSTFILE)]


def master_arguments(generator: Generator) -> list[str]:
    if generator.expect_workers is None:
        port = str(free_port())
        return [
            *("--processes", str(generator.processes), "--expect-workers-max-wait", "30"),
            *("--master-bind-host", "127.0.0.1", "--master-bind-port", port),
            *("--master-host", "127.0.0.1", "--master-port", port),
        ]
    assert generator.bind is not None
    bind_host, bind_port = host_and_port(generator.bind)
    bind = ["--master-bind-host", bind_host, "--master-bind-port", str(bind_port)]
    return ["--master", "--expect-workers", str(generator.expect_workers), *bind]


def worker_argv(master: str) -> list[str]:
    """A worker of a master on HOST:PORT."""
    host, port = host_and_port(master)
    return [*locust_argv(), "--worker", "--master-host", host, "--master-port", str(port)]


def worker_environment(join_token: str, **variables: str) -> dict[str, str]:
    """The environment of such a worker: of our secrets the two that it needs, and no variables of the user's."""
    signing = {TOKEN_SECRET: os.environ[TOKEN_SECRET]} if TOKEN_SECRET in os.environ else {}
    return child_environment({JOIN_TOKEN: join_token, **signing, **variables})


def start_locust(
    plan: RunPlan, secrets: Mapping[str, str], generator: Generator, log: Path, reaper: ProcessReaper
) -> tuple[Child, Lines]:
    """The Locust master, which starts its workers and the load at once, and its live lines. `secrets` are variables."""
    environment = {"LOADTESTS_PLAN": plan.to_json(), "LOADTESTS_LIVE_FD": DESCRIPTOR, **secrets}
    argv = [*locust_argv(), "--headless", "--only-summary", *master_arguments(generator)]
    return start_with_lines(ChildCommand("locust", argv, environment, log), reaper)


class MasterProcess(Protocol):
    """The load as a process: ours, or the one that started us."""

    is_external: bool
    needs_shutdown: bool
    """Whether it must exit by itself once every row is kept."""

    @property
    def pid(self) -> int: ...

    def ask_to_stop(self, reason: Reason) -> None:
        """Nothing new begins, what is under way drains."""

    def kill(self) -> None: ...

    def exit_summary(self) -> str:
        """How it ended, in one sentence."""

    def log_tail(self) -> str:
        """The end of what it logged."""


class OwnMaster:
    """The Locust master that this run started."""

    is_external = False

    def __init__(self, child: Child, generator: Generator) -> None:
        self._child, self.pid = child, child.pid
        self.kill, self.exit_summary, self.log_tail = child.kill, child.exit_summary, child.log_tail
        # Workers on other hosts must be asked to exit; those here are killed, which saves seconds a run.
        self.needs_shutdown = generator.expect_workers is not None

    def ask_to_stop(self, reason: Reason) -> None:  # noqa: ARG002  it does not matter to Locust
        # Not SIGTERM: Locust listens to that one only after a load with stages has ended.
        self._child.send(signal.SIGINT)
