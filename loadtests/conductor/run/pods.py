"""One pod of ours: its process, its addresses, and the proxies between it and its databases."""

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loadtests.accounts import MigrationPlan, Mode
from loadtests.conductor.failures import RunEnded
from loadtests.conductor.layout import PodLayout
from loadtests.conductor.processes import DESCRIPTOR, Child, ChildCommand, Starting, wait_until_ready
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.watching import Interrupts
from loadtests.drivers.addresses.uri import redirected, split
from loadtests.scenario import PodTarget
from loadtests.storagenames import SIDES, dsn_variable


@dataclass(frozen=True)
class PodCommand:
    """How every pod of a run is started; what differs between them is in `PodLayout`."""

    storage: str
    protocol: str
    starts_on: Mode
    run_directory: Path
    origin_ns: int
    logs: Path
    reaper: ProcessReaper
    interrupts: Interrupts
    token_secret: str = field(repr=False)
    faults: tuple[str, ...] = ()


class OwnPod:
    """A pod that this run started, and may start again after its process has ended: same ports, same name."""

    def __init__(self, command: PodCommand, layout: PodLayout, dsns: Mapping[str, str]) -> None:
        self.layout = layout
        self.control_token = secrets.token_urlsafe(24)
        self.control_url = ""
        self.settings: Mapping[str, Any] = {}
        self.faults: Sequence[Mapping[str, str]] = ()
        """Name and title of each that it says to have."""
        self._command, self._dsns = command, dsns
        self._url = ""
        self.in_doubt = False
        """Whether a move of its accounts has an unknown outcome: the side of its accounts is unknown from then on."""
        self.plan = MigrationPlan(command.starts_on)
        """Where a dual storage has its accounts, by the moves that were made."""
        self.child: Child | None = None

    @property
    def name(self) -> str:
        return self.layout.name

    @property
    def target(self) -> PodTarget:
        return PodTarget(self.name, self._url, self.layout.accounts, self.layout.weight)

    def start(self) -> None:
        """Returns when it serves. Raises RunEnded(pod_died)."""
        self.serves(wait_until_ready(self.launch(), self._command.interrupts))

    def launch(self) -> Starting:
        """Starts its process; call `serves` with its ready line. Raises RunEnded(pod_died)."""
        self.plan = MigrationPlan(self._mode())  # it knows of no wave
        log = self._command.logs / f"{self.name}.log"
        name = self.name if self.name.startswith("pod") else f"pod {self.name}"
        command = ChildCommand(name, self._argv(), self._environment(), log)
        starting = Starting(command, self._command.reaper, "pod_died")
        self.child = starting.child
        return starting

    def serves(self, reported: Mapping[str, Any]) -> None:
        """`reported` is its ready line."""
        self._url, self.control_url = reported["url"], reported["control"]
        self.settings = reported.get("settings") or {}
        self.faults = reported.get("faults") or ()

    def moved(self, to: Mode, share: int) -> None:
        """It has confirmed that a share of its accounts is there now."""
        self.plan = self.plan.then(to, share)

    def _argv(self) -> list[str]:
        command = self._command
        return [
            *(sys.executable, "-m", "loadtests.pod", "--storage", command.storage, "--name", self.name),
            *("--protocol", command.protocol),
            *(part for fault in command.faults for part in ("--fault", fault)),
            *("--host", "127.0.0.1", "--port", _port(self._url), "--control-port", _port(self.control_url)),
            *("--run-directory", str(command.run_directory), "--origin-ns", str(command.origin_ns)),
            *(("--starts-on", self._mode()) if self.layout.databases.keys() & SIDES else ()),
            *("--ready-fd", DESCRIPTOR),
        ]

    def _mode(self) -> Mode:
        """Where all of its accounts are: a pod that is started again knows of no move. Raises RunEnded(pod_died) when
        they are not all in one place."""
        modes = {self.plan.mode(account) for account in self.layout.accounts}
        if len(modes) > 1:
            raise RunEnded("pod_died", f"pod {self.name} cannot be started again amid a move of its accounts")
        return modes.pop()

    def _environment(self) -> dict[str, str]:
        dsns = {dsn_variable(role): dsn for role, dsn in self._dsns.items()}
        return {
            "LOADTESTS_TOKEN_SECRET": self._command.token_secret,
            "LOADTESTS_CONTROL_TOKEN": self.control_token,
            **dsns,
        }


def _port(url: str) -> str:
    """The one it had before; `0`, any free one, at first."""
    return str(urlsplit(url).port or 0)


class PodProxy:
    """A network between a pod and a database that can be cut; only in runs whose timeline does."""

    def __init__(self, command: PodCommand, pod: str, database: str, dsn: str) -> None:
        """Raises RunEnded(internal)."""
        log = command.logs / f"proxy-{pod}-{database}.log"
        port = split(dsn).places[0].port
        argv = [
            *(sys.executable, "-m", "loadtests.timeline.proxy", "--port", str(port)),
            *("--ready-fd", DESCRIPTOR),
        ]
        given, self._orders = os.pipe()
        try:
            starting = Starting(ChildCommand(f"proxy of {pod}", argv, {}, log), command.reaper, "internal", given)
        finally:
            os.close(given)
        reported = wait_until_ready(starting, command.interrupts)
        self.child = starting.child
        self.dsn = redirected(dsn, int(reported["port"]))

    def order(self, word: str) -> None:
        """`pass`, `reset` or `blackhole`. Raises RunEnded when the proxy has gone."""
        try:
            os.write(self._orders, f"{word}\n".encode())
        except BrokenPipeError:
            raise RunEnded("internal", "a proxy between pod and database has died") from None

    def stop(self) -> None:
        os.close(self._orders)
        self.child.kill()
