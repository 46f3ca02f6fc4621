"""Whose turn it is: what an action lays hands on, which no other one may do meanwhile."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from loadtests.scenario import Action, Kill, Pause, Recreate, Resize
from loadtests.timeline.context import UsesDatabases, named_databases

WORKER = "the load's last worker"


def subjects(action: Action, pods: Collection[UsesDatabases], databases: Iterable[str]) -> list[str]:
    """The processes that an action kills, stops or replaces, in words; none of one that only uses them. Pure.

    In one order, so that two actions that want several of them never wait for each other."""
    if not isinstance(action, Kill | Pause | Resize | Recreate):
        return []
    if isinstance(action, Kill | Pause) and action.database is None:
        return [WORKER] if action.worker else sorted(f"pod {name}" for name in action.pods)
    return sorted(f"database {name}" for name in named_databases(action.database, pods, databases))


class Turns:
    """First come, first served, for each subject by itself. Of one event loop."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def busy(self, subjects: Iterable[str]) -> list[str]:
        """Those that somebody has in hand."""
        return [subject for subject in subjects if self._locks[subject].locked()]

    @asynccontextmanager
    async def taken(self, subjects: Iterable[str]) -> AsyncIterator[None]:
        """While it lasts nobody else has them; waits for those who have."""
        async with AsyncExitStack() as turns:
            for subject in subjects:
                await turns.enter_async_context(self._locks[subject])
            yield
