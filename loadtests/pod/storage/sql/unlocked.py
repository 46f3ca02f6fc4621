"""No locks, the quick fix: read, decide, write, without protection against changes in between.

What stays is what one statement does by itself: one agent wins a chat, a chat is closed once, an event's number is
given once. What is gone: a connection that is closed while it subscribes leaves the subscription behind as an
orphan, the limit of subscriptions does not hold for those that are asked for at once, and a message may follow its
chat's end.
"""

import time
from collections.abc import Sequence
from operator import itemgetter

from loadtests.pod.storage.contract import Done, StorageRefusal
from loadtests.pod.storage.rules import ChatState
from loadtests.pod.storage.sql.driver import OvertakenError, TransactionSession
from loadtests.pod.storage.sql.strategy import Strategy


class Unlocked(Strategy):
    """The schema has no foreign keys either: a child row locks its parents no more than a strategy would."""

    name = "none"
    foreign_keys = False

    async def close_connection(self, db: TransactionSession, connection: str) -> Done | StorageRefusal:
        row = await db.row("connection", connection, db.account)
        if row is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        closed_at, version = row
        if closed_at is None and await self._close(db, connection, version):
            await db.run("drop_subscriptions", connection)
        return Done()

    async def reap_connections(self, db: TransactionSession, silent_since_ns: int, limit: int) -> Sequence[str]:
        silent = await db.rows("silent_connections", silent_since_ns, limit)
        reaped = []
        # In the order of their ids, as touching locks them. One that was taken up in the meantime stays.
        for connection, version in sorted(silent, key=itemgetter(0)):
            if await self._reap(db, connection, version, silent_since_ns):
                await db.run("drop_subscriptions", connection)
                reaped.append(connection)
        return reaped

    async def _close(self, db: TransactionSession, connection: str, version: int) -> int:  # noqa: ARG002
        """Returns how many connections that closed: none when it was closed in the meantime."""
        return await db.run("close_open_connection", connection, time.time_ns())

    async def _reap(self, db: TransactionSession, connection: str, version: int, silent_since_ns: int) -> int:  # noqa: ARG002
        """Returns how many connections that closed."""
        return await db.run("reap_silent_connection", connection, time.time_ns(), silent_since_ns)

    async def _accept(self, db: TransactionSession, connection: str, chat: str, found: ChatState) -> None:  # noqa: ARG002
        if_held(await db.run("accept_offered_chat", db.account, chat, connection, time.time_ns()))

    async def _close_chat(self, db: TransactionSession, chat: str, found: ChatState) -> None:  # noqa: ARG002
        if_held(await db.run("close_open_chat", db.account, chat, time.time_ns()))


def if_held(rows: int) -> int:
    """Raises OvertakenError, which begins the transaction again, when a conditional change found its row changed."""
    if rows == 0:
        raise OvertakenError("another transaction was faster")
    return rows
