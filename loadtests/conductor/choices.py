"""What was asked for, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.probes.contract import Database
from loadtests.protocols import DEFAULT_PROTOCOL
from loadtests.records.rundirectory import safe_name
from loadtests.scenario import Scenario


@dataclass(frozen=True)
class Target:
    """A pod that we did not start: its address, the name it has in reports, and the databases behind it that may be
    watched."""

    url: str
    label: str
    databases: tuple[Database, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What one run is about: a storage system by name, or a target."""

    storage: str | None = None
    target: Target | None = None
    label: str = ""
    """Of a storage system in reports; empty for one that is derived from its name."""

    @property
    def name(self) -> str:
        return self.storage or (self.target.label if self.target else "")

    @property
    def directory(self) -> str:
        return safe_name(self.name)


@dataclass(frozen=True)
class Generator:
    """Where the load is made: `processes` on this host, or `expect_workers` that come to `bind` (HOST:PORT)."""

    processes: int = 1
    expect_workers: int | None = None
    bind: str | None = None
    wait_s: float = 300.0
    """How long these may take to come."""

    @property
    def workers(self) -> int:
        return self.expect_workers or self.processes


@dataclass(frozen=True)
class Choices:
    """A study as asked for, every name checked."""

    scenario: Scenario
    scenario_text: str
    subjects: tuple[Subject, ...]
    rounds: int
    runs: Path
    seed: int
    generator: Generator
    protocol: str = DEFAULT_PROTOCOL
    hosts_owned: tuple[str, ...] = ()
    """Hosts and networks of `--i-own`."""
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host → the networks in which it may be, as found when the study was checked; one that is missing may be
    anywhere."""
    objectives_text: str | None = None
    """The file that the scenario names; None when it names none."""
    abort_on_fail: bool = False
    """Whether the study ends as soon as one of its objectives certainly fails."""
    notes: tuple[str, ...] = ()
    """Sentences to show before the study begins."""
