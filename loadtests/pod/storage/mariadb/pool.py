"""A pool of permanent sessions, lent in the order of the requests."""

import asyncio
from collections.abc import Awaitable, Callable

from loadtests.pod.storage.mariadb.connection import MariadbConnection

SIZE = 20
FIRST = 2
"""How many are opened at the start."""


class Pool:
    """At most SIZE sessions. One that was lost is replaced at the next request: the pool recovers by itself
    after the server was away.

    asyncmy's own pool opens sessions one at a time while all others wait, lets the latest request overtake those
    who wait, and waits without a limit.
    """

    def __init__(self, connect: Callable[[], Awaitable[MariadbConnection]]) -> None:
        self._connect = connect
        self._free_slots = asyncio.Semaphore(SIZE)
        self._idle: list[MariadbConnection] = []
        self._closed = False

    async def fill(self) -> None:
        """Opens the first ones. Raises what `connect` does."""
        while len(self._idle) < FIRST:
            self._idle.append(await self._connect())

    async def take(self) -> MariadbConnection:
        """Raises what `connect` does."""
        await self._free_slots.acquire()
        try:
            return self._usable() or await self._connect()
        except BaseException:
            self._free_slots.release()
            raise

    def _usable(self) -> MariadbConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.drop()
        return None

    def release(self, connection: MariadbConnection) -> None:
        if self._closed or not connection.usable:
            connection.drop()
        else:
            self._idle.append(connection)
        self._free_slots.release()

    async def close(self) -> None:
        """Ends the idle sessions now, and the others when they are released."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.quit() for connection in idle))
