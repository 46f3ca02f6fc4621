"""The operations of the storage contract, each one a transaction under the locking strategy in force."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Resumed,
    Statistics,
    StorageRefusal,
    Subscribed,
)
from loadtests.pod.storage.sql.driver import Row, TransactionSession
from loadtests.pod.storage.sql.strategy import Strategy, copy_account
from loadtests.protocols.serverhalf import Event

T = TypeVar("T")
Job = Callable[[TransactionSession], Coroutine[Any, Any, T]]

MAINTENANCE = Call("maintenance", "", "")


class StrategyStorage(ABC):
    """A storage on SQL, without the way to its database."""

    _strategy: Strategy

    @abstractmethod
    async def _write(self, call: Call, job: Job[T]) -> T:
        """One transaction: committed, unless the job answers with a refusal or raises."""

    @abstractmethod
    async def _snapshot(self, call: Call, job: Job[T]) -> T:
        """As `_write`, for a job that only reads, and reads everything as of one moment."""

    @abstractmethod
    async def _read(self, statement: str, *values: Any) -> Sequence[Row]:
        """One read, outside of any transaction."""

    async def open_connection(self, call: Call, row: ConnectionRow) -> Done:
        return await self._write(call, lambda db: self._strategy.open_connection(db, row))

    async def resume_connection(
        self, call: Call, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        return await self._write(
            call, lambda db: self._strategy.resume_connection(db, connection, resume_token, silent_since_ns)
        )

    async def close_connection(self, call: Call, connection: str) -> Done | StorageRefusal:
        return await self._write(call, lambda db: self._strategy.close_connection(db, connection))

    async def touch_connections(self, connections: Sequence[str], now_ns: int) -> None:
        async def touch(db: TransactionSession) -> None:
            await db.run("touch_connections", sorted(connections), now_ns)

        if connections:
            await self._write(MAINTENANCE, touch)

    async def reap_connections(self, call: Call, silent_since_ns: int, limit: int) -> Sequence[str]:
        return await self._write(call, lambda db: self._strategy.reap_connections(db, silent_since_ns, limit))

    async def subscribe(self, call: Call, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
        return await self._write(call, lambda db: self._strategy.subscribe(db, connection, topic, limit))

    async def unsubscribe(self, call: Call, connection: str, topic: str) -> Done | StorageRefusal:
        return await self._write(call, lambda db: self._strategy.unsubscribe(db, connection, topic))

    async def offer_chat(self, call: Call, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
        return await self._write(call, lambda db: self._strategy.offer_chat(db, connection, chat, subject))

    async def accept_chat(self, call: Call, connection: str, chat: str) -> Accepted | AlreadyAccepted | StorageRefusal:
        return await self._write(call, lambda db: self._strategy.accept_chat(db, connection, chat))

    async def send_message(self, call: Call, connection: str, chat: str, text: str) -> Done | StorageRefusal:
        return await self._write(call, lambda db: self._strategy.send_message(db, connection, chat, text))

    async def close_chat(self, call: Call, connection: str, chat: str) -> Done | StorageRefusal:
        return await self._write(call, lambda db: self._strategy.close_chat(db, connection, chat))

    async def events_after(self, account: str, topic: str, sequence: int, limit: int) -> Sequence[Event]:
        return [Event(*row) for row in await self._read("events_after", account, topic, sequence, limit)]

    async def statistics(self, silent_since_ns: int) -> Statistics:
        return Statistics(*(await self._read("statistics", silent_since_ns))[0])

    async def sweep_orphans(self, call: Call, silent_since_ns: int, limit: int) -> int:
        return await self._write(call, lambda db: self._strategy.sweep_orphans(db, silent_since_ns, limit))

    async def copy_account(self, account: str) -> AccountCopy:
        return await self._snapshot(Call("maintenance", "", account), copy_account)

    async def replace_account(self, call: Call, copy: AccountCopy) -> None:
        await self._write(call, lambda db: self._strategy.replace_account(db, copy))
