"""The Locust master as a process, and database servers whose death is the cause of another one's."""

import signal
from collections.abc import Mapping
from typing import Protocol

from loadtests.conductor.choices import Generator
from loadtests.conductor.failures import Reason
from loadtests.conductor.processes import Child
from loadtests.servers.contract import DatabaseServer


def first_cause(reason: Reason, servers: Mapping[str, DatabaseServer]) -> Reason:
    """The death of a database server where that is why a pod or the observer could not start."""
    if reason.code in ("pod_died", "observer_died"):
        for name, server in servers.items():
            if not server.running:
                return Reason("database_died", f"{server_died(name)}; {reason.detail}", server.log_tail())
    return reason


def server_died(name: str) -> str:
    return f"the database server {name} died"


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
        self._child = child
        # Workers on other hosts must be asked to exit; those here are killed, which saves seconds a run.
        self.needs_shutdown = generator.expect_workers is not None

    @property
    def pid(self) -> int:
        return self._child.pid

    def ask_to_stop(self, reason: Reason) -> None:  # noqa: ARG002  it does not matter to Locust
        # Not SIGTERM: Locust listens to that one only after a load with stages has ended.
        self._child.send(signal.SIGINT)

    def kill(self) -> None:
        self._child.kill()

    def exit_summary(self) -> str:
        return self._child.exit_summary()

    def log_tail(self) -> str:
        return self._child.log_tail()
