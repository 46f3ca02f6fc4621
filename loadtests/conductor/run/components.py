"""The components of a run: servers, pods, the observer."""

import contextlib
import json
import os
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.accounts import Mode
from loadtests.calibration.contract import is_calibrated
from loadtests.conductor.choices import Subject, Target
from loadtests.conductor.failures import RunEnded
from loadtests.conductor.layout import Layout, layout
from loadtests.conductor.leftovers import DATABASES
from loadtests.conductor.processes import DESCRIPTOR, Child, ChildCommand, Starting, wait_until_ready
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.run.calibration import CalibrationPlace, CalibrationProcess
from loadtests.conductor.run.local_servers import Served, served_here
from loadtests.conductor.run.manifest import RunClock
from loadtests.conductor.run.pods import OwnPod, PodCommand, PodProxy
from loadtests.conductor.target import address_of, require_target
from loadtests.conductor.watching import Interrupts
from loadtests.engines import has
from loadtests.joining import TOKEN_SECRET
from loadtests.probes.databases import DSNS, dsns_by_name
from loadtests.protocols import DEFAULT_PROTOCOL
from loadtests.records.rundirectory import RunDirectory
from loadtests.scenario import PodTarget, Scenario
from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.registry import create_server
from loadtests.storagenames import StorageName

STOP_WITHIN_S = 15.0


@dataclass
class RunComponents:
    """The components of one run, started one after another and stopped in the reverse order."""

    directory: RunDirectory
    scenario: Scenario
    subject: Subject
    reaper: ProcessReaper
    interrupts: Interrupts
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host → where it may be, see `Choices.networks`."""
    protocol: str = DEFAULT_PROTOCOL
    clock: RunClock = field(default_factory=RunClock.now)
    token_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    servers: dict[str, DatabaseServer] = field(default_factory=dict)
    pods: dict[str, OwnPod] = field(default_factory=dict)
    proxies: dict[tuple[str, str], PodProxy] = field(default_factory=dict)
    """By pod and database."""
    served: Sequence[Served] = ()
    """What a target that we did not start has on this host."""
    observer: Child | None = None
    calibration: CalibrationProcess | None = None
    expected_down: Counter[str] = field(default_factory=Counter)
    """Number of active actions per pod or database; one with at least one may exit without ending the run."""
    _orders: int | None = None

    @property
    def layout(self) -> Layout:
        return layout(self.scenario, self.subject.storage)

    def start_servers(self) -> None:
        """Raises RunEnded(database_died) when a storage's server does not come up."""
        for name, storage in self.layout.databases.items():
            if has(storage.engine, "server"):
                self._start_server(name, storage)

    def _start_server(self, name: str, storage: StorageName) -> None:
        place = self.directory.path.parent / f"server-{self.directory.name}-{name}"
        try:
            role = self.layout.role_of(name)
            size = self.scenario.size_of(name) or self.scenario.size_of(role)
            server = self.servers[name] = create_server(storage.engine, place, choices=storage.choices, **size)
            server.start()
        except ServerUnavailable as error:
            self.interrupts.check()
            raise RunEnded("database_died", str(error)) from None
        self.interrupts.check()

    @property
    def databases(self) -> Mapping[str, str]:
        """Database of the run → its engine: those of the storage, or those behind a target that may be watched."""
        if self.subject.target is not None:
            return {database.name: database.engine for database in self.subject.target.databases}
        return {name: storage.engine for name, storage in self.layout.databases.items()}

    def dsns(self) -> Mapping[str, str]:
        """Database → the observer's and the ledger's way to it; a secret when it is a server's."""
        if self.subject.target is not None:
            return dsns_by_name(os.environ.get(DSNS)) if self.databases else {}
        return {name: self._dsn(name, storage) for name, storage in self.layout.databases.items()}

    def _dsn(self, name: str, storage: StorageName) -> str:
        if not has(storage.engine, "server"):
            return str(self.directory.path / f"storage-{name}.{storage.engine}")
        return self.servers[name].dsn

    def _pod_dsn(self, name: str) -> str:
        return self.servers[name].pod_dsn if name in self.servers else self.dsns()[name]

    def start_calibration(self) -> None:
        """Of the databases that there are, the servers being up; nothing where there is nothing to calibrate."""
        places = {
            name: CalibrationPlace(storage.engine, self.dsns()[name], self._pod_dsn(name))
            for name, storage in self.layout.databases.items()
            if is_calibrated(storage.engine, "short")
        }
        if places:
            self.calibration = CalibrationProcess(self.directory, places, "short", self.reaper)

    def start_pods(self) -> None:
        """Raises RunEnded(pod_died)."""
        assert self.subject.storage is not None
        command = PodCommand(
            storage=self.subject.storage,
            protocol=self.protocol,
            starts_on=self.scenario.starts_on,
            run_directory=self.directory.path,
            origin_ns=self.clock.monotonic_ns,
            logs=self.log("pod").parent,
            reaper=self.reaper,
            interrupts=self.interrupts,
            token_secret=self.token_secret,
            faults=self.scenario.faults,
        )
        proxied = any(action.needs_proxy for action in self.scenario.timeline)
        for planned in self.layout.pods:
            dsns = {role: self._pod_dsn(name) for role, name in planned.databases.items()}
            if proxied:
                dsns = {
                    role: self._proxied(command, planned.name, planned.databases[role], d) for role, d in dsns.items()
                }
            pod = self.pods[planned.name] = OwnPod(command, planned, dsns)
            pod.start()

    def _proxied(self, command: PodCommand, pod: str, database: str, dsn: str) -> str:
        if database not in self.servers:
            return dsn
        proxy = self.proxies[pod, database] = PodProxy(command, pod, database, dsn)
        return proxy.dsn

    @property
    def in_doubt(self) -> str:
        """Why the side of some accounts is unknown; empty when it is known."""
        names = [name for name, pod in self.pods.items() if pod.in_doubt]
        return f"the outcome of a move of the accounts of {' and '.join(names)} is unknown" if names else ""

    def modes(self) -> Mapping[str, Mode]:
        """Account → where a dual storage keeps it; of no interest for any other."""
        return {account: pod.plan.mode(account) for pod in self.pods.values() for account in pod.layout.accounts}

    def networks_of(self, target: Target) -> tuple[str, ...]:
        """Where the target's host may be."""
        return self.networks.get(address_of(target.url)[0], ())

    def reach_target(self, target: Target) -> PodTarget:
        """The target as a pod to load. Raises RunEnded when it is not there: an earlier run may have been its end."""
        self.token_secret = os.environ[TOKEN_SECRET]
        networks = self.networks_of(target)
        require_target(target.url, networks)
        (pod,) = self.layout.pods
        self.served = served_here(target, pod.name, self.dsns())
        return PodTarget(pod.name, target.url, pod.accounts, pod.weight, networks)

    def start_observer(self) -> Mapping[str, Any]:
        """Returns its ready line. Raises RunEnded(observer_died).

        Behind a target that we did not start it watches the databases that were named, if any, what of both is served
        on this host, and the generator.
        """
        argv = [
            *(sys.executable, "-m", "loadtests.probes"),
            *(part for name, engine in self.databases.items() for part in ("--database", f"{name}:{engine}")),
            *("--run-directory", str(self.directory.path), "--origin-ns", str(self.clock.monotonic_ns)),
            *(part for watched in self._watched() for part in ("--watch", watched)),
            *(("--networks", json.dumps(dict(self.networks))) if self.networks else ()),
            *("--ready-fd", DESCRIPTOR),
        ]
        environment = {DSNS: json.dumps(self.dsns())}
        orders, self._orders = os.pipe()
        try:
            command = ChildCommand("observer", argv, environment, self.log("observer"))
            starting = Starting(command, self.reaper, "observer_died", orders)
        finally:
            os.close(orders)
        reported: Mapping[str, Any] = wait_until_ready(starting, self.interrupts)
        self.observer = starting.child
        return reported

    def _watched(self) -> Sequence[str]:
        if self.subject.target is not None:
            return [f"{its.role}:{its.name}:{its.pid}" for its in self.served if its.pid is not None]
        pods = [f"pod:{name}:{pod.child.pid}" for name, pod in self.pods.items() if pod.child]
        return [*pods, *(f"database:{name}:{server.pid}" for name, server in self.servers.items())]

    def watch(self, role: str, name: str, pid: int) -> None:
        """Sends the observer a process that did not exist at its start: the Locust master, or one started again."""
        if self.observer is not None and self._orders is not None:
            with contextlib.suppress(BrokenPipeError):  # it exited, which the load monitor reports
                os.write(self._orders, json.dumps({"watch": f"{role}:{name}:{pid}"}).encode() + b"\n")

    def log(self, name: str) -> Path:
        logs = self.directory.path / "log"
        logs.mkdir(exist_ok=True)
        return logs / f"{name}.log"

    def stop(self) -> None:
        """Observer, pods, proxies, servers, in this order; observer and pods flush their tables first. Harmless for
        components that never started."""
        for child in (self.observer, *(pod.child for pod in self.pods.values())):
            if child is not None:
                child.stop(signal.SIGTERM, STOP_WITHIN_S)
        if self.calibration is not None:
            self.calibration.stop()
        for proxy in self.proxies.values():
            proxy.stop()
        if self._orders is not None:
            os.close(self._orders)
            self._orders = None
        for server in self.servers.values():
            server.destroy()
        for leftover in self.directory.path.glob(DATABASES):
            leftover.unlink()
