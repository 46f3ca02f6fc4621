"""The Locust master and its workers: how they are started."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.conductor.choices import Generator
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
    host, _, bind_port = (generator.bind or "").rpartition(":")
    bind = ["--master-bind-host", host.strip("[]"), "--master-bind-port", bind_port]
    return ["--master", "--expect-workers", str(generator.expect_workers), *bind]


def worker_argv(master: str) -> list[str]:
    """A worker of a master on HOST:PORT."""
    host, _, port = master.rpartition(":")
    return [*locust_argv(), "--worker", "--master-host", host.strip("[]"), "--master-port", port]


def worker_environment(join_token: str, **variables: str) -> dict[str, str]:
    """The environment of such a worker: of our secrets the two that it needs, and no variables of the user's."""
    signing = {TOKEN_SECRET: os.environ[TOKEN_SECRET]} if TOKEN_SECRET in os.environ else {}
    return child_environment({JOIN_TOKEN: join_token, **signing, **variables})


@dataclass(frozen=True)
class MasterSecrets:
    """What a Locust master has in its environment."""

    token_secret: str = field(repr=False)
    join_token: str = field(default="", repr=False)
    """What workers from elsewhere prove; empty for a master that starts its workers itself."""

    @property
    def environment(self) -> dict[str, str]:
        join = {JOIN_TOKEN: self.join_token} if self.join_token else {}
        return {TOKEN_SECRET: self.token_secret, **join}


def start_locust(
    plan: RunPlan, secrets: MasterSecrets, generator: Generator, log: Path, reaper: ProcessReaper
) -> tuple[Child, Lines]:
    """The Locust master, which starts its workers and the load at once, and its live lines."""
    environment = {"LOADTESTS_PLAN": plan.to_json(), "LOADTESTS_LIVE_FD": DESCRIPTOR, **secrets.environment}
    argv = [*locust_argv(), "--headless", "--only-summary", *master_arguments(generator)]
    return start_with_lines(ChildCommand("locust", argv, environment, log), reaper)
