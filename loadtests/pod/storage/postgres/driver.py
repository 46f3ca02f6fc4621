"""Sessions with PostgreSQL: a pool, transactions named for their operation, retries. Besides `errors`, the one
module that knows asyncpg."""

import asyncio
import random
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from loadtests.pod.storage.contract import (
    AlreadyAccepted,
    Call,
    Refusal,
    StorageConflict,
    StorageUnavailable,
    Transaction,
    TransactionSink,
)
from loadtests.pod.storage.postgres.errors import DRIVER_ERRORS, TryAgainError, classify, reason
from loadtests.pod.storage.statements import load, named

T = TypeVar("T")

POOL_SIZE = 20
ACQUIRE_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 5.0
ATTEMPTS = 10
BACKOFF_S = 0.002
BACKOFF_MOST_S = 0.05
SESSION_SETTINGS = {
    "lock_timeout": "4000",
    "statement_timeout": "8000",
    "idle_in_transaction_session_timeout": "15000",
}
"""Milliseconds. The lock timeout is below the load's own, so that a wait that long has a definite end."""

_HERE = Path(__file__).parent
_SCHEMA_LOCK = 0x6D73672D706F64
"""Advisory key: two pods that start together make the schema one after the other."""


class Session:
    """One transaction under way. Statements are named as in the strategy's file."""

    def __init__(self, connection: Any, call: Call, statements: Mapping[str, str]) -> None:
        self._connection = connection
        self._statements = statements
        self._operation = call.operation
        self.account = call.account
        self.key = call.key
        self.pid: int = connection.get_server_pid()
        self.begun_ns = time.monotonic_ns()
        self.committing = False

    def _text(self, statement: str) -> str:
        return named(self._operation, self._statements[statement])

    async def row(self, statement: str, *values: Any) -> Any:
        """The first row, or None."""
        return await self._connection.fetchrow(self._text(statement), *values)

    async def rows(self, statement: str, *values: Any) -> Sequence[Any]:
        rows: list[Any] = await self._connection.fetch(self._text(statement), *values)
        return rows

    async def value(self, statement: str, *values: Any) -> Any:
        return await self._connection.fetchval(self._text(statement), *values)

    async def run(self, statement: str, *values: Any) -> int:
        """Runs a change and returns how many rows it made, changed or removed."""
        tag: str = await self._connection.execute(self._text(statement), *values)
        return int(tag.rpartition(" ")[2])

    async def begin(self, pod: str) -> None:
        await self._connection.execute(_begin(self._operation, pod))

    async def commit(self) -> None:
        self.committing = True
        await self._connection.execute("COMMIT")

    async def rollback(self) -> None:
        if self._connection.is_in_transaction() and not self._connection.is_closed():
            await self._connection.execute("ROLLBACK")

    def transaction(self, call: Call, outcome: str) -> Transaction:
        """There is no one write lock here whose wait the pod could time: row locks are the observer's to see."""
        return Transaction(self.pid, call, None, self.begun_ns, time.monotonic_ns(), outcome)


@cache
def _begin(operation: str, pod: str) -> str:
    """Begins and names the transaction in one round trip: samplers see what it is for until it is over."""
    name = re.sub(r"[^\w.@-]", "_", f"{operation}@{pod}")[:63]
    return f"BEGIN; SET LOCAL application_name = '{name}'"


class Database:
    """A pool of sessions that comes back by itself after the server was away."""

    def __init__(self, dsn: str, record: TransactionSink, pod: str, strategy: str) -> None:
        self._dsn = dsn
        self._record = record
        self._pod = pod
        self._statements = {**load(_HERE / "common.sql"), **load(_HERE / f"{strategy}.sql")}
        self._pool: Any = None
        self._under_way: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Connects and makes the schema. Raises StorageUnavailable."""
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=2,
                max_size=POOL_SIZE,
                timeout=CONNECT_TIMEOUT_S,
                # Sessions and what they prepared stay for good: making them anew in mid-run would look like a wait.
                max_queries=sys.maxsize,
                max_inactive_connection_lifetime=0,
                max_cached_statement_lifetime=0,
                reset=_keep,
                server_settings={"application_name": re.sub(r"[^\w.@-]", "_", f"idle@{self._pod}"), **SESSION_SETTINGS},
            )
            await self._make_schema()
        except DRIVER_ERRORS as error:
            await self.stop()
            raise StorageUnavailable(f"PostgreSQL cannot be used: {reason(error)}") from error
        except ValueError:  # its words quote the address, with pieces of the password
            await self.stop()
            raise StorageUnavailable(
                "LOADTESTS_DSN is not a PostgreSQL URL: percent-encode the special characters of user and password"
            ) from None

    async def _make_schema(self) -> None:
        schema = (_HERE / "schema.sql").read_text(encoding="utf-8")
        async with self._pool.acquire() as connection:
            await connection.execute(f"BEGIN; SELECT pg_advisory_xact_lock({_SCHEMA_LOCK}); {schema}; COMMIT")

    async def stop(self) -> None:
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=STOP_TIMEOUT_S)
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), STOP_TIMEOUT_S)
            except TimeoutError:
                pool.terminate()

    async def read(self, statement: str, *values: Any) -> Sequence[Any]:
        """One read, outside of any transaction."""
        async with self._session() as connection:
            try:
                rows: list[Any] = await connection.fetch(named("read", self._statements[statement]), *values)
            except DRIVER_ERRORS as error:
                raise StorageUnavailable(f"PostgreSQL: {reason(error)}") from error
            return rows

    async def write(self, call: Call, job: Callable[[Session], Awaitable[T]]) -> T:
        """One transaction: committed, unless the job answers with a refusal or raises. Tried again while it comes
        to nothing because of another one. Emits a Transaction for every attempt.

        A caller that is cancelled leaves it to end by itself: a session cut off in mid-transaction would hold its
        locks until the server notices.
        """
        task = asyncio.ensure_future(self._try(call, job))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _try(self, call: Call, job: Callable[[Session], Awaitable[T]]) -> T:
        for attempt in range(ATTEMPTS):
            try:
                async with self._session() as connection:
                    return await self._attempt(connection, call, job)
            except TryAgainError as error:
                last = error
            await asyncio.sleep(random.uniform(0, min(BACKOFF_S * 2**attempt, BACKOFF_MOST_S)))  # noqa: S311
        raise StorageConflict(f"gave up after {ATTEMPTS} attempts: {last}") from last

    async def _attempt(self, connection: Any, call: Call, job: Callable[[Session], Awaitable[T]]) -> T:
        session = Session(connection, call, self._statements)
        outcome = "rolled_back"
        try:
            await session.begin(self._pod)
            answer = await job(session)
            if isinstance(answer, Refusal | AlreadyAccepted):
                await session.rollback()
            else:
                await session.commit()
                outcome = "committed"
        except BaseException as error:
            outcome, raised = classify(error, session.committing)
            await _abandon(session, connection, error)
            if raised is None or not isinstance(error, Exception):
                raise
            raise raised from error
        finally:
            self._record(session.transaction(call, outcome))
        return answer

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        pool = self._pool
        if pool is None:
            raise StorageUnavailable("the PostgreSQL storage is not started")
        try:
            connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        except TimeoutError as error:
            raise StorageUnavailable(f"no free PostgreSQL session within {ACQUIRE_TIMEOUT_S:g} s") from error
        except DRIVER_ERRORS as error:
            raise StorageUnavailable(f"PostgreSQL cannot be reached: {reason(error)}") from error
        try:
            yield connection
        finally:
            # The pool has dropped a session that it cannot take back, and opens another when it is asked for one.
            with suppress(*DRIVER_ERRORS):
                await pool.release(connection)


async def _keep(_connection: Any) -> None:
    """Sessions go back as they are: every setting made in them was local to its transaction."""


async def _abandon(session: Session, connection: Any, error: BaseException) -> None:
    """Ends a failed transaction without hiding why it failed; a session whose state is in doubt is dropped."""
    with suppress(*DRIVER_ERRORS):
        if isinstance(error, Exception) and await _rolled_back(session):
            return
        connection.terminate()


async def _rolled_back(session: Session) -> bool:
    try:
        await session.rollback()
    except DRIVER_ERRORS:
        return False
    return True
