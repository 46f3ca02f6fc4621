"""What locking strategies share: each operation of the contract inside one transaction, from steps that they define."""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, replace

from loadtests.pod.storage import rules
from loadtests.pod.storage.contract import (
    ROWS,
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    ConnectionRow,
    Done,
    Resumed,
    StorageRefusal,
    Subscribed,
    account_copy,
)
from loadtests.pod.storage.rules import ChatState, Speaker
from loadtests.pod.storage.sql.driver import OvertakenError, TransactionSession
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Event


class Strategy(ABC):
    """Stateless, so that another one can replace it at any time: each transaction is done by the one
    that began it. `foreign_keys`: whether it wants them in the schema. `chat_statement`: how it reads a chat that it
    is about to change."""

    name: str
    foreign_keys = True
    chat_statement = "chat"

    async def open_connection(self, db: TransactionSession, row: ConnectionRow) -> Done:
        await self._ensure_account(db, db.account)
        digest = rules.token_digest(row.resume_token)
        if await db.run("open_connection", row.connection, row.account, row.role, row.name, digest, time.time_ns()):
            await self._count(db, db.account, connections=1)
        return Done()

    async def resume_connection(
        self, db: TransactionSession, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        await self._lock_account(db, db.account)
        digest = rules.token_digest(resume_token)
        row = await db.row("resume_connection", connection, db.account, digest, silent_since_ns, time.time_ns())
        if row is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        role, name = row
        topics: dict[str, int] = dict(await db.rows("subscribed_topics", connection))
        return Resumed(ConnectionRow(connection, db.account, role, name, resume_token), topics)

    @abstractmethod
    async def close_connection(self, db: TransactionSession, connection: str) -> Done | StorageRefusal: ...

    @abstractmethod
    async def reap_connections(self, db: TransactionSession, silent_since_ns: int, limit: int) -> Sequence[str]: ...

    async def subscribe(
        self, db: TransactionSession, connection: str, topic: str, limit: int
    ) -> Subscribed | StorageRefusal:
        await self._lock_account(db, db.account)
        speaker = await _find_speaker(db, connection)
        if speaker is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if there := await db.row("subscription", connection, topic):
            return Subscribed(there[0])
        if refusal := rules.on_subscribe(await db.value("count_subscriptions", connection), limit):
            return refusal
        await self._claim_connection(db, speaker)
        await db.run("ensure_topic", db.account, topic)
        return Subscribed(await self._add_subscription(db, connection, topic))

    async def unsubscribe(self, db: TransactionSession, connection: str, topic: str) -> Done | StorageRefusal:
        await self._lock_account(db, db.account)
        if await _find_speaker(db, connection) is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if not await db.run("unsubscribe", connection, topic):
            return StorageRefusal.NOT_SUBSCRIBED
        await self._count(db, db.account, subscriptions=-1)
        return Done()

    async def offer_chat(
        self, db: TransactionSession, connection: str, chat: str, subject: str
    ) -> Done | StorageRefusal:
        await self._lock_account(db, db.account)
        speaker = await _find_speaker(db, connection)
        if speaker is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if not await db.run("offer_chat", db.account, chat, subject, connection, time.time_ns()):
            return Done()
        await db.run("ensure_topic", db.account, chat_topic(chat))
        await self._count(db, db.account, queued=1)
        return Done(await self._publish(db, _draft(db, speaker, "chat.offered", chat, subject), QUEUE_TOPIC))

    async def accept_chat(
        self, db: TransactionSession, connection: str, chat: str
    ) -> Accepted | AlreadyAccepted | StorageRefusal:
        speaker, found = await self._read(db, connection, chat)
        if answer := rules.on_accept(speaker, found):
            return answer
        assert speaker is not None
        assert found is not None
        await self._accept(db, connection, chat, found)
        await self._count(db, db.account, queued=-1)
        event = _draft(db, speaker, "chat.accepted", chat, "")
        return Accepted(await self._publish(db, event, chat_topic(chat), QUEUE_TOPIC))

    async def send_message(
        self, db: TransactionSession, connection: str, chat: str, text: str
    ) -> Done | StorageRefusal:
        speaker, found = await self._read(db, connection, chat)
        if answer := rules.on_message(speaker, found):
            return answer
        assert speaker is not None
        assert found is not None
        await self._claim_chat(db, chat, found)
        if not await db.run("send_message", db.account, db.key, chat, connection, text, time.time_ns()):
            raise OvertakenError("the same message was sent at the same time")
        return Done(await self._publish(db, _draft(db, speaker, "message.sent", chat, text), chat_topic(chat)))

    async def close_chat(self, db: TransactionSession, connection: str, chat: str) -> Done | StorageRefusal:
        speaker, found = await self._read(db, connection, chat)
        if answer := rules.on_close_chat(speaker, found):
            return answer
        assert speaker is not None
        assert found is not None
        await self._close_chat(db, chat, found)
        await self._count(db, db.account, queued=-1 if found.state == "offered" else 0)
        event = _draft(db, speaker, "chat.closed", chat, "")
        return Done(await self._publish(db, event, chat_topic(chat), QUEUE_TOPIC))

    async def sweep_orphans(self, db: TransactionSession, silent_since_ns: int, limit: int) -> int:
        """Removes orphans one by one, each by its key, so that no other row is read under a lock."""
        orphans = await db.rows("orphans", silent_since_ns, limit)
        for account in sorted({account for _, _, account in orphans}):
            await self._lock_account(db, account)
        swept: Counter[str] = Counter()
        for connection, topic, account in orphans:
            swept[account] += await db.run("drop_orphan", connection, topic, silent_since_ns)
        for account, gone in swept.items():
            await self._count(db, account, subscriptions=-gone)
        return swept.total()

    async def replace_account(self, db: TransactionSession, copy: AccountCopy) -> None:
        account = copy.account
        await self._ensure_account(db, account)
        await self._hold_topics(db, account)
        for leaf in ("events", "messages", "subscriptions"):
            await db.run(f"clear_{leaf}", account)
        await _replace_referred(db, copy)
        await db.run_many("put_subscription", [(account, *row) for row in copy.subscriptions])
        await db.run_many("put_message", [(account, *row) for row in copy.messages])
        await db.run_many("add_event", [astuple(event) for event in copy.events])

    async def _read(
        self, db: TransactionSession, connection: str, chat: str
    ) -> tuple[Speaker | None, ChatState | None]:
        await self._lock_account(db, db.account)
        speaker = await _find_speaker(db, connection)
        row = await db.row(self.chat_statement, db.account, chat, db.key)
        return speaker, ChatState(*row) if row else None

    async def _publish(self, db: TransactionSession, event: Event, *topics: str) -> tuple[Event, ...]:
        """Numbers and stores the event in each topic, whose row is held until the commit."""
        return tuple([await self._publish_one(db, replace(event, topic=topic)) for topic in topics])

    async def _publish_one(self, db: TransactionSession, event: Event) -> Event:
        values = (event.kind, event.chat, event.key, event.by, event.text, event.published_ns)
        return replace(event, sequence=await db.value("publish", event.account, event.topic, *values))

    async def _ensure_account(self, db: TransactionSession, account: str) -> None:
        await db.run("add_account", account)

    async def _hold_topics(self, db: TransactionSession, account: str) -> None:
        """Before an account's events are replaced: no other transaction numbers one until the commit."""
        await db.rows("hold_topics", account)

    async def _lock_account(self, db: TransactionSession, account: str) -> None:  # noqa: B027
        """Before all other statements about the account; nothing where the strategy has no such lock."""

    async def _count(  # noqa: B027
        self, db: TransactionSession, account: str, *, connections: int = 0, subscriptions: int = 0, queued: int = 0
    ) -> None:
        """Adds to the counts on the account's row; nothing where the strategy keeps none."""

    async def _claim_connection(self, db: TransactionSession, speaker: Speaker) -> None:  # noqa: B027
        """Before something is added to the connection: raises OvertakenError when it changed, where that matters."""

    async def _claim_chat(self, db: TransactionSession, chat: str, found: ChatState) -> None:  # noqa: B027
        """Before something is added to the chat: raises OvertakenError when it changed, where that matters."""

    async def _add_subscription(self, db: TransactionSession, connection: str, topic: str) -> int:
        """Returns the topic's last number."""
        await db.run("subscribe", connection, topic, db.account, time.time_ns())
        return int(await db.value("topic_head", db.account, topic))

    @abstractmethod
    async def _accept(self, db: TransactionSession, connection: str, chat: str, found: ChatState) -> None:
        """Raises OvertakenError when another transaction was faster."""

    @abstractmethod
    async def _close_chat(self, db: TransactionSession, chat: str, found: ChatState) -> None:
        """Raises OvertakenError when another transaction was faster."""


async def _find_speaker(db: TransactionSession, connection: str) -> Speaker | None:
    row = await db.row("speaker", connection, db.account)
    return Speaker(*row) if row else None


def _draft(db: TransactionSession, by: Speaker, kind: str, chat: str, text: str) -> Event:
    """An event that has no topic and number yet, stamped now."""
    return Event(db.account, "", 0, kind, chat, db.key, by.name, text, time.time_ns())


async def copy_account(db: TransactionSession) -> AccountCopy:
    return account_copy(db.account, {field: await db.rows(f"copy_{field}", db.account) for field in ROWS})


async def _replace_referred(db: TransactionSession, copy: AccountCopy) -> None:
    """What other rows refer to. Its version is one that no transaction has read, so that what was read before the
    replacement is never taken to hold after it."""
    account, version = copy.account, time.time_ns()
    await db.run_many("put_connection", [(account, *row, version) for row in copy.connections])
    await db.run_many("put_topic", [(account, *row) for row in copy.topics])
    await db.run_many("put_chat", [(account, *row, version) for row in copy.chats])
    await db.run("trim_chats", account, [chat.id for chat in copy.chats])
    await db.run("trim_topics", account, [topic.topic for topic in copy.topics])
    await db.run("trim_connections", account, [connection.id for connection in copy.connections])
