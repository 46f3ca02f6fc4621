"""Actions that take a component away for a time: kill, pause, cut."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import Field

from loadtests.configuration.problems import Finding, shown
from loadtests.configuration.values import LongerThanNothing, Name, parsed_seconds
from loadtests.timeline.actions.contract import DatabaseName, Need, PodNames, TimelineAction, Touched, all_or
from loadtests.timeline.actions.server_changes import SERVER
from loadtests.timeline.context import ActionContext, ActionFailed, Components, Found, ServerControl, finished

LONGEST_PAUSE_OF_A_WORKER_S: Final = 20.0

_TARGETS = ("pods", "database", "worker")

Step = Callable[[], Awaitable[object]]


class Outage(TimelineAction):
    """Takes what it names away, and brings it back after `for`."""

    need: ClassVar[Need] = SERVER._replace(if_touched=True)
    exclusive: ClassVar[bool] = True

    if TYPE_CHECKING:
        for_s: float | None
    pods: tuple[Name, ...] = Field(default=(), strict=False)
    database: Name | None = None
    worker: bool = False

    def touched(self, run: Components) -> Touched:
        """What it names only: all databases are not meant where it names none."""
        databases = run.chosen_databases(self.database) if self.database else ()
        return Touched(self.pods, databases, self.worker)

    @classmethod
    def check_written(cls, written: Mapping[str, Any]) -> Iterator[Finding]:
        given = [key for key in _TARGETS if written.get(key)]
        if len(given) != 1:
            yield Finding((), " and ".join(given) or "nothing", f"one of {', '.join(_TARGETS)} to {written['do']}")

    async def _steps(self, context: ActionContext) -> list[tuple[Step, Step]]:
        """How each component is taken away, and how it is brought back."""
        raise NotImplementedError

    def _servers(self, context: ActionContext) -> list[ServerControl]:
        return [context.databases[name].server for name in self.touched(context.components).databases]

    async def perform(self, context: ActionContext) -> Found:
        async with AsyncExitStack() as outages:
            for begin, end in await self._steps(context):
                await outages.enter_async_context(_outage(begin, end))
            await (asyncio.sleep(self.for_s) if self.for_s is not None else asyncio.Event().wait())
        return {}


@asynccontextmanager
async def _outage(begin: Step, end: Step) -> AsyncIterator[None]:
    try:
        await finished(begin())
        yield
    finally:
        await finished(end())


class Kill(Outage):
    """Kills a pod, a database server or one of the load's workers; what was killed is started again after `for`."""

    may_exit: ClassVar[bool] = True

    do: Literal["kill"]
    for_s: LongerThanNothing | None = Field(default=None, alias="for", description="Absent: for the rest of the run.")

    @property
    def words(self) -> str:
        return f"{self.subject} killed"

    @classmethod
    def check_written(cls, written: Mapping[str, Any]) -> Iterator[Finding]:
        yield from super().check_written(written)
        if written.get("worker") is True and "for" in written:
            yield Finding(("for",), shown(written["for"]), "no such key: a killed worker is not replaced")

    async def perform(self, context: ActionContext) -> Found:
        if self.worker:
            os.kill(await context.control.last_worker(), signal.SIGKILL)
            return {}
        return await super().perform(context)

    async def _steps(self, context: ActionContext) -> list[tuple[Step, Step]]:
        control, thread = context.control, asyncio.to_thread
        return [
            *((partial(control.kill_pod, pod), partial(control.start_pod, pod)) for pod in self.pods),
            # The start includes the recovery from the server's log.
            *((partial(thread, server.kill), partial(thread, server.start)) for server in self._servers(context)),
        ]


class Pause(Outage):
    """Suspends a pod, a database server or a worker (SIGSTOP), as a host that hangs does, and resumes it."""

    do: Literal["pause"]
    for_s: LongerThanNothing = Field(alias="for")

    @property
    def words(self) -> str:
        return f"{self.subject} paused"

    @classmethod
    def check_written(cls, written: Mapping[str, Any]) -> Iterator[Finding]:
        yield from super().check_written(written)
        longest_s, for_s = LONGEST_PAUSE_OF_A_WORKER_S, parsed_seconds(written.get("for"))
        if written.get("worker") is True and for_s is not None and for_s > longest_s:
            expected = f"{longest_s:g}s or less: a worker that is silent for much longer counts as lost"
            yield Finding(("for",), shown(written["for"]), expected)

    async def _steps(self, context: ActionContext) -> list[tuple[Step, Step]]:
        sends = [partial(context.control.signal_pod, pod) for pod in self.pods]
        if self.worker:
            sends.append(partial(_signal, await context.control.last_worker()))
        thread = asyncio.to_thread
        return [
            *((partial(send, signal.SIGSTOP), partial(send, signal.SIGCONT)) for send in sends),
            *((partial(thread, server.pause), partial(thread, server.resume)) for server in self._servers(context)),
        ]


async def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


class Cut(TimelineAction):
    """Cuts the network between pods and a database: every connection is reset, or nothing passes any more."""

    need: ClassVar[Need] = SERVER
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
