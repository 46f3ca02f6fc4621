"""Sessions with PostgreSQL: a pool, transactions named for their operation."""

import re
from asyncio import wait_for
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.drivers import postgres
from loadtests.drivers.addresses import form_of, parse_address
from loadtests.drivers.addresses.contract import AddressError
from loadtests.pod.storage.contract import (
    OutcomeUnknown,
    Storage,
    StorageConflict,
    StorageError,
    StorageUnavailable,
    TransactionSink,
)
from loadtests.pod.storage.sql.driver import OvertakenError, Row, TryAgainError, statements
from loadtests.pod.storage.sql.storage import SqlStorage
from loadtests.sanitize import sanitize_error

DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Everything that asyncpg raises; the last one when a server dies in the middle of its answer."""

CUT_OFF: tuple[type[BaseException], ...] = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""The server or the way to it went away in mid-transaction, or it would not take longer over it."""

_LOST_TO_OTHERS: tuple[tuple[tuple[type[BaseException], ...], str, type[StorageError]], ...] = (
    ((asyncpg.DeadlockDetectedError,), "deadlock", TryAgainError),
    (
        (asyncpg.SerializationError, asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError),
        "conflict",
        TryAgainError,
    ),
    ((asyncpg.LockNotAvailableError,), "lock_timeout", StorageConflict),
)


def classify(error: BaseException, committing: bool) -> tuple[str, StorageError | None]:
    """The transaction's outcome, and what its caller gets instead of `error`; None: `error` itself."""
    if isinstance(error, OvertakenError):
        return "conflict", error
    for kinds, outcome, meaning in _LOST_TO_OTHERS:
        if isinstance(error, kinds):
            return outcome, meaning(f"PostgreSQL: {sanitize_error(error)}")
    if committing and (isinstance(error, CUT_OFF) or not isinstance(error, Exception)):
        return "unknown", OutcomeUnknown(f"PostgreSQL was cut off during a commit: {sanitize_error(error)}")
    if isinstance(error, (*CUT_OFF, asyncpg.InsufficientResourcesError)):
        return "rolled_back", StorageUnavailable(f"PostgreSQL: {sanitize_error(error)}")
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return "rolled_back", StorageError(f"PostgreSQL does not take it: {sanitize_error(error)}")
    return "rolled_back", None


POOL_SIZE = 20
ACQUIRE_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0
SESSION_SETTINGS = {
    "lock_timeout": "4000",
    "statement_timeout": "8000",
    "idle_in_transaction_session_timeout": "15000",
}
"""Milliseconds. The lock timeout is below the load's own, so that a wait that long has a definite end."""

_HERE = Path(__file__).parent
_SCHEMA_LOCK = 0x6D73672D706F64
"""Advisory key: two pods that start together make the schema one after the other."""

_SNAPSHOT = " ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class PostgresConnection:
    """One of the pool's sessions."""

    def __init__(self, connection: Any, pod: str) -> None:
        self._connection = connection
        self._pod = pod
        self.number: int = connection.get_server_pid()

    async def begin(self, operation: str, snapshot: bool) -> None:
        await self._connection.execute(_begin(operation, self._pod, snapshot))

    async def fetch(self, text: str, values: Sequence[Any]) -> Sequence[Row]:
        rows: list[Row] = await self._connection.fetch(text, *values)
        return rows

    async def execute(self, text: str, values: Sequence[Any]) -> int:
        tag: str = await self._connection.execute(text, *values)
        rows = tag.rpartition(" ")[2]
        return int(rows) if rows.isdigit() else 0

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._connection.executemany(text, rows)

    async def commit(self) -> None:
        await self._connection.execute("COMMIT")

    async def rollback(self) -> None:
        if self._connection.is_in_transaction() and not self._connection.is_closed():
            await self._connection.execute("ROLLBACK")

    def drop(self) -> None:
        self._connection.terminate()


@cache
def _begin(operation: str, pod: str, snapshot: bool) -> str:
    """Begins and names the transaction in one round trip: samplers see what it is for until it is over."""
    name = re.sub(r"[^\w.@-]", "_", f"{operation}@{pod}")[:63]
    return f"BEGIN{_SNAPSHOT if snapshot else ''}; SET LOCAL application_name = '{name}'"


class PostgresDriver:
    """`dsn` is a PostgreSQL URL. The pool comes back by itself after the server was away."""

    engine = "postgres"
    title = "PostgreSQL"
    errors: tuple[type[Exception], ...] = DRIVER_ERRORS

    def __init__(self, dsn: str, pod: str) -> None:
        self.statements: Mapping[str, str] = statements(_HERE)
        self.session_settings: Mapping[str, str] = SESSION_SETTINGS
        self.pool_size = POOL_SIZE
        self._dsn = dsn
        self._pod = pod
        self._pool: Any = None

    async def open(self) -> None:
        try:
            address = parse_address("postgres", self._dsn)
            name = re.sub(r"[^\w.@-]", "_", f"idle@{self._pod}")
            self._pool = await postgres.pool(
                address,
                name,
                self.session_settings,
                sizes=(min(2, self.pool_size), self.pool_size),
                timeout_s=CONNECT_TIMEOUT_S,
            )
            await self.make_schema()
        except DRIVER_ERRORS as error:
            await self.close()
            raise StorageUnavailable(f"PostgreSQL cannot be used: {sanitize_error(error)}") from error
        except AddressError as error:
            await self.close()
            raise StorageUnavailable(
                f"LOADTESTS_DSN is not a PostgreSQL URL ({form_of(self.engine).example}) that can be used: {error}"
            ) from None

    async def make_schema(self) -> None:
        schema = (_HERE / "schema.sql").read_text(encoding="utf-8")
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            await connection.execute(f"BEGIN; SELECT pg_advisory_xact_lock({_SCHEMA_LOCK}); {schema}; COMMIT")

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await wait_for(pool.close(), CLOSE_TIMEOUT_S)
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[PostgresConnection]:
        pool = self._pool
        if pool is None:
            raise StorageUnavailable("the PostgreSQL storage is not started")
        try:
            connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        except TimeoutError as error:
            raise StorageUnavailable(f"no free PostgreSQL session within {ACQUIRE_TIMEOUT_S:g} s") from error
        except DRIVER_ERRORS as error:
            raise StorageUnavailable(f"PostgreSQL cannot be reached: {sanitize_error(error)}") from error
        try:
            yield PostgresConnection(connection, self._pod)
        finally:
            # The pool has dropped a session that it cannot take back, and opens another when it is asked for one.
            with suppress(*DRIVER_ERRORS):
                await pool.release(connection)

    def label(self, operation: str) -> str:
        return operation

    def classify(self, error: BaseException, committing: bool) -> tuple[str, StorageError | None]:
        return classify(error, committing)


def create(locking: str, *, dsn: str, record: TransactionSink, pod: str) -> Storage:
    return SqlStorage(PostgresDriver(dsn, pod), record, locking)
