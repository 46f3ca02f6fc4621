"""Row locks, as an ORM application with `select_for_update()` takes them: first the account, which every transaction
needs, then the connection, the chat, the chat's topic and the queue's, always in this order, so that there are no
deadlocks; all of them held over the statements and round trips that follow, until the commit."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, replace

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
from loadtests.pod.storage.sql.steps import add_connection, add_message, draft, find_chat, find_speaker, resume
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Event


class Pessimistic:
    """The account's row counts its live connections, its subscriptions and the depth of its queue. The counts are
    this strategy's own: they do not change while another strategy is in use."""

    name = "pessimistic"
    foreign_keys = True

    async def open_connection(self, db: SqlSession, row: ConnectionRow) -> Done:
        await _lock_account(db, db.account)
        if await add_connection(db, row):
            await db.run("count_account", db.account, 1, 0, 0)
        return Done()

    async def resume_connection(
        self, db: SqlSession, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        await _lock_account(db, db.account)
        return await resume(db, connection, resume_token, silent_since_ns)

    async def close_connection(self, db: SqlSession, connection: str) -> Done | StorageRefusal:
        await _lock_account(db, db.account)
        row = await db.row("lock_connection", connection, db.account)
        if row is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        (closed_at,) = row
        if closed_at is None:
            await db.run("count_account", db.account, -1, -await _close(db, connection), 0)
        return Done()

    async def reap_connections(self, db: SqlSession, silent_since_ns: int, limit: int) -> Sequence[str]:
        locked = [row[0] for row in await db.rows("lock_silent_accounts", silent_since_ns, limit)]
        silent = await db.rows("lock_silent_connections", silent_since_ns, limit, locked)
        connections: Counter[str] = Counter()
        subscriptions: Counter[str] = Counter()
        for connection, account in silent:
            connections[account] += 1
            subscriptions[account] += await _close(db, connection)
        for account, closed in connections.items():
            await db.run("count_account", account, -closed, -subscriptions[account], 0)
        return [connection for connection, _ in silent]

    async def subscribe(self, db: SqlSession, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
        await _lock_account(db, db.account)
        if await find_speaker(db, connection) is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if there := await db.row("subscription", connection, topic):
            return Subscribed(there[0])
        if refusal := rules.on_subscribe(await db.value("count_subscriptions", connection), limit):
            return refusal
        await db.run("ensure_topic", db.account, topic)
        head = await db.value("lock_topic", db.account, topic)
        await db.run("subscribe", connection, topic, db.account, time.time_ns())
        await db.run("count_account", db.account, 0, 1, 0)
        return Subscribed(head)

    async def unsubscribe(self, db: SqlSession, connection: str, topic: str) -> Done | StorageRefusal:
        await _lock_account(db, db.account)
        if await find_speaker(db, connection) is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if not await db.run("unsubscribe", connection, topic):
            return StorageRefusal.NOT_SUBSCRIBED
        await db.run("count_account", db.account, 0, -1, 0)
        return Done()

    async def offer_chat(self, db: SqlSession, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
        await _lock_account(db, db.account)
        speaker = await find_speaker(db, connection)
        if speaker is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if not await db.run("offer_chat", db.account, chat, subject, connection, time.time_ns()):
            return Done()
        await db.run("ensure_topic", db.account, chat_topic(chat))
        await db.run("count_account", db.account, 0, 0, 1)
        return Done(await _publish(db, draft(db, speaker, "chat.offered", chat, subject), QUEUE_TOPIC))

    async def accept_chat(
        self, db: SqlSession, connection: str, chat: str
    ) -> Accepted | AlreadyAccepted | StorageRefusal:
        await _lock_account(db, db.account)
        speaker, found = await find_speaker(db, connection), await find_chat(db, "lock_chat", chat)
        if answer := rules.on_accept(speaker, found):
            return answer
        assert speaker is not None
        await db.run("accept_locked_chat", db.account, chat, connection, time.time_ns())
        await db.run("count_account", db.account, 0, 0, -1)
        event = draft(db, speaker, "chat.accepted", chat, "")
        return Accepted(await _publish(db, event, chat_topic(chat), QUEUE_TOPIC))

    async def send_message(self, db: SqlSession, connection: str, chat: str, text: str) -> Done | StorageRefusal:
        await _lock_account(db, db.account)
        speaker, found = await find_speaker(db, connection), await find_chat(db, "lock_chat", chat)
        if answer := rules.on_message(speaker, found):
            return answer
        assert speaker is not None
        if not await add_message(db, connection, chat, text):
            return Done()  # sent at the same time under another strategy, which does not ask for the account
        return Done(await _publish(db, draft(db, speaker, "message.sent", chat, text), chat_topic(chat)))

    async def close_chat(self, db: SqlSession, connection: str, chat: str) -> Done | StorageRefusal:
        await _lock_account(db, db.account)
        speaker, found = await find_speaker(db, connection), await find_chat(db, "lock_chat", chat)
        if answer := rules.on_close_chat(speaker, found):
            return answer
        assert speaker is not None
        assert found is not None
        await db.run("close_locked_chat", db.account, chat, time.time_ns())
        await db.run("count_account", db.account, 0, 0, -1 if found.state == "offered" else 0)
        event = draft(db, speaker, "chat.closed", chat, "")
        return Done(await _publish(db, event, chat_topic(chat), QUEUE_TOPIC))

    async def sweep_orphans(self, db: SqlSession, silent_since_ns: int, limit: int) -> int:
        orphans = await db.rows("orphans", silent_since_ns, limit)
        for account in sorted({account for _, _, account in orphans}):
            await _lock_account(db, account)
        swept: Counter[str] = Counter()
        for connection, topic, account in orphans:
            swept[account] += await db.run("drop_orphan", connection, topic, silent_since_ns)
        for account, gone in swept.items():
            await db.run("count_account", account, 0, -gone, 0)
        return swept.total()

    async def replace_account(self, db: SqlSession, copy: AccountCopy) -> None:
        await _lock_account(db, copy.account)
        await steps.replace_account(db, copy)
        await db.run("recount_account", copy.account)


async def _lock_account(db: SqlSession, account: str) -> None:
    if await db.row("lock_account", account) is None:
        await db.run("add_account", account)
        await db.row("lock_account", account)


async def _close(db: SqlSession, connection: str) -> int:
    """Closes a connection that is locked; returns how many subscriptions went with it."""
    gone = await db.run("drop_subscriptions", connection)
    await db.run("close_locked_connection", connection, time.time_ns())
    return gone


async def _publish(db: SqlSession, draft: Event, *topics: str) -> tuple[Event, ...]:
    """Numbers the event in each topic, whose row stays locked until the commit."""
    return tuple([await _publish_one(db, replace(draft, topic=topic)) for topic in topics])


async def _publish_one(db: SqlSession, draft: Event) -> Event:
    head = await db.value("lock_topic", draft.account, draft.topic)
    if head is None:
        await db.run("ensure_topic", draft.account, draft.topic)
        head = await db.value("lock_topic", draft.account, draft.topic)
    event = replace(draft, sequence=head + 1)
    await db.run("save_topic", event.account, event.topic, event.sequence)
    await db.run("add_event", *astuple(event))
    return event
