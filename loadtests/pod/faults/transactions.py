"""How faults change the transactions of an SQL storage: statements of their own, before and after those of the pod."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtests.pod.storage.contract import Call, StorageError
from loadtests.pod.storage.sql.database import Job, SqlDatabase, SqlSession, T
from loadtests.pod.storage.sql.operations import MAINTENANCE
from loadtests.pod.storage.sql.storage import SqlStorage
from loadtests.pod.storage.statements import load

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_SQL: Final = Path(__file__).parent / "sql"

Step = Callable[[SqlSession], Awaitable[Any]]
"""Statements of a fault inside of a transaction."""

TransactionWrapper = Callable[[Call, Job[Any], SqlSession], Awaitable[Any]]
"""Carries out the pod's own part of a transaction, between statements of a fault, and returns its answer."""


class FaultyTransactions(SqlDatabase):
    """A database whose writing transactions are carried out by faults, the one added last outermost."""

    def __init__(self, healthy: SqlDatabase) -> None:
        super().__init__(healthy.driver, healthy.record)
        self.wrappers: list[TransactionWrapper] = []

    async def write(self, call: Call, job: Job[T]) -> T:
        for wrapper in self.wrappers:
            job = partial(wrapper, call, job)
        return await super().write(call, job)


def sql_storage(pod: "PodApplication") -> SqlStorage:
    """The pod's storage; the table of faults says which of them need one on SQL."""
    assert isinstance(pod.storage, SqlStorage), f"{pod.storage.name} has no transactions in SQL"
    return pod.storage


def faulty_transactions(pod: "PodApplication") -> FaultyTransactions:
    """The pod's database, from now on one whose transactions faults can change."""
    storage = sql_storage(pod)
    if not isinstance(storage.database, FaultyTransactions):
        storage.database = FaultyTransactions(storage.database)
    return storage.database


def use_statements(pod: "PodApplication", *files: str) -> None:
    """Adds the statements of `sql/FILE.sql`. Those with a name that the engine has replace its own."""
    driver = sql_storage(pod).driver
    for file in files:
        driver.statements = {**driver.statements, **load(_SQL / f"{file}.sql")}


def make_tables(pod: "PodApplication", *statements: str) -> None:
    """Before the pod serves, these statements are run in one transaction, not counted among the pod's."""

    async def make(db: SqlSession) -> None:
        for statement in statements:
            await db.run(statement)

    async def prepare() -> None:
        await SqlDatabase(sql_storage(pod).driver, lambda _: None).write(MAINTENANCE, make)

    pod.preparations.append(prepare)


async def work_for(db: SqlSession, seconds: float) -> None:
    """Statements of `sql/slow_work.sql`, one after another, until so much time has passed."""
    until = time.monotonic() + seconds
    await db.run("read_slowly")
    while time.monotonic() < until:
        await db.run("read_messages")


async def repeat(pause_s: float, work: Callable[[], Awaitable[Any]]) -> None:
    """Does the work again and again, also when the database refuses it."""
    while True:
        await asyncio.sleep(pause_s)
        with suppress(StorageError):
            await work()


@asynccontextmanager
async def own_session(database: SqlDatabase, call: Call) -> AsyncIterator[SqlSession]:
    """A session of the pool in which a fault begins a transaction itself; one that is not committed when this is left
    is rolled back. Raises StorageError."""
    driver = database.driver
    async with driver.session() as connection:
        session = SqlSession(driver, connection, call, time.monotonic_ns())
        outcome = "committed"
        try:
            yield session
        except BaseException as error:
            outcome, raised = driver.classify(error, session.committing)
            connection.drop()
            if raised is None or not isinstance(error, Exception):
                raise
            raise raised from error
        finally:
            database.record(session.transaction(outcome))


def begin_with(pod: "PodApplication", operations: Collection[str], step: Step) -> None:
    """Transactions of these operations begin with a step of the fault."""

    async def wrapped(call: Call, job: Job[Any], db: SqlSession) -> Any:
        if call.operation in operations:
            await step(db)
        return await job(db)

    faulty_transactions(pod).wrappers.append(wrapped)


def end_with(pod: "PodApplication", operations: Collection[str], step: Step) -> None:
    """Transactions of these operations end with a step of the fault, before the commit."""

    async def wrapped(call: Call, job: Job[Any], db: SqlSession) -> Any:
        answer = await job(db)
        if call.operation in operations:
            await step(db)
        return answer

    faulty_transactions(pod).wrappers.append(wrapped)
