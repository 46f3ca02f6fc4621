"""Sessions with PostgreSQL for actions."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg

from loadtests.drivers import postgres
from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.contract import AddressError
from loadtests.sanitize import sanitize_error
from loadtests.timeline.context import ActionFailed
from loadtests.timeline.db_sessions import ActionSession

_CONNECT_S = 10.0
_ERRORS = (AddressError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["PostgresSession"]:
    """Raises ActionFailed."""
    with _as_action_failure():
        connection = await _connect(dsn)
    try:
        yield PostgresSession(connection, dsn)
    finally:
        connection.terminate()  # in any state: the server rolls back an open transaction


async def _connect(dsn: str) -> Any:
    return await postgres.connect(parse_address("postgres", dsn), "timeline", timeout_s=_CONNECT_S)


class PostgresSession(ActionSession):
    def __init__(self, connection: Any, dsn: str) -> None:
        self._connection, self._dsn = connection, dsn

    async def begin(self, name: str) -> None:
        with _as_action_failure():
            await self._connection.execute(f"BEGIN; SET LOCAL application_name = '{name}'")

    async def select(self, statement: str, value: str) -> int:
        with _as_action_failure():
            return len(await self._connection.fetch(statement.replace("?", "$1"), value))

    async def _run(self, statement: str) -> None:
        with _as_action_failure():
            await self._connection.execute(statement)

    async def _end_on_server(self) -> None:
        with suppress(*_ERRORS, TimeoutError):
            other = await _connect(self._dsn)
            await other.execute(f"SELECT pg_terminate_backend({int(self._connection.get_server_pid())})", timeout=5)
            await other.close(timeout=5)

    async def rollback(self) -> None:
        with suppress(*_ERRORS):
            await self._connection.execute("ROLLBACK", timeout=5)


@contextmanager
def _as_action_failure() -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        raise ActionFailed(f"PostgreSQL: {sanitize_error(error)}") from error
