"""Locks on the components of a run: an exclusive action has those that it touches to itself."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from loadtests.timeline.actions.contract import TimelineAction
from loadtests.timeline.context import Components


def locked_components(action: TimelineAction, run: Components) -> list[str]:
    """The components that no other exclusive action may use meanwhile, in words. Pure."""
    return action.touched(run).names if action.exclusive else []


class ComponentLocks:
    """One first-come, first-served lock for each component. Of one event loop."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def busy(self, components: Iterable[str]) -> list[str]:
        """The components that are locked now."""
        return [component for component in components if self._locks[component].locked()]

    @asynccontextmanager
    async def locked(self, components: Iterable[str]) -> AsyncIterator[None]:
        """Waits until the components are free, then locks them while active."""
        async with AsyncExitStack() as stack:
            for component in components:
                await stack.enter_async_context(self._locks[component])
            yield
