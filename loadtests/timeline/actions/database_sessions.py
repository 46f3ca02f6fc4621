"""Actions with a database session of their own: hold, maintain."""

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from loadtests.configuration.values import LongerThanNothing
from loadtests.engines import having
from loadtests.timeline.actions.contract import DatabaseName, Need, PodNames, TimelineAction, all_or
from loadtests.timeline.actions.pod_calls import added
from loadtests.timeline.context import ActionContext, Found
from loadtests.timeline.db_sessions import HeldOperation, holding, maintain

if TYPE_CHECKING:
    MaintainedEngine = str
else:
    MaintainedEngine = Literal[tuple(having("sessions"))]


class HoldLocks(TimelineAction):
    """A session of its own that holds the locks of an operation, as a transaction that is stuck does."""

    need: ClassVar[Need] = Need("session", "a storage with locks to hold")
    one_database: ClassVar[bool] = True

    do: Literal["hold"]
    operation: HeldOperation
    for_s: LongerThanNothing = Field(alias="for")
    pods: PodNames
    database: DatabaseName

    @property
    def words(self) -> str:
        return f"a stuck transaction holds the locks of {self.operation} on {all_or(self.pods)}"

    async def perform(self, context: ActionContext) -> Found:
        pods = context.chosen_pods(self.pods)
        async with AsyncExitStack() as stack:
            found = []
            for database in context.chosen_databases(self.database, pods):
                users = [pod for pod in pods if database.name in pod.databases.values()]
                if accounts := [account for pod in users for account in pod.accounts]:
                    found.append(await stack.enter_async_context(holding(database, self.operation, accounts)))
            await asyncio.sleep(self.for_s)
        return added(found)


class Maintain(TimelineAction):
    """Runs SQL on a database: an index build, ALTER, VACUUM, OPTIMIZE. On an engine that is not named it does
    nothing."""

    need: ClassVar[Need] = Need("database", "a storage with a database")

    do: Literal["maintain"]
    what: str = Field(min_length=1, max_length=60, description="What it is, in a few words.")
    statements: dict[MaintainedEngine, str] = Field(min_length=1, description="By engine; several end with ; each.")
    within_s: LongerThanNothing = Field(default=60.0, alias="within", description="It is cut off after this time.")
    database: DatabaseName

    @property
    def words(self) -> str:
        return f"{self.what} on {self.subject}"

    async def perform(self, context: ActionContext) -> Found:
        databases = context.chosen_databases(self.database)
        pairs = [(d, self.statements[d.engine]) for d in databases if d.engine in self.statements]
        async with asyncio.timeout(self.within_s):
            for database, statements in pairs:
                await maintain(database, statements)
        return {"databases": len(pairs)}
