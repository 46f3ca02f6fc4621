"""Reads a PostgreSQL database. The one module that knows asyncpg here."""

import asyncio
from typing import Any

import asyncpg

from loadtests.ledger.storage import Keys, Stored, UnreadableError, keys, orphan, sql

_TIMEOUT_S = 60.0
_CONNECT_S = 5.0
_PREFETCH = 10_000


def read(dsn: str, silent_since_ns: int) -> Stored:
    """Raises UnreadableError."""
    try:
        return asyncio.run(asyncio.wait_for(_read(dsn, silent_since_ns), _TIMEOUT_S))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableError(f"PostgreSQL: {said}") from error


async def _read(dsn: str, silent_since_ns: int) -> Stored:
    connection = await asyncpg.connect(dsn, timeout=_CONNECT_S, server_settings={"application_name": "ledger"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):  # one moment
            found = await connection.fetch(sql("orphans"), silent_since_ns)
            return Stored(
                found[0]["total"] if found else 0,
                tuple(orphan(row["connection"], row["topic"], row["why"]) for row in found),
                await _keys(connection, "accepted_chats"),
                await _keys(connection, "messages"),
            )
    finally:
        connection.terminate()


async def _keys(connection: Any, statement: str) -> Keys:
    texts = [row[0] async for row in connection.cursor(sql(statement), prefetch=_PREFETCH)]
    return keys(texts)
