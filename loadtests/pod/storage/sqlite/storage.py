"""The storage contract on SQLite: every method is one transaction on a writer's thread."""

from collections.abc import Mapping, Sequence

from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Resumed,
    Statistics,
    Storage,
    StorageRefusal,
    Subscribed,
    TransactionSink,
)
from loadtests.pod.storage.sqlite import operations
from loadtests.pod.storage.sqlite.driver import SqliteDatabase, SqliteSession
from loadtests.protocols.serverhalf import Event
from loadtests.storagenames import promises

MAINTENANCE = Call("maintenance", "", "")


def create(*, dsn: str, record: TransactionSink, pod: str) -> Storage:  # noqa: ARG001  SQLite has no session names
    return SqliteStorage(dsn, record)


class SqliteStorage:
    """`dsn` is the path of the database file, made when it is not there."""

    name = "sqlite"
    promises = promises("sqlite")

    def __init__(self, dsn: str, record: TransactionSink) -> None:
        self._database = SqliteDatabase(dsn, record)

    async def start(self) -> None:
        await self._database.start()

    async def stop(self) -> None:
        await self._database.stop()

    async def settings(self) -> Mapping[str, str]:
        read = await self._database.read(SqliteSession.settings)
        return {"engine": "sqlite", **read, "isolation": "serializable (BEGIN IMMEDIATE)"}

    async def open_connection(self, call: Call, row: ConnectionRow) -> Done:
        return await self._database.write(call, lambda db: operations.open_connection(db, row))

    async def resume_connection(
        self, call: Call, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        return await self._database.write(
            call, lambda db: operations.resume_connection(db, call, connection, resume_token, silent_since_ns)
        )

    async def close_connection(self, call: Call, connection: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: operations.close_connection(db, call, connection))

    async def touch_connections(self, connections: Sequence[str], now_ns: int) -> None:
        if connections:
            await self._database.write(MAINTENANCE, lambda db: operations.touch_connections(db, connections, now_ns))

    async def reap_connections(self, call: Call, silent_since_ns: int, limit: int) -> Sequence[str]:
        return await self._database.write(call, lambda db: operations.reap_connections(db, silent_since_ns, limit))

    async def subscribe(self, call: Call, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
        return await self._database.write(call, lambda db: operations.subscribe(db, call, connection, topic, limit))

    async def unsubscribe(self, call: Call, connection: str, topic: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: operations.unsubscribe(db, call, connection, topic))

    async def offer_chat(self, call: Call, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: operations.offer_chat(db, call, connection, chat, subject))

    async def accept_chat(self, call: Call, connection: str, chat: str) -> Accepted | AlreadyAccepted | StorageRefusal:
        return await self._database.write(call, lambda db: operations.accept_chat(db, call, connection, chat))

    async def send_message(self, call: Call, connection: str, chat: str, text: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: operations.send_message(db, call, connection, chat, text))

    async def close_chat(self, call: Call, connection: str, chat: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: operations.close_chat(db, call, connection, chat))

    async def events_after(self, account: str, topic: str, sequence: int, limit: int) -> Sequence[Event]:
        rows = await self._database.read(
            lambda db: db.rows("events_after", account=account, topic=topic, sequence=sequence, limit=limit)
        )
        return [Event(*row) for row in rows]

    async def statistics(self, silent_since_ns: int) -> Statistics:
        row = await self._database.read(lambda db: db.row("statistics", silent_since=silent_since_ns))
        return Statistics(*row) if row else Statistics(0, 0, 0, 0, 0)

    async def sweep_orphans(self, call: Call, silent_since_ns: int, limit: int) -> int:
        return await self._database.write(call, lambda db: operations.sweep_orphans(db, silent_since_ns, limit))

    async def copy_account(self, account: str) -> AccountCopy:
        return await self._database.snapshot(lambda db: operations.copy_account(db, account))

    async def replace_account(self, call: Call, copy: AccountCopy) -> None:
        await self._database.write(call, lambda db: operations.replace_account(db, copy))
