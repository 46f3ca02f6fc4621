"""What both locking strategies on PostgreSQL share: start and stop, settings, reads, and how an event is made."""

import time
from collections.abc import Mapping, Sequence

from loadtests.pod.storage import rules
from loadtests.pod.storage.contract import (
    Call,
    ConnectionRow,
    Promises,
    Refusal,
    Resumed,
    Statistics,
    TransactionSink,
)
from loadtests.pod.storage.postgres.driver import Database, Session
from loadtests.pod.storage.rules import Chat, Speaker
from loadtests.wire.codecs.messages import Event

MAINTENANCE = Call("maintenance", "", "")
SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "default_transaction_isolation",
    "max_connections",
    "shared_buffers",
    "lock_timeout",
    "statement_timeout",
    "deadlock_timeout",
)


class PostgresStorage:
    """`dsn` is a PostgreSQL URL. `strategy` names the file of statements beside the common ones."""

    strategy: str
    promises = Promises(durable=True, no_orphans=True, commit_survives="power_loss")

    def __init__(self, dsn: str, record: TransactionSink, pod: str) -> None:
        self.name = f"postgres:{self.strategy}"
        self._database = Database(dsn, record, pod, self.strategy)

    async def start(self) -> None:
        await self._database.start()

    async def stop(self) -> None:
        await self._database.stop()

    async def settings(self) -> Mapping[str, str]:
        read = {row["name"]: row["setting"] for row in await self._database.read("settings", list(SETTINGS))}
        return {"engine": "postgres", "version": read.pop("server_version"), **read, "locking": self.strategy}

    async def touch_connections(self, connections: Sequence[str], now_ns: int) -> None:
        async def touch(db: Session) -> None:
            await db.run("touch_connections", list(connections), now_ns)

        if connections:
            await self._database.write(MAINTENANCE, touch)

    async def events_after(self, account: str, topic: str, sequence: int, limit: int) -> Sequence[Event]:
        return [Event(*row) for row in await self._database.read("events_after", account, topic, sequence, limit)]

    async def statistics(self, silent_since_ns: int) -> Statistics:
        return Statistics(*(await self._database.read("statistics", silent_since_ns))[0])


async def add_connection(db: Session, row: ConnectionRow) -> int:
    """Stores the connection unless it is there; returns how many rows that made."""
    digest = rules.token_digest(row.resume_token)
    return await db.run("open_connection", row.connection, row.account, row.role, row.name, digest, time.time_ns())


async def resume(db: Session, connection: str, token: str, silent_since_ns: int) -> Resumed | Refusal:
    digest = rules.token_digest(token)
    row = await db.row("resume_connection", connection, db.account, digest, silent_since_ns, time.time_ns())
    if row is None:
        return Refusal.NO_SUCH_CONNECTION
    topics: dict[str, int] = dict(await db.rows("subscribed_topics", connection))
    return Resumed(ConnectionRow(connection, db.account, row["role"], row["name"], token), topics)


async def find_speaker(db: Session, connection: str) -> Speaker | None:
    row = await db.row("speaker", connection, db.account)
    return Speaker(*row) if row else None


async def find_chat(db: Session, statement: str, chat: str) -> Chat | None:
    row = await db.row(statement, db.account, chat, db.key)
    return Chat(*row) if row else None


async def add_message(db: Session, connection: str, chat: str, text: str) -> int:
    """Stores the message unless its key is there; returns how many rows that made."""
    return await db.run("send_message", db.account, db.key, chat, connection, text, time.time_ns())


def draft(db: Session, by: Speaker, kind: str, chat: str, text: str) -> Event:
    """An event that has no topic and number yet, stamped now."""
    return Event(db.account, "", 0, kind, chat, db.key, by.name, text, time.time_ns())
