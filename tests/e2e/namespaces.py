"""Hosts for tests: network namespaces that share a bridge, each with a name and a monotonic clock of its own."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from e2e_harness import Account


def why_not() -> str:
    """What keeps this machine from making namespaces; empty when nothing does."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2"
    probe = f"lt-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", probe], capture_output=True, check=False)
    if made.returncode:
        return f"no network namespaces here: {made.stderr.strip()}"
    clock = ["unshare", "--uts", "--time", "--monotonic", "1", "--fork", "true"]
    made = subprocess.run(clock, capture_output=True, text=True, check=False)
    return f"no time namespaces here: {made.stderr.strip()}" if made.returncode else ""


def require_namespaces() -> None:
    """Skips on a laptop; in CI what is missing is a failure."""
    if problem := why_not():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(problem)


@dataclass(frozen=True)
class Host:
    """One namespace on the bridge."""

    namespace: str
    name: str
    address: str
    clock_ahead_s: int = 0
    """How far its CLOCK_MONOTONIC is ahead of this machine's."""

    def command(self, *arguments: str) -> list[str]:
        """The command, to be run on that host."""
        clock = ["--time", "--monotonic", str(self.clock_ahead_s)] if self.clock_ahead_s else []
        shell = f'hostname {self.name}; exec "$@"'
        return [
            *("ip", "netns", "exec", self.namespace),
            *("unshare", "--uts", *clock, "--fork", "--kill-child", "sh", "-c", shell, "sh", *arguments),
        ]

    def account(self, **environment: str) -> Account:
        """For `loadtests` of the test harness. Processes of other hosts count as such."""
        return Account(prefix=tuple(self.command()), environment=environment)

    def set_link(self, state: str) -> None:
        _ip("-n", self.namespace, "link", "set", "eth0", state)


@dataclass
class Network:
    """Hosts host-1, host-2, …, at 10.77.0.1, 10.77.0.2, …"""

    mark: str
    hosts: list[Host] = field(default_factory=list)

    def add(self, clock_ahead_s: int = 0) -> Host:
        number = len(self.hosts) + 1
        host = Host(f"lt-{self.mark}-{number}", f"host-{number}", f"10.77.0.{number}", clock_ahead_s)
        _ip("netns", "add", host.namespace)
        self.hosts.append(host)
        port = f"p{number}"
        _ip("-n", self.bridge, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        _ip("-n", self.bridge, "link", "set", port, "master", "br0", "up")
        _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", host.namespace, "link", "set", device, "up")
        return host

    @property
    def bridge(self) -> str:
        return f"lt-{self.mark}-bridge"


@contextmanager
def network() -> Iterator[Network]:
    made = Network(uuid.uuid4().hex[:6])
    try:
        _ip("netns", "add", made.bridge)
        _ip("-n", made.bridge, "link", "add", "br0", "type", "bridge")
        _ip("-n", made.bridge, "link", "set", "br0", "up")
        yield made
    finally:
        for namespace in (*(host.namespace for host in made.hosts), made.bridge):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
