"""Sessions of our own in a database: one that holds the locks of an operation, one that maintains."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, cast

from loadtests import engines
from loadtests.timeline.context import ActionFailed, DatabaseHandle

HeldOperation = Literal["connection.create", "subscription.create", "chat.offer", "chat.accept", "message.send"]

HELD: Final[Mapping[HeldOperation, Sequence[str]]] = {
    "connection.create": ("account",),
    "subscription.create": ("account", "connections"),
    "chat.offer": ("account", "topics"),
    "message.send": ("account", "chats"),
    "chat.accept": ("account", "chats", "topics"),
}
"""Operation → whose rows it locks, in the order in which pods lock them, so that a holder cannot deadlock with them."""

LOCKED_WITHIN_S: Final = 20.0
"""How long a holder queues for its locks, behind the load's own transactions."""


class ActionSession(ABC):
    """A session with a database. Every method raises ActionFailed."""

    @abstractmethod
    async def begin(self, name: str) -> None:
        """Begins a transaction with a name that the server shows for the session."""

    @abstractmethod
    async def select(self, statement: str, value: str) -> int:
        """Runs a statement with one parameter, `?`; returns how many rows it found."""

    async def execute(self, statements: str) -> None:
        """Runs statements outside of a transaction; one that is cancelled is ended on the server, too."""
        # One by one: VACUUM and the like cannot be part of a batch, which is one transaction.
        try:
            for statement in filter(None, map(str.strip, statements.split(";"))):
                await self._run(statement)
        except asyncio.CancelledError:
            await self._end_on_server()
            raise

    @abstractmethod
    async def _run(self, statement: str) -> None: ...

    @abstractmethod
    async def _end_on_server(self) -> None:
        """Ends the session from another one: cut off, it would go on with its statement, and keep its locks."""

    @abstractmethod
    async def rollback(self) -> None: ...


def connected(database: DatabaseHandle) -> AbstractAsyncContextManager[ActionSession]:
    """A session with the database. Raises ActionFailed, also for an engine that has none."""
    if not engines.has(database.engine, "sessions"):
        raise ActionFailed(f"{database.name} is {database.engine}, which has no sessions that could do this")
    return cast(AbstractAsyncContextManager[ActionSession], engines.load(database.engine, "sessions")(database.dsn))


@asynccontextmanager
async def holding(
    database: DatabaseHandle, operation: HeldOperation, accounts: Sequence[str]
) -> AsyncIterator[dict[str, Any]]:
    """Holds an operation's locks until left. Yields how many rows are locked. Raises ActionFailed."""
    async with connected(database) as session:
        await session.begin(f"stuck {operation}")
        try:
            # Table by table over all accounts would cross with pods, which lock an account's rows before the next's.
            async with asyncio.timeout(LOCKED_WITHIN_S):
                rows = [await session.select(_sql(t), a) for a in sorted(accounts) for t in HELD[operation]]
            if not sum(rows):
                raise ActionFailed(f"{database.name} has no row of {', '.join(accounts)} that could be locked")
            yield {"rows_locked": sum(rows)}
        finally:
            await session.rollback()


async def maintain(database: DatabaseHandle, statements: str) -> None:
    """Raises ActionFailed with the server's words."""
    async with connected(database) as session:
        await session.execute(statements)


def _sql(table: str) -> str:
    return (Path(__file__).parent / "sql" / f"{table}.sql").read_text(encoding="utf-8").strip()
