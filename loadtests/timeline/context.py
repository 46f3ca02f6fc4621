"""What actions work on: the run's pods and databases, and the operations that the conductor offers them."""

import asyncio
from collections.abc import Awaitable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from loadtests.sanitize import sanitize_lines

T = TypeVar("T")


class ActionFailed(Exception):
    """An action could not be carried out; the message gives the reason, without secrets."""

    def __init__(self, message: str) -> None:
        super().__init__(sanitize_lines(message))


class PodUse(Protocol):
    """The name of a pod and the databases that it uses."""

    @property
    def name(self) -> str: ...

    @property
    def databases(self) -> Mapping[str, str]:
        """Role in the pod's storage (`postgres`, or `legacy` and `upgraded`) → name of the database in the run."""


class Components(NamedTuple):
    """The pods and databases of a run, planned or running."""

    pods: Sequence[PodUse]
    databases: Sequence[str]

    def chosen_pods(self, names: Collection[str]) -> tuple[str, ...]:
        """The named pods; without names, all."""
        return tuple(names) or tuple(pod.name for pod in self.pods)

    def chosen_databases(self, name: str | None, pods: Collection[PodUse] | None = None) -> tuple[str, ...]:
        """The databases with this name, or with this role in one of the pods; without a name, all that the pods use."""
        users = self.pods if pods is None else pods
        meant = {own for pod in users for role, own in pod.databases.items() if name in (None, role, own)}
        return tuple(own for own in self.databases if own in meant or own == name)


class ServerControl(Protocol):
    """A private database server; each method blocks until its effect holds."""

    @property
    def limits(self) -> Mapping[str, int]:
        """Sizes that the server reports."""

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def resize(self, connections: int | None, memory_mb: int | None, cores: int | None) -> None: ...
    def recreate(self) -> None: ...


@dataclass(frozen=True)
class PodHandle:
    """A pod of the run: control endpoint, accounts, and databases by their role in its storage."""

    name: str
    control_url: str
    control_token: str = field(repr=False)
    accounts: tuple[str, ...] = ()
    databases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DatabaseHandle:
    """A database of the run; `private_server` is None for a file."""

    name: str
    engine: str
    dsn: str = field(repr=False)
    private_server: ServerControl | None = None

    @property
    def server(self) -> ServerControl:
        """Raises ActionFailed for a file."""
        if self.private_server is None:
            raise ActionFailed(f"{self.name} is a file, not a server")
        return self.private_server


class ActionControl(Protocol):
    """Operations on the run that only the conductor can carry out."""

    def expected_down(self, *names: str) -> AbstractAsyncContextManager[None]:
        """While active, these pods and databases may exit or be replaced without ending the run."""

    async def kill_pod(self, name: str) -> None: ...

    async def start_pod(self, name: str) -> None:
        """Starts the pod on its previous ports. Raises ActionFailed."""

    async def signal_pod(self, name: str, number: int) -> None: ...

    async def last_worker(self) -> int:
        """The process ID of the load's last worker. Raises ActionFailed when this host has none."""

    async def moved(self, pod: str, to: str, share: int) -> None:
        """Records that the pod has confirmed a share of its accounts on `to`."""

    async def in_doubt(self, pod: str) -> None:
        """Records that a move of the pod's accounts had no confirmed result."""

    def ends_with_run(self, group: int) -> AbstractAsyncContextManager[None]:
        """While active, this process group is killed when the harness exits, for any reason."""

    async def cut(self, pod: str, database: str, how: str) -> None:
        """Switches the proxy between the two to `reset`, `blackhole` or `pass`."""


@dataclass(frozen=True)
class ActionContext:
    """The run as actions use it."""

    pods: Mapping[str, PodHandle]
    databases: Mapping[str, DatabaseHandle]
    control: ActionControl
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host → networks that its address must be in when an action calls it; a host without an entry may be anywhere."""

    @property
    def components(self) -> Components:
        return Components(tuple(self.pods.values()), tuple(self.databases))

    def chosen_pods(self, names: Sequence[str]) -> list[PodHandle]:
        """The named pods; without names, all."""
        return [self.pods[name] for name in self.components.chosen_pods(names)]

    def chosen_databases(self, name: str | None, pods: Sequence[PodHandle] | None = None) -> list[DatabaseHandle]:
        """The databases with this name or role; without a name, all that the pods use."""
        return [self.databases[own] for own in self.components.chosen_databases(name, pods)]


Found = dict[str, Any]
"""Figures that an action reports, for `found` of its timeline row."""


async def finished(operation: Awaitable[T]) -> T:
    """Awaits an operation that must not stop half-way: a cancellation meanwhile is raised after its end, unless
    the operation fails."""
    task = asyncio.ensure_future(operation)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        task.result()
        raise
