"""Many clients living their lives on one storage, and what must be true of the replies."""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, cast

from storage_systems import Desk, sit_down

from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    Done,
    OutcomeUnknown,
    Storage,
    StorageConflict,
    StorageUnavailable,
)
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Event


class Patient:
    """A storage for a client that retries after a definite no, which some of 64 concurrent clients
    may well get."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)

        async def again(*arguments: Any) -> Any:
            while True:
                try:
                    return await method(*arguments)
                except StorageConflict:
                    await asyncio.sleep(0.01)

        return again


@dataclass
class Account:
    """An account's clients among themselves, and the storage's replies."""

    name: str
    random: random.Random
    offered: dict[str, asyncio.Event] = field(default_factory=dict)
    accepted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Chat → the connections whose accept was `ok`; a repeated request gets the same reply."""
    reported: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Chat → the winners' names in the replies to the others."""
    messages: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    unsure: int = 0

    def publish(self, answer: object) -> None:
        if isinstance(answer, Done | Accepted):
            self.events += answer.events

    async def customer(self, storage: Storage, number: int) -> None:
        storage = cast(Storage, Patient(storage))
        desk = await sit_down(storage, "customer", f"Customer {number}", self.name)
        chat, answer = await desk.offer()
        self.publish(answer)
        await desk.subscribe(chat_topic(chat))
        self.offered[chat] = asyncio.Event()
        await self.offered[chat].wait()
        for n in range(3):
            await self.send(desk, chat, str(n))
        if number % 2:
            self.publish(await desk.close_chat(chat))
        await desk.leave()

    async def agent(self, storage: Storage, number: int, customers: int) -> None:
        storage = cast(Storage, Patient(storage))
        desk = await sit_down(storage, "agent", f"Agent {number}", self.name)
        await desk.subscribe(QUEUE_TOPIC)
        done: set[str] = set()
        while len(done) < customers:
            chats = [chat for chat in self.offered if chat not in done]
            self.random.shuffle(chats)
            for chat in chats:
                done.add(chat)
                await self.take(desk, chat)
            await asyncio.sleep(0)
        await desk.unsubscribe(QUEUE_TOPIC) if number % 2 else None
        await desk.leave()

    async def take(self, desk: Desk, chat: str) -> None:
        await desk.subscribe(chat_topic(chat))
        answer = await desk.accept(chat)
        self.publish(answer)
        if isinstance(answer, Accepted):
            self.accepted[chat].add(desk.connection)
            self.reported[chat].add(desk.name)
            await self.send(desk, chat, "how may I help?")
            self.offered[chat].set()
        elif isinstance(answer, AlreadyAccepted):
            self.reported[chat].add(answer.winner)
        await desk.unsubscribe(chat_topic(chat))

    async def send(self, desk: Desk, chat: str, text: str) -> None:
        answer = await desk.send(chat, text)
        self.publish(answer)
        if isinstance(answer, Done):
            self.messages.update(event.key for event in answer.events)

    async def work_until_cut_off(self, storage: Storage, number: int) -> None:
        """A client for himself, over and over, until the storage has gone."""
        try:
            desk = await sit_down(storage, "agent", f"Agent {number}", self.name)
            while True:
                chat, answer = await desk.offer()
                self.publish(answer)
                others = list(self.offered)[-3:]
                self.offered[chat] = asyncio.Event()
                for each in (chat, *others):
                    await self.take(desk, each)
        except OutcomeUnknown:
            self.unsure += 1
        except StorageUnavailable:
            return


def check(account: Account, copy: AccountCopy) -> None:
    """Everything that was acknowledged is there; one winner a chat; numbers without a gap; nothing twice."""
    chats = {chat.id: chat for chat in copy.chats}
    for chat, winners in account.accepted.items():
        assert winners == {chats[chat].accepted_by}
    names = {connection.id: connection.name for connection in copy.connections}
    for chat, reported in account.reported.items():
        assert reported == {names[chats[chat].accepted_by or ""]}
    assert account.messages <= {message.key for message in copy.messages}
    stored = set(copy.events)
    assert set(account.events) <= stored
    numbers = defaultdict(list)
    for event in copy.events:
        numbers[event.topic].append(event.sequence)
    for topic in copy.topics:
        assert numbers[topic.topic] == list(range(1, topic.head + 1))
    causes = [(event.topic, event.key) for event in copy.events]
    assert len(causes) == len(set(causes))
