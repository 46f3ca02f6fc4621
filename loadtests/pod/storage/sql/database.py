"""Transactions on an engine: named for their operation, tried again where that helps, recorded."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from loadtests.pod.storage.contract import (
    AlreadyAccepted,
    Call,
    StorageConflict,
    StorageRefusal,
    StorageUnavailable,
    Transaction,
    TransactionSink,
)
from loadtests.pod.storage.sql.driver import Driver, Row, SqlConnection, TransactionSession, TryAgainError
from loadtests.pod.storage.statements import named
from loadtests.sanitize import sanitize_error

T = TypeVar("T")

STOP_TIMEOUT_S = 5.0
ATTEMPTS = 10
BACKOFF_S = 0.002
BACKOFF_MOST_S = 0.05


class SqlSession(TransactionSession):
    """A transaction in one of the pool's sessions."""

    def __init__(self, driver: Driver, connection: SqlConnection, call: Call, asked_ns: int) -> None:
        self._statements = driver.statements
        self._label = driver.label(call.operation)
        self._connection = connection
        self._call = call
        self._asked_ns = asked_ns
        self.account = call.account
        self.key = call.key
        self._begun_ns = time.monotonic_ns()
        self.committing = False

    def _text(self, statement: str) -> str:
        return named(self._label, self._statements[statement])

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        return await self._connection.fetch(self._text(statement), values)

    async def run(self, statement: str, *values: Any) -> int:
        return await self._connection.execute(self._text(statement), values)

    async def run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            await self._connection.execute_many(self._text(statement), rows)

    async def begin(self, snapshot: bool) -> None:
        await self._connection.begin(self._call.operation, snapshot)

    async def commit(self) -> None:
        self.committing = True
        await self._connection.commit()

    async def rollback(self) -> None:
        await self._connection.rollback()

    def transaction(self, outcome: str) -> Transaction:
        """There is no one write lock here whose wait the pod could time: row locks are the observer's to see."""
        number, ended_ns = self._connection.number, time.monotonic_ns()
        return Transaction(number, self._call, None, self._begun_ns, ended_ns, outcome, asked_ns=self._asked_ns)


Job = Callable[[SqlSession], Awaitable[T]]


class SqlDatabase:
    """What a pod does on its engine, one transaction at a time for each session of the pool."""

    def __init__(self, driver: Driver, record: TransactionSink) -> None:
        self.driver = driver
        self.record = record
        self.attempts = ATTEMPTS
        self._under_way: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Connects and makes the tables. Raises StorageUnavailable."""
        await self.driver.open()

    async def make_schema(self) -> None:
        """Raises StorageUnavailable."""
        try:
            await self.driver.make_schema()
        except self.driver.errors as error:
            raise StorageUnavailable(f"{self.driver.title}: {sanitize_error(error)}") from error

    async def stop(self) -> None:
        """Lets what is under way finish, and disconnects, both in bounded time."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=STOP_TIMEOUT_S)
        await self.driver.close()

    async def read(self, statement: str, *values: Any) -> Sequence[Row]:
        """One read, outside of any transaction."""
        text = named(self.driver.label("read"), self.driver.statements[statement])
        async with self.driver.session() as connection:
            try:
                return await connection.fetch(text, values)
            except self.driver.errors as error:
                raise StorageUnavailable(f"{self.driver.title}: {sanitize_error(error)}") from error

    async def write(self, call: Call, job: Job[T]) -> T:
        """One transaction: committed, unless the job answers with a refusal or raises. Tried again while it comes
        to nothing because of another one. Emits a Transaction for every attempt.

        A caller that is cancelled leaves it to end by itself: a session cut off in mid-transaction would hold its
        locks until the server notices.
        """
        return await self._shielded(self._try(call, job, snapshot=False))

    async def snapshot(self, call: Call, job: Job[T]) -> T:
        """As `write`, for a job that only reads, and reads everything as of one moment."""
        return await self._shielded(self._try(call, job, snapshot=True))

    async def _shielded(self, work: Awaitable[T]) -> T:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _try(self, call: Call, job: Job[T], snapshot: bool) -> T:
        for attempt in range(self.attempts):
            asked_ns = time.monotonic_ns()
            try:
                async with self.driver.session() as connection:
                    session = SqlSession(self.driver, connection, call, asked_ns)
                    return await self._attempt(session, connection, job, snapshot)
            except TryAgainError as error:
                last = error
            await asyncio.sleep(random.uniform(0, min(BACKOFF_S * 2**attempt, BACKOFF_MOST_S)))  # noqa: S311
        raise StorageConflict(f"gave up after {self.attempts} attempts: {last}") from last

    async def _attempt(self, session: SqlSession, connection: SqlConnection, job: Job[T], snapshot: bool) -> T:
        outcome = "rolled_back"
        try:
            await session.begin(snapshot)
            answer = await job(session)
            if isinstance(answer, StorageRefusal | AlreadyAccepted):
                await session.rollback()
            else:
                await session.commit()
                outcome = "committed"
        except BaseException as error:
            outcome, raised = self.driver.classify(error, session.committing)
            await self._abandon(session, connection, error)
            if raised is None or not isinstance(error, Exception):
                raise
            raise raised from error
        finally:
            self.record(session.transaction(outcome))
        return answer

    async def _abandon(self, session: SqlSession, connection: SqlConnection, error: BaseException) -> None:
        """Ends a failed transaction without hiding why it failed; a session whose state is in doubt is dropped."""
        with suppress(*self.driver.errors):
            if not (isinstance(error, Exception) and await self._rolled_back(session)):
                connection.drop()

    async def _rolled_back(self, session: SqlSession) -> bool:
        try:
            await session.rollback()
        except self.driver.errors:
            return False
        return True
