"""Processes whose exit ends a run, and how each is reported."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from loadtests.conductor.choices import Generator
from loadtests.conductor.failures import Reason
from loadtests.conductor.processes import Child
from loadtests.servers.contract import DatabaseServer


class MonitoredProcess(Protocol):
    """A process whose exit ends the run."""

    def exit_summary(self) -> str:
        """How it ended, in one sentence."""

    def log_tail(self) -> str:
        """The end of what it logged."""


@dataclass(frozen=True)
class UnloggedProcess:
    """A process without a log of its own."""

    how: str

    def exit_summary(self) -> str:
        return self.how

    def log_tail(self) -> str:
        return ""


@dataclass(frozen=True)
class MonitoredServer:
    """A database server with its log."""

    name: str
    server: DatabaseServer

    def exit_summary(self) -> str:
        return f"the database server {self.name} died"

    def log_tail(self) -> str:
        return self.server.log_tail()


def first_cause(reason: Reason, servers: Mapping[str, DatabaseServer]) -> Reason:
    """The death of a database server where that is why a pod or the observer could not start."""
    if reason.code in ("pod_died", "observer_died"):
        for dead in (MonitoredServer(name, server) for name, server in servers.items() if not server.running):
            return Reason("database_died", f"{dead.exit_summary()}; {reason.detail}", dead.log_tail())
    return reason


class MasterProcess(MonitoredProcess, Protocol):
    """The load as a process: ours, or the one that started us."""

    is_external: bool
    needs_shutdown: bool
    """Whether it must exit by itself once every row is kept."""

    @property
    def pid(self) -> int: ...

    def ask_to_stop(self, reason: Reason) -> None:
        """Nothing new begins, what is under way drains."""

    def kill(self) -> None: ...


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
