"""The storage contract on SQLite: every change is one BEGIN IMMEDIATE, on a thread, and sees no concurrent change."""

import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any, cast

from loadtests.pod.storage.contract import Call, Done, Storage, StorageRefusal, TransactionSink
from loadtests.pod.storage.rules import ChatState
from loadtests.pod.storage.sql.driver import Row, TransactionSession
from loadtests.pod.storage.sql.operations import Job, StrategyStorage, T
from loadtests.pod.storage.sql.strategy import Strategy
from loadtests.pod.storage.sqlite.driver import SqliteDatabase, SqliteSession
from loadtests.protocols.serverhalf import Event
from loadtests.storagenames import promises


def create(*, dsn: str, record: TransactionSink, pod: str) -> Storage:  # noqa: ARG001  SQLite has no session names
    return SqliteStorage(dsn, record)


class SqliteStorage(StrategyStorage):
    """`dsn` is the path of the database file, made when it is not there."""

    name = "sqlite"
    promises = promises("sqlite")

    def __init__(self, dsn: str, record: TransactionSink) -> None:
        self._database = SqliteDatabase(dsn, record)
        self._strategy = Serialised()

    async def start(self) -> None:
        await self._database.start()

    async def stop(self) -> None:
        await self._database.stop()

    async def settings(self) -> Mapping[str, str]:
        read = await self._database.read(SqliteSession.settings)
        return {"engine": "sqlite", **read, "isolation": "serializable (BEGIN IMMEDIATE)"}

    async def _write(self, call: Call, job: Job[T]) -> T:
        return await self._database.write(call, lambda session: _done(job(SqliteTransaction(session, call))))

    async def _snapshot(self, call: Call, job: Job[T]) -> T:
        return await self._database.snapshot(lambda session: _done(job(SqliteTransaction(session, call))))

    async def _read(self, statement: str, *values: Any) -> Sequence[Row]:
        return await self._database.read(lambda session: session.rows(statement, *values))


class SqliteTransaction(TransactionSession):
    """Answers at once: its coroutines never wait, so that they can be run on a thread without a loop."""

    def __init__(self, session: SqliteSession, call: Call) -> None:
        self._session, self.account, self.key = session, call.account, call.key

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        return self._session.rows(statement, *values)

    async def run(self, statement: str, *values: Any) -> int:
        return self._session.run(statement, *values)

    async def run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self._session.run_many(statement, rows)


def _done(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    raise AssertionError("a SQLite transaction waited on a thread that has no loop")


class Serialised(Strategy):
    """The file's one write lock is taken before anything is read: there is nothing else to lock, claim or count."""

    name = "serialised"

    async def close_connection(self, db: TransactionSession, connection: str) -> Done | StorageRefusal:
        row = await db.row("connection", connection, db.account)
        if row is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if row[0] is None:
            await _close(db, connection)
        return Done()

    async def reap_connections(self, db: TransactionSession, silent_since_ns: int, limit: int) -> Sequence[str]:
        silent = [row[0] for row in await db.rows("silent_connections", silent_since_ns, limit)]
        for connection in silent:
            await _close(db, connection)
        return silent

    async def sweep_orphans(self, db: TransactionSession, silent_since_ns: int, limit: int) -> int:
        return await db.run("drop_orphans", silent_since_ns, limit)

    async def _publish_one(self, db: TransactionSession, event: Event) -> Event:
        numbered = replace(event, sequence=await db.value("advance_topic", event.account, event.topic))
        await db.run("add_event", *astuple(numbered))
        return numbered

    async def _ensure_account(self, db: TransactionSession, account: str) -> None:
        """Accounts have no table of their own."""

    async def _hold_topics(self, db: TransactionSession, account: str) -> None:
        """The write lock is held."""

    async def _accept(self, db: TransactionSession, connection: str, chat: str, found: ChatState) -> None:  # noqa: ARG002
        await db.run("accept_chat", db.account, chat, connection, time.time_ns())

    async def _close_chat(self, db: TransactionSession, chat: str, found: ChatState) -> None:  # noqa: ARG002
        await db.run("close_chat", db.account, chat, time.time_ns())


async def _close(db: TransactionSession, connection: str) -> None:
    await db.run("drop_subscriptions", connection)
    await db.run("close_connection", connection, time.time_ns())
