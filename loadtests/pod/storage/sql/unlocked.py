"""No locks, the quick fix: read, decide, write, without protection against changes in between.

What stays is what one statement does by itself: one agent wins a chat, a chat is closed once, an event's number is
given once. What is gone: a connection that is closed while it subscribes leaves the subscription behind as an
orphan, the limit of subscriptions does not hold for those that are asked for at once, and a message may follow its
chat's end.
"""

import time
from collections.abc import Sequence

from loadtests.pod.storage import rules
from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    ConnectionRow,
    Done,
    Resumed,
    StorageRefusal,
    Subscribed,
)
from loadtests.pod.storage.sql import steps
from loadtests.pod.storage.sql.database import SqlSession
from loadtests.pod.storage.sql.driver import OvertakenError
from loadtests.pod.storage.sql.steps import draft, find_chat, find_speaker, if_held, publish
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic


class Unlocked:
    """The schema has no foreign keys either: a child row locks its parents no more than a strategy would."""

    name = "none"
    foreign_keys = False

    async def open_connection(self, db: SqlSession, row: ConnectionRow) -> Done:
        return await steps.open_connection(db, row)

    async def resume_connection(
        self, db: SqlSession, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        return await steps.resume(db, connection, resume_token, silent_since_ns)

    async def close_connection(self, db: SqlSession, connection: str) -> Done | StorageRefusal:
        row = await db.row("connection", connection, db.account)
        if row is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if await db.run("close_open_connection", connection, time.time_ns()):
            await db.run("drop_subscriptions", connection)
        return Done()

    async def reap_connections(self, db: SqlSession, silent_since_ns: int, limit: int) -> Sequence[str]:
        silent = [connection for connection, _ in await db.rows("silent_connections", silent_since_ns, limit)]
        reaped = []
        for connection in sorted(silent):  # as touching locks them
            if await db.run("reap_silent_connection", connection, time.time_ns(), silent_since_ns):
                await db.run("drop_subscriptions", connection)
                reaped.append(connection)
        return reaped

    async def subscribe(self, db: SqlSession, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
        if await find_speaker(db, connection) is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if there := await db.row("subscription", connection, topic):
            return Subscribed(there[0])
        if refusal := rules.on_subscribe(await db.value("count_subscriptions", connection), limit):
            return refusal
        await db.run("ensure_topic", db.account, topic)
        await db.run("subscribe", connection, topic, db.account, time.time_ns())
        return Subscribed(await db.value("topic_head", db.account, topic))

    async def unsubscribe(self, db: SqlSession, connection: str, topic: str) -> Done | StorageRefusal:
        return await steps.unsubscribe(db, connection, topic)

    async def offer_chat(self, db: SqlSession, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
        return await steps.offer_chat(db, connection, chat, subject)

    async def accept_chat(
        self, db: SqlSession, connection: str, chat: str
    ) -> Accepted | AlreadyAccepted | StorageRefusal:
        speaker, found = await find_speaker(db, connection), await find_chat(db, "chat", chat)
        if answer := rules.on_accept(speaker, found):
            return answer
        assert speaker is not None
        if_held(await db.run("accept_offered_chat", db.account, chat, connection, time.time_ns()))
        event = draft(db, speaker, "chat.accepted", chat, "")
        return Accepted(await publish(db, event, chat_topic(chat), QUEUE_TOPIC))

    async def send_message(self, db: SqlSession, connection: str, chat: str, text: str) -> Done | StorageRefusal:
        speaker, found = await find_speaker(db, connection), await find_chat(db, "chat", chat)
        if answer := rules.on_message(speaker, found):
            return answer
        assert speaker is not None
        if not await steps.add_message(db, connection, chat, text):
            raise OvertakenError("the same message was sent at the same time")
        return Done(await publish(db, draft(db, speaker, "message.sent", chat, text), chat_topic(chat)))

    async def close_chat(self, db: SqlSession, connection: str, chat: str) -> Done | StorageRefusal:
        speaker, found = await find_speaker(db, connection), await find_chat(db, "chat", chat)
        if answer := rules.on_close_chat(speaker, found):
            return answer
        assert speaker is not None
        if_held(await db.run("close_open_chat", db.account, chat, time.time_ns()))
        event = draft(db, speaker, "chat.closed", chat, "")
        return Done(await publish(db, event, chat_topic(chat), QUEUE_TOPIC))

    async def sweep_orphans(self, db: SqlSession, silent_since_ns: int, limit: int) -> int:
        return await steps.sweep_orphans(db, silent_since_ns, limit)

    async def replace_account(self, db: SqlSession, copy: AccountCopy) -> None:
        await steps.replace_account(db, copy)
