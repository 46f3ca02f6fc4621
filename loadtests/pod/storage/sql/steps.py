"""What strategies have in common: steps that none of them locks anything for."""

import time
from dataclasses import astuple, replace

from loadtests.pod.storage import rules
from loadtests.pod.storage.contract import AccountCopy, ConnectionRow, Done, Resumed, StorageRefusal
from loadtests.pod.storage.copies import ROWS, account_copy
from loadtests.pod.storage.rules import ChatState, Speaker
from loadtests.pod.storage.sql.database import SqlSession
from loadtests.pod.storage.sql.driver import OvertakenError
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Event


async def add_connection(db: SqlSession, row: ConnectionRow) -> int:
    """Stores the connection unless it is there; returns how many rows that made."""
    digest = rules.token_digest(row.resume_token)
    return await db.run("open_connection", row.connection, row.account, row.role, row.name, digest, time.time_ns())


async def resume(db: SqlSession, connection: str, token: str, silent_since_ns: int) -> Resumed | StorageRefusal:
    digest = rules.token_digest(token)
    row = await db.row("resume_connection", connection, db.account, digest, silent_since_ns, time.time_ns())
    if row is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    role, name = row
    topics: dict[str, int] = dict(await db.rows("subscribed_topics", connection))
    return Resumed(ConnectionRow(connection, db.account, role, name, token), topics)


async def find_speaker(db: SqlSession, connection: str) -> Speaker | None:
    row = await db.row("speaker", connection, db.account)
    return Speaker(*row) if row else None


async def find_chat(db: SqlSession, statement: str, chat: str) -> ChatState | None:
    row = await db.row(statement, db.account, chat, db.key)
    return ChatState(*row) if row else None


async def add_message(db: SqlSession, connection: str, chat: str, text: str) -> int:
    """Stores the message unless its key is there; returns how many rows that made."""
    return await db.run("send_message", db.account, db.key, chat, connection, text, time.time_ns())


def draft(db: SqlSession, by: Speaker, kind: str, chat: str, text: str) -> Event:
    """An event that has no topic and number yet, stamped now."""
    return Event(db.account, "", 0, kind, chat, db.key, by.name, text, time.time_ns())


def if_held(rows: int) -> None:
    """Raises OvertakenError, which begins the transaction again, when a conditional change found its row changed."""
    if rows == 0:
        raise OvertakenError("another transaction was faster")


async def publish(db: SqlSession, event: Event, *topics: str) -> tuple[Event, ...]:
    """Numbers and stores the event in each topic, whose row is held for one round trip and the commit."""
    return tuple([await _publish_one(db, replace(event, topic=topic)) for topic in topics])


async def _publish_one(db: SqlSession, event: Event) -> Event:
    values = (event.kind, event.chat, event.key, event.by, event.text, event.published_ns)
    return replace(event, sequence=await db.value("publish", event.account, event.topic, *values))


async def open_connection(db: SqlSession, row: ConnectionRow) -> Done:
    await db.run("add_account", db.account)
    await add_connection(db, row)
    return Done()


async def unsubscribe(db: SqlSession, connection: str, topic: str) -> Done | StorageRefusal:
    if await find_speaker(db, connection) is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    return Done() if await db.run("unsubscribe", connection, topic) else StorageRefusal.NOT_SUBSCRIBED


async def offer_chat(db: SqlSession, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
    speaker = await find_speaker(db, connection)
    if speaker is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    if not await db.run("offer_chat", db.account, chat, subject, connection, time.time_ns()):
        return Done()
    await db.run("ensure_topic", db.account, chat_topic(chat))
    return Done(await publish(db, draft(db, speaker, "chat.offered", chat, subject), QUEUE_TOPIC))


async def sweep_orphans(db: SqlSession, silent_since_ns: int, limit: int) -> int:
    """Removes orphans one by one, each by its key, so that no other row is read under a lock."""
    orphans = await db.rows("orphans", silent_since_ns, limit)
    return sum([await db.run("drop_orphan", connection, topic, silent_since_ns) for connection, topic, _ in orphans])


async def copy_account(db: SqlSession) -> AccountCopy:
    return account_copy(db.account, {field: await db.rows(f"copy_{field}", db.account) for field in ROWS})


async def replace_account(db: SqlSession, copy: AccountCopy) -> None:
    account = copy.account
    await db.run("add_account", account)
    await db.rows("hold_topics", account)
    for leaf in ("events", "messages", "subscriptions"):
        await db.run(f"clear_{leaf}", account)
    await _replace_referred(db, copy)
    await db.run_many("put_subscription", [(account, *row) for row in copy.subscriptions])
    await db.run_many("put_message", [(account, *row) for row in copy.messages])
    await db.run_many("add_event", [astuple(event) for event in copy.events])


async def _replace_referred(db: SqlSession, copy: AccountCopy) -> None:
    """What other rows refer to. Its version is one that no transaction has read, so that what was read before the
    replacement is never taken to hold after it."""
    account, version = copy.account, time.time_ns()
    await db.run_many("put_connection", [(account, *row, version) for row in copy.connections])
    await db.run_many("put_topic", [(account, *row) for row in copy.topics])
    await db.run_many("put_chat", [(account, *row, version) for row in copy.chats])
    await db.run("trim_chats", account, [chat.id for chat in copy.chats])
    await db.run("trim_topics", account, [topic.topic for topic in copy.topics])
    await db.run("trim_connections", account, [connection.id for connection in copy.connections])
