"""The table of engines: one entry each. Everything that differs by engine is found through it. A leaf of strings.

A part of an engine is named as `module:NAME` and imported when it is first needed, so that nothing but the engine in
use is loaded. `docs/architecture.md` says what each part is; `PARTS` is the list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal

from loadtests.parts import IncompleteError, why_missing

Survives = Literal["power_loss", "os_crash", "process_crash", "nothing"]
Dash = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Promises:
    """What a storage system guarantees; the contract suite tests each one for what it promises."""

    durable: bool
    no_orphans: bool
    commit_survives: Survives


@dataclass(frozen=True)
class Choice:
    """One way to run an engine, as a locking strategy. `name` is empty where there is only one way.

    `light`, `dark`: its colour on white and on black; `dash`: its line style, for plots without colour.
    """

    name: str
    promises: Promises
    light: str
    dark: str
    dash: Dash = "-"


@dataclass(frozen=True)
class HostNeeds:
    """What an engine takes of the host, as measured."""

    disk_mb: int = 0
    """Of a new database."""
    shared_memory: bool = False
    """Whether it maps files into memory that processes share."""
    longest_path: int | None = None
    """Bytes of the path of its database file, where it is a file."""
    tasks: int = 0
    """Processes and threads of a private server at rest, its supervisor included."""
    tasks_a_session: int = 0


@dataclass(frozen=True)
class Engine:
    """An engine by its title in messages. `runs`: where it lives; a `server` has an address, `in pod` nothing at all.

    The first of `choices` is the default; an engine without any is observed behind targets, not offered as a storage.
    The strings from `storage` on are its parts.
    """

    title: str
    runs: Literal["in pod", "file", "server"]
    choices: tuple[Choice, ...] = ()
    single_thread: bool = False
    """Whether it executes one command at a time, so that it has no locks to wait for but a busy thread."""
    os_user: str = ""
    """The user that packages create for the server; root runs a private server as that user."""
    host: HostNeeds = HostNeeds()
    storage: str = ""
    """`create(*choice, dsn, record, pod)`: a `Storage` of the reference pod."""
    address: str = ""
    """An `AddressForm`: what its DSNs mean."""
    server: str = ""
    """A `PrivateServer` class."""
    probe: str = ""
    """A `Probe` class, called with database, DSN and clock. Without one the pod times its own lock waits."""
    ledger: str = ""
    """`reading(dsn, silent_since_ns)`: an asynchronous context manager that reads the tables."""
    calibration: str = ""
    """An `EngineCalibration`: locks held for known times."""
    sessions: str = ""
    """`connected(dsn)`: sessions that timeline actions hold locks with and maintain by."""

    def choice(self, name: str) -> Choice:
        """Raises KeyError."""
        return {choice.name: choice for choice in self.choices}[name]

    @property
    def required(self) -> Sequence[str]:
        """Parts that an engine of this kind cannot do without."""
        observed = ("address", "probe") if self.runs == "server" else ()
        stored = {"in pod": (), "file": ("ledger",), "server": ("server", "ledger")}[self.runs]
        return (*observed, *(("storage", *stored) if self.choices else ()))


PARTS: Final = ("storage", "address", "server", "probe", "ledger", "calibration", "sessions")

_DURABLE: Final = Promises(durable=True, no_orphans=True, commit_survives="power_loss")
_WITH_ORPHANS: Final = Promises(durable=True, no_orphans=False, commit_survives="power_loss")

ENGINES: Final[dict[str, Engine]] = {
    "memory": Engine(
        title="memory",
        runs="in pod",
        choices=(Choice("", Promises(False, True, "nothing"), "#6f7680", "#a9b1bb", (0, (1, 1.4))),),
        storage="loadtests.pod.storage.memory:create",
    ),
    "sqlite": Engine(
        title="SQLite",
        runs="file",
        choices=(Choice("", _DURABLE, "#d55e00", "#ff9147"),),
        host=HostNeeds(shared_memory=True, longest_path=500),  # of 512, with what SQLite appends
        storage="loadtests.pod.storage.sqlite.storage:create",
        ledger="loadtests.ledger.sqlite:reading",
        calibration="loadtests.calibration.sqlite:CALIBRATION",
    ),
    "postgres": Engine(
        title="PostgreSQL",
        runs="server",
        choices=(
            Choice("pessimistic", _DURABLE, "#0072b2", "#58b2ee", (0, (6, 1.6))),
            Choice("optimistic", _DURABLE, "#009e73", "#35d0a2", (0, (2, 1.2))),
            Choice("none", _WITH_ORPHANS, "#6a4fc4", "#a996f5", (0, (9, 1.2, 1.2, 1.2))),
        ),
        os_user="postgres",
        host=HostNeeds(disk_mb=50, shared_memory=True, tasks=8, tasks_a_session=1),
        storage="loadtests.pod.storage.postgres.driver:create",
        address="loadtests.drivers.addresses.postgres:ADDRESS",
        server="loadtests.servers.postgres.server:PostgresServer",
        probe="loadtests.probes.postgres.probe:PostgresProbe",
        ledger="loadtests.ledger.postgres:reading",
        calibration="loadtests.calibration.postgres:CALIBRATION",
        sessions="loadtests.timeline.postgres:connected",
    ),
    "mariadb": Engine(
        title="MariaDB",
        runs="server",
        choices=(
            Choice("pessimistic", _DURABLE, "#cc79a7", "#eda3ca", (0, (7, 1.5, 1.5, 1.5))),
            Choice("optimistic", _DURABLE, "#8e1f5c", "#e26aa8", (0, (3, 1.5, 3, 1))),
            Choice("none", _WITH_ORPHANS, "#e0413f", "#ff8a84", (0, (5, 2.5))),
        ),
        os_user="mysql",
        host=HostNeeds(disk_mb=130, tasks=24, tasks_a_session=1),
        storage="loadtests.pod.storage.mariadb.driver:create",
        address="loadtests.drivers.addresses.mariadb:ADDRESS",
        server="loadtests.servers.mariadb.server:MariadbServer",
        probe="loadtests.probes.innodb.probe:MariadbProbe",
        ledger="loadtests.ledger.mariadb:reading",
        calibration="loadtests.calibration.mariadb:CALIBRATION",
        sessions="loadtests.timeline.mariadb:connected",
    ),
    "mysql": Engine(
        title="MySQL",
        runs="server",
        address="loadtests.drivers.addresses.mariadb:ADDRESS",
        probe="loadtests.probes.innodb.probe:MariadbProbe",
    ),
    "redis": Engine(
        title="Redis",
        runs="server",
        choices=(
            # Redis writes and syncs its log once for all commands of a turn of its event loop, before it sends a reply.
            Choice("always", _DURABLE, "#b8860b", "#f2bf4a", (0, (4, 1, 1, 1, 1, 1))),
            # Written before the reply, synced by another thread within a second or two: lost when the system crashes.
            Choice("everysec", Promises(True, True, "process_crash"), "#7c7a12", "#cfcc5e", (0, (2, 2.2))),
        ),
        single_thread=True,
        os_user="redis",
        host=HostNeeds(tasks=8),
        storage="loadtests.pod.storage.redis.storage:create",
        address="loadtests.drivers.addresses.redis:ADDRESS",
        server="loadtests.servers.redis.server:RedisServer",
        probe="loadtests.probes.redis.probe:RedisProbe",
        ledger="loadtests.ledger.redis:reading",
        calibration="loadtests.calibration.redis:CALIBRATION",
    ),
}
"""Engine → its entry. A new engine is one more entry, and its own modules."""


def having(part: str) -> list[str]:
    """The engines that have a part of this name."""
    return [name for name, engine in ENGINES.items() if getattr(engine, part)]


def has(name: str, part: str) -> bool:
    return name in ENGINES and bool(getattr(ENGINES[name], part))


def is_single_threaded(name: str) -> bool:
    """Also False for an engine that this version does not know, as in runs from elsewhere."""
    return name in ENGINES and ENGINES[name].single_thread


def load(name: str, part: str) -> Any:
    """Imports a part. Raises IncompleteError where the engine has none."""
    if not has(name, part):
        raise IncompleteError(f"engine {name} has no {part}")
    module, _, attribute = getattr(ENGINES[name], part).partition(":")
    return getattr(import_module(module), attribute)


def check(name: str) -> None:
    """Checks that every part of an engine exists, without importing it. Raises IncompleteError for the first."""
    problem = next(_problems(name, ENGINES[name]), None)
    if problem is not None:
        raise IncompleteError(f"{problem}: complete its entry in loadtests/engines.py")


def _problems(name: str, engine: Engine) -> Iterator[str]:
    for part in PARTS:
        place = getattr(engine, part)
        if not place and part in engine.required:
            yield f"engine {name} lacks its {part}"
        elif place and (why := why_missing(place)):
            yield f"engine {name} lacks its {part}, {place} ({why})"
    if engine.server and not engine.os_user:
        yield f"engine {name} lacks its os_user, which root runs its server as"
