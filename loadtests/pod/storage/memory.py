"""A pod's state in its own memory: the whole contract, gone with the process. The measure of what a storage costs."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Literal, cast

from loadtests.pod.storage import rules
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
    StoredChat,
    StoredConnection,
    StoredMessage,
    Subscribed,
    TransactionSink,
    account_copy,
)
from loadtests.pod.storage.rules import Speaker
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Event
from loadtests.storagenames import promises


def create(*, dsn: str, record: TransactionSink, pod: str) -> Storage:  # noqa: ARG001  there is nothing to connect to
    return MemoryStorage()


@dataclass(slots=True)
class _Account:
    """All there is of one account, closed connections too. `subscriptions`: connection → topic → when. An event's
    number is its place in its topic's list, from 1."""

    connections: dict[str, StoredConnection] = field(default_factory=dict)
    subscriptions: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    chats: dict[str, StoredChat] = field(default_factory=dict)
    messages: dict[str, StoredMessage] = field(default_factory=dict)
    events: defaultdict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))

    def speaker(self, connection: str) -> Speaker | None:
        there = self.connections.get(connection)
        return Speaker(there.id, there.role, there.name) if there and there.closed_at is None else None

    def chat(self, chat: str, key: str) -> rules.ChatState | None:
        there = self.chats.get(chat)
        if there is None:
            return None
        winner = self.connections.get(there.accepted_by or "")
        name = winner.name if winner else None
        return rules.ChatState(there.state, there.offered_by, there.accepted_by, name, key in self.messages)

    def orphans(self, silent_since_ns: int) -> Iterator[tuple[str, str]]:
        """Connection and topic of each."""
        for connection, topics in self.subscriptions.items():
            there = self.connections.get(connection)
            if there is None or there.closed_at is not None or there.seen_at < silent_since_ns:
                yield from ((connection, topic) for topic in topics)

    def rows(self) -> Mapping[str, Iterable[Sequence[Any]]]:
        return {
            "connections": self.connections.values(),
            "topics": [(topic, len(events)) for topic, events in self.events.items()],
            "subscriptions": [
                (c, topic, at) for c, topics in self.subscriptions.items() for topic, at in topics.items()
            ],
            "chats": self.chats.values(),
            "messages": self.messages.values(),
            "events": [astuple(event) for events in self.events.values() for event in events],
        }


def _account_of(copy: AccountCopy) -> _Account:
    account = _Account(
        connections={connection.id: connection for connection in copy.connections},
        chats={chat.id: chat for chat in copy.chats},
        messages={message.key: message for message in copy.messages},
    )
    for topic in copy.topics:
        account.events[topic.topic] = []
    for event in copy.events:
        account.events[event.topic].append(event)
    for subscription in copy.subscriptions:
        account.subscriptions[subscription.connection][subscription.topic] = subscription.subscribed_at
    return account


class MemoryStorage:
    """No method awaits anything, so each one is a transaction by nature."""

    name = "memory"
    promises = promises("memory")

    def __init__(self) -> None:
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)
        self._live: dict[str, _Account] = {}
        """Connection → where it is, for those that are open."""

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to disconnect from."""

    async def settings(self) -> Mapping[str, str]:
        return {"engine": "memory", "durability": "none", "isolation": "one operation at a time"}

    async def open_connection(self, call: Call, row: ConnectionRow) -> Done:  # noqa: ARG002
        account, now = self._accounts[row.account], time.time_ns()
        if row.connection not in account.connections:
            digest = rules.token_digest(row.resume_token)
            account.connections[row.connection] = StoredConnection(
                row.connection, row.role, row.name, digest, now, now, None
            )
            self._live[row.connection] = account
        return Done()

    async def resume_connection(
        self, call: Call, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        account = self._accounts[call.account]
        there, digest = account.connections.get(connection), rules.token_digest(resume_token)
        if there is None or there.closed_at is not None or there.resume_digest != digest:
            return StorageRefusal.NO_SUCH_CONNECTION
        if there.seen_at < silent_since_ns:
            return StorageRefusal.NO_SUCH_CONNECTION
        self._touch(connection, time.time_ns())
        topics = {topic: len(account.events[topic]) for topic in account.subscriptions.get(connection, ())}
        role = cast(Literal["agent", "customer"], there.role)
        return Resumed(ConnectionRow(connection, call.account, role, there.name, resume_token), topics)

    async def close_connection(self, call: Call, connection: str) -> Done | StorageRefusal:
        account = self._accounts[call.account]
        if account.speaker(connection):
            self._close(connection)
        return Done() if connection in account.connections else StorageRefusal.NO_SUCH_CONNECTION

    async def touch_connections(self, connections: Sequence[str], now_ns: int) -> None:
        for connection in connections:
            if connection in self._live:
                self._touch(connection, now_ns)

    async def reap_connections(self, call: Call, silent_since_ns: int, limit: int) -> Sequence[str]:  # noqa: ARG002
        live = ((account.connections[name].seen_at, name) for name, account in self._live.items())
        silent = sorted(pair for pair in live if pair[0] < silent_since_ns)[:limit]
        for _, name in silent:
            self._close(name)
        return [name for _, name in silent]

    async def subscribe(self, call: Call, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
        account = self._accounts[call.account]
        if account.speaker(connection) is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        topics = account.subscriptions[connection]
        if topic not in topics:
            if refusal := rules.on_subscribe(len(topics), limit):
                return refusal
            topics[topic] = time.time_ns()
        return Subscribed(len(account.events[topic]))

    async def unsubscribe(self, call: Call, connection: str, topic: str) -> Done | StorageRefusal:
        account = self._accounts[call.account]
        if account.speaker(connection) is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        gone = account.subscriptions[connection].pop(topic, None)
        return StorageRefusal.NOT_SUBSCRIBED if gone is None else Done()

    async def offer_chat(self, call: Call, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
        account = self._accounts[call.account]
        speaker = account.speaker(connection)
        if speaker is None:
            return StorageRefusal.NO_SUCH_CONNECTION
        if chat in account.chats:
            return Done()
        account.chats[chat] = StoredChat(chat, "offered", subject, connection, None, time.time_ns(), None, None)
        account.events[chat_topic(chat)] = []
        return Done(self._publish(call, speaker.name, (QUEUE_TOPIC,), "chat.offered", chat, subject))

    async def accept_chat(self, call: Call, connection: str, chat: str) -> Accepted | AlreadyAccepted | StorageRefusal:
        account = self._accounts[call.account]
        speaker = account.speaker(connection)
        if answer := rules.on_accept(speaker, account.chat(chat, call.key)):
            return answer
        assert speaker is not None
        account.chats[chat] = account.chats[chat]._replace(
            state="accepted", accepted_by=connection, accepted_at=time.time_ns()
        )
        return Accepted(self._publish(call, speaker.name, (chat_topic(chat), QUEUE_TOPIC), "chat.accepted", chat, ""))

    async def send_message(self, call: Call, connection: str, chat: str, text: str) -> Done | StorageRefusal:
        account = self._accounts[call.account]
        speaker = account.speaker(connection)
        if answer := rules.on_message(speaker, account.chat(chat, call.key)):
            return answer
        assert speaker is not None
        account.messages[call.key] = StoredMessage(call.key, chat, connection, text, time.time_ns())
        return Done(self._publish(call, speaker.name, (chat_topic(chat),), "message.sent", chat, text))

    async def close_chat(self, call: Call, connection: str, chat: str) -> Done | StorageRefusal:
        account = self._accounts[call.account]
        speaker = account.speaker(connection)
        if answer := rules.on_close_chat(speaker, account.chat(chat, call.key)):
            return answer
        assert speaker is not None
        account.chats[chat] = account.chats[chat]._replace(state="closed", closed_at=time.time_ns())
        return Done(self._publish(call, speaker.name, (chat_topic(chat), QUEUE_TOPIC), "chat.closed", chat, ""))

    async def events_after(self, account: str, topic: str, sequence: int, limit: int) -> Sequence[Event]:
        return self._accounts[account].events.get(topic, [])[sequence : sequence + limit]

    async def statistics(self, silent_since_ns: int) -> Statistics:
        accounts = self._accounts.values()
        return Statistics(
            connections=len(self._live),
            subscriptions=sum(len(topics) for a in accounts for topics in a.subscriptions.values()),
            chats=sum(chat.state != "closed" for a in accounts for chat in a.chats.values()),
            messages=sum(len(a.messages) for a in accounts),
            orphans=sum(1 for a in accounts for _ in a.orphans(silent_since_ns)),
        )

    async def sweep_orphans(self, call: Call, silent_since_ns: int, limit: int) -> int:  # noqa: ARG002
        orphans = [(a, *orphan) for a in self._accounts.values() for orphan in a.orphans(silent_since_ns)][:limit]
        for account, connection, topic in orphans:
            del account.subscriptions[connection][topic]
        return len(orphans)

    async def copy_account(self, account: str) -> AccountCopy:
        return account_copy(account, self._accounts[account].rows())

    async def replace_account(self, call: Call, copy: AccountCopy) -> None:  # noqa: ARG002
        before, after = self._accounts[copy.account], _account_of(copy)
        self._accounts[copy.account] = after
        self._live = {connection: account for connection, account in self._live.items() if account is not before}
        self._live |= {c.id: after for c in copy.connections if c.closed_at is None}

    def _touch(self, connection: str, now_ns: int) -> None:
        there = self._live[connection].connections
        there[connection] = there[connection]._replace(seen_at=max(there[connection].seen_at, now_ns))

    def _close(self, connection: str) -> None:
        account = self._live.pop(connection)
        account.connections[connection] = account.connections[connection]._replace(closed_at=time.time_ns())
        account.subscriptions.pop(connection, None)

    def _publish(  # noqa: PLR0913, PLR0917  an event's own fields
        self, call: Call, by: str, topics: tuple[str, ...], kind: str, chat: str, text: str
    ) -> tuple[Event, ...]:
        now, made = time.time_ns(), []
        for topic in topics:
            events = self._accounts[call.account].events[topic]
            events.append(Event(call.account, topic, len(events) + 1, kind, chat, call.key, by, text, now))
            made.append(events[-1])
        return tuple(made)
