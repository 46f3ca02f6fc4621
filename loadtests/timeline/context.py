"""What actions act on: the run's pods and databases, and what only the conductor can do to them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from loadtests.sanitize import sanitize_lines
from loadtests.servers.contract import Server


class ActionFailed(Exception):
    """An action could not be carried out; the message says why, for people, without secrets."""

    def __init__(self, message: str) -> None:
        super().__init__(sanitize_lines(message))


class UsesDatabases(Protocol):
    """A pod, as far as its databases are concerned."""

    @property
    def databases(self) -> Mapping[str, str]:
        """What its storage calls a database (`postgres`, or `legacy` and `upgraded`) → which of the run's it is."""


@dataclass(frozen=True)
class Pod:
    """A pod of ours: where it is controlled, whom it serves, and which of the run's databases it uses, by the name
    that its storage has for them (`postgres`, or `legacy` and `upgraded`)."""

    name: str
    control_url: str
    control_token: str = field(repr=False)
    accounts: tuple[str, ...] = ()
    databases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Database:
    """A database of the run; `server` None for a file."""

    name: str
    engine: str
    dsn: str = field(repr=False)
    server: Server | None = None


class Hands(Protocol):
    """What the conductor does for an action, on its own thread: it alone starts processes and knows who may die."""

    def stricken(self, *names: str) -> AbstractAsyncContextManager[None]:
        """While it lasts these pods and databases may die, or be replaced, without ending the run."""

    async def kill_pod(self, name: str) -> None: ...

    async def start_pod(self, name: str) -> None:
        """On the same ports as before. Raises ActionFailed."""

    async def signal_pod(self, name: str, number: int) -> None: ...

    async def last_worker(self) -> int:
        """The process id of the load's last worker. Raises ActionFailed when there is none on this host."""

    async def moved(self, pod: str, to: str, share: int) -> None:
        """The pod says that a share of its accounts is on `to`."""

    async def in_doubt(self, pod: str) -> None:
        """Nobody knows where the pod's accounts are: a move did not come to a known end."""

    def guarded(self, group: int) -> AbstractAsyncContextManager[None]:
        """While it lasts this process group ends with the harness, however that ends."""

    async def cut(self, pod: str, database: str, how: str) -> None:
        """Has the proxy between the two `reset` or `blackhole` everything, or `pass` it on again."""


@dataclass(frozen=True)
class Surroundings:
    """The run as actions see it."""

    pods: Mapping[str, Pod]
    databases: Mapping[str, Database]
    hands: Hands
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host → the networks in which it may be when an action calls it; one that is missing may be anywhere."""

    def chosen_pods(self, names: Sequence[str]) -> list[Pod]:
        """Those that were named; all when none was."""
        return [self.pods[name] for name in names or self.pods]

    def chosen_databases(self, name: str | None, pods: Sequence[Pod]) -> list[Database]:
        """The databases that these pods know by that name, or that have it in the run; all of theirs without a name."""
        return [self.databases[n] for n in named_databases(name, pods, self.databases)]


def named_databases(name: str | None, pods: Collection[UsesDatabases], databases: Iterable[str]) -> list[str]:
    """Of the run's databases those that are meant by a name: what pods call them, or their own; all that the pods use
    without one. Pure."""
    meant = {own for pod in pods for role, own in pod.databases.items() if name in (None, role, own)}
    return [own for own in databases if own in meant or own == name]


Found = dict[str, Any]
"""Numbers that an action has to tell, for the timeline's `found`."""
