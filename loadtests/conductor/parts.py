"""What a run stands on: a server, a pod on it, an observer beside them."""

import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtests.conductor.choices import Subject
from loadtests.conductor.failures import RunEnded
from loadtests.conductor.guardian import Guardian
from loadtests.conductor.manifest import Clock
from loadtests.conductor.processes import Child, Command, Ready, start_until_ready
from loadtests.conductor.watching import Interrupts
from loadtests.records.rundirectory import RunDirectory
from loadtests.scenario import PodTarget
from loadtests.servers.contract import Server
from loadtests.servers.errors import ServerUnavailable
from loadtests.servers.registry import SERVERS, create_server

POD = "pod-1"
STOP_WITHIN_S = 15.0


@dataclass(frozen=True)
class Watched:
    """A process that the observer is to watch."""

    role: str
    name: str
    pid: int


@dataclass
class Parts:
    """The parts of one run, started one after another and stopped in the reverse order."""

    directory: RunDirectory
    clock: Clock
    subject: Subject
    guardian: Guardian
    interrupts: Interrupts
    token_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    server: Server | None = None
    pod: Child | None = None
    observer: Child | None = None
    _orders: int | None = None

    def start_server(self) -> None:
        """Raises RunEnded(database_died) when the storage's server does not come up."""
        engine = self.subject.engine
        if engine not in SERVERS:
            return
        try:
            home = self.directory.path.parent / f"server-{self.directory.name}"
            self.server = create_server(engine, home, choices=self.subject.choices)
            self.server.start()
        except ServerUnavailable as error:
            self.interrupts.check()
            raise RunEnded("database_died", str(error)) from None
        self.interrupts.check()

    @property
    def dsn(self) -> str | None:
        """The observer's and the ledger's way to the storage; a secret when it is a server's."""
        if self.server is not None:
            return self.server.dsn
        return str(self.directory.path / "storage.sqlite") if self.subject.engine == "sqlite" else None

    def start_pod(self, accounts: Sequence[str]) -> tuple[PodTarget, dict[str, Any]]:
        """The pod and the settings that its storage read back. Raises RunEnded(pod_died)."""
        storage = self.subject.storage
        assert storage is not None
        argv = [
            *(sys.executable, "-m", "loadtests.pod", "--storage", storage, "--name", POD),
            *("--host", "127.0.0.1", "--port", "0", "--control-port", "0"),
            *("--run-directory", str(self.directory.path), "--origin-ns", str(self.clock.monotonic_ns)),
            *("--ready-fd", "{ready}"),
        ]
        dsn = self.server.pod_dsn if self.server else self.dsn
        environment = {
            "LOADTESTS_TOKEN_SECRET": self.token_secret,
            "LOADTESTS_CONTROL_TOKEN": secrets.token_urlsafe(24),
            **({"LOADTESTS_DSN": dsn} if dsn else {}),
        }
        self.pod, ready = self._start("pod", argv, environment, "pod_died")
        return PodTarget(POD, ready["url"], tuple(accounts)), ready.get("settings") or {}

    def start_observer(self) -> Any:
        """Returns the offset of each database's clock, by name. Raises RunEnded(observer_died).

        Behind a target that we did not start there is no database that it could ask: it watches the generator then.
        """
        watched = [Watched("pod", POD, self.pod.pid)] if self.pod else []
        watched += [Watched("database", self.server.engine, self.server.pid)] if self.server else []
        argv = [
            *(sys.executable, "-m", "loadtests.probes"),
            *(part for name, engine in self.databases() for part in ("--database", f"{name}:{engine}")),
            *("--run-directory", str(self.directory.path), "--origin-ns", str(self.clock.monotonic_ns)),
            *(part for w in watched for part in ("--watch", f"{w.role}:{w.name}:{w.pid}")),
            *("--ready-fd", "{ready}"),
        ]
        environment = {"LOADTESTS_DSNS": json.dumps({name: self.dsn for name, _ in self.databases()})}
        orders, self._orders = os.pipe()
        try:
            self.observer, ready = self._start("observer", argv, environment, "observer_died", orders)
        finally:
            os.close(orders)
        return ready["database_offsets"]

    def databases(self) -> list[tuple[str, str]]:
        """Name and engine of each; a simple storage's only one is named by its engine."""
        return [(self.subject.engine, self.subject.engine)] if self.subject.engine and self.dsn else []

    def watch_generator(self, pid: int) -> None:
        """Tells the observer the Locust master's process id."""
        if self.observer is not None and self._orders is not None:
            with contextlib.suppress(BrokenPipeError):  # it died, which somebody else notices
                os.write(self._orders, json.dumps({"watch": f"generator:locust:{pid}"}).encode() + b"\n")

    def _start(
        self, name: str, argv: Sequence[str], environment: dict[str, str], died: str, stdin: int | None = None
    ) -> tuple[Child, Any]:
        command = Command(name, argv, environment, self.log(name))
        return start_until_ready(command, Ready(self.guardian, self.interrupts, died, stdin))

    def log(self, name: str) -> Any:
        logs = self.directory.path / "log"
        logs.mkdir(exist_ok=True)
        return logs / f"{name}.log"

    def stop(self) -> None:
        """Observer, pod, server, in this order; each flushes its tables first. Harmless for what never started."""
        for child in (self.observer, self.pod):
            if child is not None:
                child.stop(signal.SIGTERM, STOP_WITHIN_S)
        if self._orders is not None:
            os.close(self._orders)
            self._orders = None
        if self.server is not None:
            self.server.destroy()
        for leftover in self.directory.path.glob("storage.sqlite*"):
            leftover.unlink()
