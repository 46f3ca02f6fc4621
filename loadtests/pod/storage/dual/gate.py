"""One account's gate: its calls pass in parallel, until a move needs the account exclusively."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Calls that arrive while it is closed wait; none is lost."""

    def __init__(self) -> None:
        self._inside = 0
        self._open, self._empty = asyncio.Event(), asyncio.Event()
        self._open.set()
        self._empty.set()

    @property
    def closed(self) -> bool:
        return not self._open.is_set()

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        while self.closed:
            await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Begins when those inside have left."""
        while self.closed:
            await self._open.wait()
        self._open.clear()
        try:
            await self._empty.wait()
            yield
        finally:
            self._open.set()
