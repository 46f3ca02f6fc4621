"""A pod's state in its own memory: the whole contract, gone with the process. The measure of what a storage costs."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.pod.storage import rules
from loadtests.pod.storage.contract import (
    Accepted,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Promises,
    Refusal,
    Resumed,
    Statistics,
    Subscribed,
    TransactionSink,
)
from loadtests.pod.storage.rules import Speaker
from loadtests.wire.codecs.messages import QUEUE_TOPIC, Event, chat_topic


@dataclass(slots=True)
class _Connection:
    row: ConnectionRow
    speaker: Speaker
    seen_ns: int
    topics: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Chat:
    offered_by: str
    state: str = "offered"
    accepted_by: str | None = None
    winner: str | None = None
    messages: set[str] = field(default_factory=set)

    def read(self, key: str) -> rules.Chat:
        return rules.Chat(self.state, self.offered_by, self.accepted_by, self.winner, key in self.messages)


def _read(call: Call, chat: _Chat | None) -> rules.Chat | None:
    return chat.read(call.key) if chat else None


class MemoryStorage:
    """No method awaits anything, so each one is a transaction by nature."""

    name = "memory"
    promises = Promises(durable=False, no_orphans=True, commit_survives="nothing")

    def __init__(self, record: TransactionSink) -> None:  # noqa: ARG002  there are no transactions to record
        self._connections: dict[str, _Connection] = {}
        self._closed: set[tuple[str, str]] = set()
        self._chats: dict[tuple[str, str], _Chat] = {}
        self._events: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to disconnect from."""

    async def settings(self) -> Mapping[str, str]:
        return {"engine": "memory", "durability": "none", "isolation": "one operation at a time"}

    async def open_connection(self, call: Call, row: ConnectionRow) -> Done:  # noqa: ARG002
        if (row.account, row.connection) in self._closed:
            return Done()
        speaker = Speaker(row.connection, row.role, row.name)
        self._connections.setdefault(row.connection, _Connection(row, speaker, time.time_ns()))
        return Done()

    async def resume_connection(
        self, call: Call, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | Refusal:
        there = self._open(call, connection)
        if there is None or there.row.resume_token != resume_token or there.seen_ns < silent_since_ns:
            return Refusal.NO_SUCH_CONNECTION
        there.seen_ns = max(there.seen_ns, time.time_ns())
        return Resumed(there.row, {topic: self._head(call.account, topic) for topic in there.topics})

    async def close_connection(self, call: Call, connection: str) -> Done | Refusal:
        if there := self._open(call, connection):
            self._close(there)
        return Done() if (call.account, connection) in self._closed else Refusal.NO_SUCH_CONNECTION

    async def touch_connections(self, connections: Sequence[str], now_ns: int) -> None:
        for connection in connections:
            if there := self._connections.get(connection):
                there.seen_ns = max(there.seen_ns, now_ns)

    async def reap_connections(self, call: Call, silent_since_ns: int, limit: int) -> Sequence[str]:  # noqa: ARG002
        live = ((c.seen_ns, name) for name, c in self._connections.items())
        silent = sorted(pair for pair in live if pair[0] < silent_since_ns)[:limit]
        for _, name in silent:
            self._close(self._connections[name])
        return [name for _, name in silent]

    async def subscribe(self, call: Call, connection: str, topic: str, limit: int) -> Subscribed | Refusal:
        there = self._open(call, connection)
        if there is None:
            return Refusal.NO_SUCH_CONNECTION
        if topic not in there.topics:
            if refusal := rules.on_subscribe(len(there.topics), limit):
                return refusal
            there.topics.add(topic)
        return Subscribed(self._head(call.account, topic))

    async def unsubscribe(self, call: Call, connection: str, topic: str) -> Done | Refusal:
        there = self._open(call, connection)
        if there is None:
            return Refusal.NO_SUCH_CONNECTION
        if topic not in there.topics:
            return Refusal.NOT_SUBSCRIBED
        there.topics.discard(topic)
        return Done()

    async def offer_chat(self, call: Call, connection: str, chat: str, subject: str) -> Done | Refusal:
        speaker = self._speaker(call, connection)
        if speaker is None:
            return Refusal.NO_SUCH_CONNECTION
        if (call.account, chat) in self._chats:
            return Done()
        self._chats[call.account, chat] = _Chat(connection)
        return Done(self._publish(call, speaker.name, (QUEUE_TOPIC,), "chat.offered", chat, subject))

    async def accept_chat(self, call: Call, connection: str, chat: str) -> Accepted | AlreadyAccepted | Refusal:
        speaker, found = self._speaker(call, connection), self._chats.get((call.account, chat))
        if answer := rules.on_accept(speaker, _read(call, found)):
            return answer
        assert speaker is not None
        assert found is not None
        found.state, found.accepted_by, found.winner = "accepted", connection, speaker.name
        return Accepted(self._publish(call, speaker.name, (chat_topic(chat), QUEUE_TOPIC), "chat.accepted", chat, ""))

    async def send_message(self, call: Call, connection: str, chat: str, text: str) -> Done | Refusal:
        speaker, found = self._speaker(call, connection), self._chats.get((call.account, chat))
        if answer := rules.on_message(speaker, _read(call, found)):
            return answer
        assert speaker is not None
        assert found is not None
        found.messages.add(call.key)
        return Done(self._publish(call, speaker.name, (chat_topic(chat),), "message.sent", chat, text))

    async def close_chat(self, call: Call, connection: str, chat: str) -> Done | Refusal:
        speaker, found = self._speaker(call, connection), self._chats.get((call.account, chat))
        if answer := rules.on_close_chat(speaker, _read(call, found)):
            return answer
        assert speaker is not None
        assert found is not None
        found.state = "closed"
        return Done(self._publish(call, speaker.name, (chat_topic(chat), QUEUE_TOPIC), "chat.closed", chat, ""))

    async def events_after(self, account: str, topic: str, sequence: int, limit: int) -> Sequence[Event]:
        # The list is the sequence: an event's number is its place, from 1.
        return self._events.get((account, topic), [])[sequence : sequence + limit]

    async def statistics(self, silent_since_ns: int) -> Statistics:
        connections = self._connections.values()
        return Statistics(
            connections=len(connections),
            subscriptions=sum(len(c.topics) for c in connections),
            chats=sum(chat.state != "closed" for chat in self._chats.values()),
            messages=sum(len(chat.messages) for chat in self._chats.values()),
            orphans=sum(len(c.topics) for c in connections if c.seen_ns < silent_since_ns),
        )

    def _open(self, call: Call, connection: str) -> _Connection | None:
        there = self._connections.get(connection)
        return there if there and there.row.account == call.account else None

    def _speaker(self, call: Call, connection: str) -> Speaker | None:
        there = self._open(call, connection)
        return there.speaker if there else None

    def _close(self, connection: _Connection) -> None:
        del self._connections[connection.row.connection]
        self._closed.add((connection.row.account, connection.row.connection))

    def _head(self, account: str, topic: str) -> int:
        return len(self._events.get((account, topic), ()))

    def _publish(  # noqa: PLR0913, PLR0917  an event's own fields
        self, call: Call, by: str, topics: tuple[str, ...], kind: str, chat: str, text: str
    ) -> tuple[Event, ...]:
        now, made = time.time_ns(), []
        for topic in topics:
            events = self._events[call.account, topic]
            events.append(Event(call.account, topic, len(events) + 1, kind, chat, call.key, by, text, now))
            made.append(events[-1])
        return tuple(made)
