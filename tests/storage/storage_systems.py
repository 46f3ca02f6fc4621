"""What the storage tests work with: a storage system to open, and a client of it."""

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from loadtests import storagenames
from loadtests.accounts import Mode
from loadtests.pod.storage.contract import (
    Accepted,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Storage,
    StorageRefusal,
    Subscribed,
    Transaction,
)
from loadtests.pod.storage.factory import create_storage
from loadtests.protocols.contract import key_text

ACCOUNT = "account-0001"
LIMIT = 16

_numbers = itertools.count(1)


def new_key() -> str:
    return key_text(next(_numbers))


@dataclass
class System:
    """A storage system and where its data is: opened as often as a test needs it. `dsns`: of a dual one."""

    name: str
    dsn: str | None = None
    dsns: Mapping[str, str] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)

    def open(self, starts_on: Mode = "dual") -> Storage:
        return create_storage(self.name, self.by_database(), self.transactions.append, "pod-1", starts_on)

    def by_database(self) -> Mapping[str, str]:
        return self.dsns or {storagenames.parse(self.name).engine: self.dsn or ""}

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Storage]:
        storage = self.open()
        await storage.start()
        try:
            yield storage
        finally:
            await storage.stop()


def make_system(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> System:
    """On fresh databases."""

    def dsn(database: str, engine: str) -> str:
        if engine == "sqlite":
            return str(tmp_path / f"{database}.db")
        return str(request.getfixturevalue(f"{engine}_database").pod_dsn)

    full = storagenames.parse(name)
    dsns = {database: dsn(database, side.engine) for database, side in storagenames.databases(name).items()}
    return System(str(full), dsns.get(full.engine), dsns if full.sides else {})


@dataclass
class Desk:
    """A client of an account on a storage: keys and calls are made here, answers are the storage's own."""

    storage: Storage
    account: str
    connection: str
    name: str

    def call(self, operation: str, key: str | None = None) -> Call:
        return Call(operation, key or new_key(), self.account)

    async def subscribe(self, topic: str, limit: int = LIMIT) -> Subscribed | StorageRefusal:
        return await self.storage.subscribe(self.call("subscription.create"), self.connection, topic, limit)

    async def unsubscribe(self, topic: str) -> Done | StorageRefusal:
        return await self.storage.unsubscribe(self.call("subscription.delete"), self.connection, topic)

    async def offer(self, chat: str | None = None, subject: str = "help") -> tuple[str, Done | StorageRefusal]:
        chat = chat or new_key()
        return chat, await self.storage.offer_chat(self.call("chat.offer", chat), self.connection, chat, subject)

    async def accept(self, chat: str) -> Accepted | AlreadyAccepted | StorageRefusal:
        return await self.storage.accept_chat(self.call("chat.accept"), self.connection, chat)

    async def send(self, chat: str, text: str = "hello", key: str | None = None) -> Done | StorageRefusal:
        return await self.storage.send_message(self.call("message.send", key), self.connection, chat, text)

    async def close_chat(self, chat: str) -> Done | StorageRefusal:
        return await self.storage.close_chat(self.call("chat.close"), self.connection, chat)

    async def leave(self) -> Done | StorageRefusal:
        return await self.storage.close_connection(self.call("connection.close"), self.connection)


async def sit_down(
    storage: Storage, role: str = "agent", name: str = "Ada", account: str = ACCOUNT, token: str = "token"
) -> Desk:
    """Opens a connection."""
    desk = Desk(storage, account, f"c{new_key()}", name)
    row = ConnectionRow(desk.connection, account, role, name, token)  # type: ignore[arg-type]
    assert await storage.open_connection(desk.call("connection.create"), row) == Done()
    return desk
