"""Actions that take a component away for a time: kill, pause, cut."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from math import inf
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from loadtests.configuration.problems import Finding, shown
from loadtests.configuration.values import LongerThanNothing, Name, parsed_seconds
from loadtests.timeline.actions.contract import DatabaseName, Need, PodNames, TimelineAction, Touched, all_or
from loadtests.timeline.actions.server_changes import SERVER
from loadtests.timeline.context import ActionContext, ActionFailed, Components, DatabaseHandle, Found, finished

LONGEST_PAUSE_OF_A_WORKER_S: Final = 20.0

_TARGETS = ("pods", "database", "worker")


def _touched(action: "Kill | Pause", run: Components) -> Touched:
    """The named components: "the only database" needs its name here."""
    databases = run.chosen_databases(action.database) if action.database else ()
    return Touched(action.pods, databases, action.worker)


def _check_target(do: str, written: Mapping[str, Any]) -> Iterator[Finding]:
    given = [key for key in _TARGETS if written.get(key)]
    if len(given) != 1:
        yield Finding((), " and ".join(given) or "nothing", f"one of {', '.join(_TARGETS)} to {do}")


class Kill(TimelineAction):
    """Kills a pod, a database server or one of the load's workers; what was killed is started again after `for`."""

    exclusive: ClassVar[bool] = True
    may_exit: ClassVar[bool] = True

    do: Literal["kill"]
    for_s: LongerThanNothing | None = Field(default=None, alias="for", description="Absent: for the rest of the run.")
    pods: tuple[Name, ...] = Field(default=(), strict=False)
    database: Name | None = None
    worker: bool = False

    @property
    def words(self) -> str:
        return f"{self.subject} killed"

    @property
    def need(self) -> Need | None:
        return SERVER if self.database else None

    def touched(self, run: Components) -> Touched:
        return _touched(self, run)

    @property
    def planned_s(self) -> float:
        return inf if self.for_s is None else self.for_s

    @classmethod
    def check_written(cls, written: Mapping[str, Any]) -> Iterator[Finding]:
        yield from _check_target("kill", written)
        if written.get("worker") is True and "for" in written:
            yield Finding(("for",), shown(written["for"]), "no such key: a killed worker is not replaced")

    async def perform(self, context: ActionContext) -> Found:
        if self.worker:
            os.kill(await context.control.last_worker(), signal.SIGKILL)
            return {}
        touched = self.touched(context.components)
        async with AsyncExitStack() as killed:
            for pod in touched.pods:
                await killed.enter_async_context(_killed_pod(pod, context))
            for name in touched.databases:
                await killed.enter_async_context(_killed_server(context.databases[name]))
            await (asyncio.sleep(self.for_s) if self.for_s is not None else asyncio.Event().wait())
        return {}


@asynccontextmanager
async def _killed_pod(name: str, context: ActionContext) -> AsyncIterator[None]:
    try:
        await context.control.kill_pod(name)
        yield
    finally:
        await finished(context.control.start_pod(name))


@asynccontextmanager
async def _killed_server(database: DatabaseHandle) -> AsyncIterator[None]:
    server = database.server
    try:
        await finished(asyncio.to_thread(server.kill))
        yield
    finally:
        await finished(asyncio.to_thread(server.start))  # includes the recovery from its log


class Pause(TimelineAction):
    """Stops a pod, a database server or a worker where it stands, as a host that hangs does, and lets it go on."""

    exclusive: ClassVar[bool] = True

    do: Literal["pause"]
    for_s: LongerThanNothing = Field(alias="for")
    pods: tuple[Name, ...] = Field(default=(), strict=False)
    database: Name | None = None
    worker: bool = False

    @property
    def words(self) -> str:
        return f"{self.subject} paused"

    @property
    def need(self) -> Need | None:
        return SERVER if self.database else None

    def touched(self, run: Components) -> Touched:
        return _touched(self, run)

    @property
    def planned_s(self) -> float:
        return self.for_s

    @classmethod
    def check_written(cls, written: Mapping[str, Any]) -> Iterator[Finding]:
        yield from _check_target("pause", written)
        longest_s, for_s = LONGEST_PAUSE_OF_A_WORKER_S, parsed_seconds(written.get("for"))
        if written.get("worker") is True and for_s is not None and for_s > longest_s:
            expected = f"{longest_s:g}s or less: a worker that is silent for much longer counts as lost"
            yield Finding(("for",), shown(written["for"]), expected)

    async def perform(self, context: ActionContext) -> Found:
        touched = self.touched(context.components)
        async with AsyncExitStack() as paused:
            if self.worker:
                await paused.enter_async_context(_stopped(partial(_signal, await context.control.last_worker())))
            for pod in touched.pods:
                await paused.enter_async_context(_stopped(partial(context.control.signal_pod, pod)))
            for name in touched.databases:
                await paused.enter_async_context(_paused_server(context.databases[name]))
            await asyncio.sleep(self.for_s)
        return {}


@asynccontextmanager
async def _stopped(send: Callable[[int], Awaitable[None]]) -> AsyncIterator[None]:
    try:
        await send(signal.SIGSTOP)
        yield
    finally:
        await send(signal.SIGCONT)


async def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@asynccontextmanager
async def _paused_server(database: DatabaseHandle) -> AsyncIterator[None]:
    server = database.server
    try:
        await finished(asyncio.to_thread(server.pause))
        yield
    finally:
        await finished(asyncio.to_thread(server.resume))


class Cut(TimelineAction):
    """Cuts the network between pods and a database: every connection is reset, or nothing passes any more."""

    needs_proxy: ClassVar[bool] = True
    one_database: ClassVar[bool] = True

    do: Literal["cut"]
    how: Literal["reset", "blackhole"]
    for_s: LongerThanNothing = Field(alias="for")
    pods: PodNames
    database: DatabaseName

    @property
    def words(self) -> str:
        done = "reset" if self.how == "reset" else "black-holed"
        where = f"database {self.database}" if self.database else "database"
        return f"network between {all_or(self.pods)} and {where} {done}"

    @property
    def need(self) -> Need:
        return SERVER

    def touched(self, run: Components) -> Touched:
        return Touched(run.chosen_pods(self.pods), run.chosen_databases(self.database))

    @property
    def planned_s(self) -> float:
        return self.for_s

    async def perform(self, context: ActionContext) -> Found:
        pods = context.chosen_pods(self.pods)
        chosen = {database.name for database in context.chosen_databases(self.database, pods)}
        links = [(pod.name, name) for pod in pods for name in pod.databases.values() if name in chosen]
        try:
            for pod, database in links:
                await context.control.cut(pod, database, self.how)
            await asyncio.sleep(self.for_s)
        finally:
            for pod, database in links:
                with suppress(ActionFailed):  # the other links must be restored all the same
                    await context.control.cut(pod, database, "pass")
        return {"connections_between": len(links)}
