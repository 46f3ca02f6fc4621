"""What a pod does to its SQLite file: each function runs inside one BEGIN IMMEDIATE and sees no concurrent change."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, replace

from loadtests.pod.storage import rules
from loadtests.pod.storage.contract import (
    ROWS,
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Resumed,
    StorageRefusal,
    Subscribed,
    account_copy,
)
from loadtests.pod.storage.rules import ChatState, Speaker
from loadtests.pod.storage.sqlite.driver import SqliteSession
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Event


def open_connection(db: SqliteSession, row: ConnectionRow) -> Done:
    digest = rules.token_digest(row.resume_token)
    db.run(
        "open_connection",
        connection=row.connection,
        account=row.account,
        role=row.role,
        name=row.name,
        digest=digest,
        now=time.time_ns(),
    )
    return Done()


def resume_connection(
    db: SqliteSession, call: Call, connection: str, token: str, silent_since: int
) -> Resumed | StorageRefusal:
    row = db.row(
        "resume_connection",
        connection=connection,
        account=call.account,
        digest=rules.token_digest(token),
        silent_since=silent_since,
        now=time.time_ns(),
    )
    if row is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    topics: dict[str, int] = dict(db.rows("subscribed_topics", connection=connection))
    return Resumed(ConnectionRow(connection, call.account, row[0], row[1], token), topics)


def close_connection(db: SqliteSession, call: Call, connection: str) -> Done | StorageRefusal:
    row = db.row("connection", connection=connection, account=call.account)
    if row is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    if row[0] is None:
        _close(db, connection)
    return Done()


def _close(db: SqliteSession, connection: str) -> None:
    db.run("drop_subscriptions", connection=connection)
    db.run("close_connection", connection=connection, now=time.time_ns())


def touch_connections(db: SqliteSession, connections: Sequence[str], now: int) -> None:
    db.run("touch_connections", connections=json.dumps(list(connections)), now=now)


def reap_connections(db: SqliteSession, silent_since: int, limit: int) -> Sequence[str]:
    silent = [row[0] for row in db.rows("silent_connections", silent_since=silent_since, limit=limit)]
    for connection in silent:
        _close(db, connection)
    return silent


def sweep_orphans(db: SqliteSession, silent_since: int, limit: int) -> int:
    return db.run("drop_orphans", silent_since=silent_since, limit=limit)


def subscribe(db: SqliteSession, call: Call, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
    if _speaker(db, call, connection) is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    if there := db.row("subscription", connection=connection, topic=topic):
        return Subscribed(there[0])
    taken = db.row("count_subscriptions", connection=connection)
    if refusal := rules.on_subscribe(taken[0] if taken else 0, limit):
        return refusal
    head = db.row("ensure_topic", account=call.account, topic=topic)
    db.run("subscribe", connection=connection, topic=topic, account=call.account, now=time.time_ns())
    return Subscribed(head[0] if head else 0)


def unsubscribe(db: SqliteSession, call: Call, connection: str, topic: str) -> Done | StorageRefusal:
    if _speaker(db, call, connection) is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    gone = db.run("unsubscribe", connection=connection, topic=topic)
    return Done() if gone else StorageRefusal.NOT_SUBSCRIBED


def offer_chat(db: SqliteSession, call: Call, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
    speaker = _speaker(db, call, connection)
    if speaker is None:
        return StorageRefusal.NO_SUCH_CONNECTION
    made = db.run(
        "offer_chat", account=call.account, chat=chat, subject=subject, connection=connection, now=time.time_ns()
    )
    if not made:
        return Done()
    db.row("ensure_topic", account=call.account, topic=chat_topic(chat))
    return Done(_publish(db, call, speaker, (QUEUE_TOPIC,), "chat.offered", chat, subject))


def accept_chat(
    db: SqliteSession, call: Call, connection: str, chat: str
) -> Accepted | AlreadyAccepted | StorageRefusal:
    speaker, found = _speaker(db, call, connection), _chat(db, call, chat)
    if answer := rules.on_accept(speaker, found):
        return answer
    assert speaker is not None
    db.run("accept_chat", account=call.account, chat=chat, connection=connection, now=time.time_ns())
    return Accepted(_publish(db, call, speaker, (chat_topic(chat), QUEUE_TOPIC), "chat.accepted", chat, ""))


def send_message(db: SqliteSession, call: Call, connection: str, chat: str, text: str) -> Done | StorageRefusal:
    speaker, found = _speaker(db, call, connection), _chat(db, call, chat)
    if answer := rules.on_message(speaker, found):
        return answer
    assert speaker is not None
    db.run(
        "send_message",
        account=call.account,
        key=call.key,
        chat=chat,
        connection=connection,
        text=text,
        now=time.time_ns(),
    )
    return Done(_publish(db, call, speaker, (chat_topic(chat),), "message.sent", chat, text))


def close_chat(db: SqliteSession, call: Call, connection: str, chat: str) -> Done | StorageRefusal:
    speaker, found = _speaker(db, call, connection), _chat(db, call, chat)
    if answer := rules.on_close_chat(speaker, found):
        return answer
    assert speaker is not None
    db.run("close_chat", account=call.account, chat=chat, now=time.time_ns())
    return Done(_publish(db, call, speaker, (chat_topic(chat), QUEUE_TOPIC), "chat.closed", chat, ""))


def _speaker(db: SqliteSession, call: Call, connection: str) -> Speaker | None:
    row = db.row("speaker", connection=connection, account=call.account)
    return Speaker(*row) if row else None


def _chat(db: SqliteSession, call: Call, chat: str) -> ChatState | None:
    row = db.row("chat", account=call.account, chat=chat, key=call.key)
    return ChatState(row[0], row[1], row[2], row[3], bool(row[4])) if row else None


def _publish(  # noqa: PLR0913, PLR0917  an event's own fields
    db: SqliteSession, call: Call, speaker: Speaker, topics: tuple[str, ...], kind: str, chat: str, text: str
) -> tuple[Event, ...]:
    now = time.time_ns()
    return tuple(
        _publish_one(db, Event(call.account, topic, 0, kind, chat, call.key, speaker.name, text, now))
        for topic in topics
    )


def _publish_one(db: SqliteSession, draft: Event) -> Event:
    head = db.row("advance_topic", account=draft.account, topic=draft.topic)
    assert head is not None
    event = replace(draft, sequence=head[0])
    db.run("add_event", **asdict(event))
    return event


def copy_account(db: SqliteSession, account: str) -> AccountCopy:
    return account_copy(account, {field: db.rows(f"copy_{field}", account=account) for field in ROWS})


def replace_account(db: SqliteSession, copy: AccountCopy) -> None:
    account = copy.account
    for leaf in ("events", "messages", "subscriptions"):
        db.run(f"clear_{leaf}", account=account)
    db.run_many("put_connection", ((account, *row) for row in copy.connections))
    db.run_many("put_topic", ((account, *row) for row in copy.topics))
    db.run_many("put_chat", ((account, *row) for row in copy.chats))
    _trim(db, account, "chats", (chat.id for chat in copy.chats))
    _trim(db, account, "topics", (topic.topic for topic in copy.topics))
    _trim(db, account, "connections", (connection.id for connection in copy.connections))
    db.run_many("put_subscription", ((account, *row) for row in copy.subscriptions))
    db.run_many("put_message", ((account, *row) for row in copy.messages))
    db.run_many("put_event", (astuple(event) for event in copy.events))


def _trim(db: SqliteSession, account: str, table: str, kept: Iterable[str]) -> None:
    db.run(f"trim_{table}", account=account, kept=json.dumps(list(kept)))
