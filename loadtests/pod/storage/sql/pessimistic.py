"""Row locks, as an ORM application with `select_for_update()` takes them: first the account, which every transaction
needs, then the connection, the chat, the chat's topic and the queue's, always in this order, so that there are no
deadlocks; all of them held over the statements and round trips that follow, until the commit."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, replace

from loadtests.pod.storage.contract import AccountCopy, Done, StorageRefusal
from loadtests.pod.storage.rules import ChatState
from loadtests.pod.storage.sql.driver import TransactionSession
from loadtests.pod.storage.sql.strategy import Strategy
from loadtests.protocols.serverhalf import Event


class Pessimistic(Strategy):
    """The account's row counts its live connections, its subscriptions and the depth of its queue. The counts are
    this strategy's own: they do not change while another strategy is in use."""

    name = "pessimistic"
    chat_statement = "lock_chat"

    async def close_connection(self, db: TransactionSession, connection: str) -> Done | StorageRefusal:
        await self._lock_account(db, db.account)
        row = await db.row("lock_connection", connection, db.account)
        if row is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        (closed_at,) = row
        if closed_at is None:
            await self._count(db, db.account, connections=-1, subscriptions=-await _close(db, connection))
        return Done()

    async def reap_connections(self, db: TransactionSession, silent_since_ns: int, limit: int) -> Sequence[str]:
        locked = [row[0] for row in await db.rows("lock_silent_accounts", silent_since_ns, limit)]
        silent = await db.rows("lock_silent_connections", silent_since_ns, limit, locked)
        connections: Counter[str] = Counter()
        subscriptions: Counter[str] = Counter()
        for connection, account in silent:
            connections[account] += 1
            subscriptions[account] += await _close(db, connection)
        for account, closed in connections.items():
            await self._count(db, account, connections=-closed, subscriptions=-subscriptions[account])
        return [connection for connection, _ in silent]

    async def replace_account(self, db: TransactionSession, copy: AccountCopy) -> None:
        await super().replace_account(db, copy)
        await db.run("recount_account", copy.account)

    async def _publish_one(self, db: TransactionSession, event: Event) -> Event:
        head = await db.value("lock_topic", event.account, event.topic)
        if head is None:
            await db.run("ensure_topic", event.account, event.topic)
            head = await db.value("lock_topic", event.account, event.topic)
        numbered = replace(event, sequence=head + 1)
        await db.run("save_topic", numbered.account, numbered.topic, numbered.sequence)
        await db.run("add_event", *astuple(numbered))
        return numbered

    async def _ensure_account(self, db: TransactionSession, account: str) -> None:
        await self._lock_account(db, account)

    async def _lock_account(self, db: TransactionSession, account: str) -> None:
        if await db.row("lock_account", account) is None:
            await db.run("add_account", account)
            await db.row("lock_account", account)

    async def _count(
        self, db: TransactionSession, account: str, *, connections: int = 0, subscriptions: int = 0, queued: int = 0
    ) -> None:
        await db.run("count_account", account, connections, subscriptions, queued)

    async def _add_subscription(self, db: TransactionSession, connection: str, topic: str) -> int:
        head = await db.value("lock_topic", db.account, topic)
        await db.run("subscribe", connection, topic, db.account, time.time_ns())
        await self._count(db, db.account, subscriptions=1)
        return int(head)

    async def _accept(self, db: TransactionSession, connection: str, chat: str, found: ChatState) -> None:  # noqa: ARG002
        await db.run("accept_locked_chat", db.account, chat, connection, time.time_ns())

    async def _close_chat(self, db: TransactionSession, chat: str, found: ChatState) -> None:  # noqa: ARG002
        await db.run("close_locked_chat", db.account, chat, time.time_ns())


async def _close(db: TransactionSession, connection: str) -> int:
    """Closes a connection that is locked; returns how many subscriptions went with it."""
    gone = await db.run("drop_subscriptions", connection)
    await db.run("close_locked_connection", connection, time.time_ns())
    return gone
