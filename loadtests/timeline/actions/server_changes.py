"""Actions that change a database server: resize, recreate."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from loadtests.configuration.problems import Finding
from loadtests.timeline.actions.contract import DatabaseName, Need, TimelineAction
from loadtests.timeline.context import ActionContext, DatabaseHandle, Found, finished
from loadtests.timeline.control import control

REPORTED: Final = ("connections", "open_files")
"""The limits of a resized server that its row has."""

SERVER: Final = Need("server", "a storage with a server")

_SIZES = ("connections", "memory_mb", "cores")


class Resize(TimelineAction):
    """Makes a database server larger or smaller."""

    need: ClassVar[Need] = SERVER
    exclusive: ClassVar[bool] = True
    may_exit: ClassVar[bool] = True
    one_database: ClassVar[bool] = True

    do: Literal["resize"]
    connections: int | None = Field(default=None, ge=10, le=10_000)
    memory_mb: int | None = Field(default=None, ge=16, le=1_000_000)
    cores: int | None = Field(default=None, ge=1, le=1024)
    database: DatabaseName

    @property
    def words(self) -> str:
        cores = "core" if self.cores == 1 else "cores"
        sizes = ((self.connections, "connections"), (self.memory_mb, "MB of memory"), (self.cores, cores))
        listed = ", ".join(f"{size} {name}" for size, name in sizes if size is not None)
        return f"{self.subject} resized: {listed}"

    @property
    def server_sizes(self) -> Mapping[str, int]:
        return {name: size for name in _SIZES if (size := getattr(self, name)) is not None}

    @classmethod
    def check_written(cls, written: Mapping[str, Any]) -> Iterator[Finding]:
        if not any(key in written for key in _SIZES):
            yield Finding((), "no size", f"one of {', '.join(_SIZES)} or more")

    async def perform(self, context: ActionContext) -> Found:
        limits: Found = {}
        for database in context.chosen_databases(self.database):
            server = database.server
            await finished(asyncio.to_thread(server.resize, self.connections, self.memory_mb, self.cores))
            limits[database.name] = {name: server.limits[name] for name in REPORTED if name in server.limits}
        return limits


class Recreate(TimelineAction):
    """Discards a database server's data and starts an empty server at the same address."""

    need: ClassVar[Need] = SERVER
    exclusive: ClassVar[bool] = True
    may_exit: ClassVar[bool] = True
    one_database: ClassVar[bool] = True

    do: Literal["recreate"]
    database: DatabaseName

    @property
    def words(self) -> str:
        return f"{self.subject} re-created, empty"

    async def perform(self, context: ActionContext) -> Found:
        for database in context.chosen_databases(self.database):
            await finished(_recreate(database, context))
        return {}


async def _recreate(database: DatabaseHandle, context: ActionContext) -> None:
    """Includes the tables: without them no pod could use it, and the ledger could not read it."""
    await asyncio.to_thread(database.server.recreate)
    for pod in context.pods.values():
        for role in (role for role, name in pod.databases.items() if name == database.name):
            await control(pod, "/schema", {"database": role})
