"""The storage contract on an SQL engine: every method is one transaction, under the locking strategy in force."""

from collections.abc import Mapping, Sequence

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
    TransactionSink,
)
from loadtests.pod.storage.sql import foreign_keys
from loadtests.pod.storage.sql.database import SqlDatabase, SqlSession
from loadtests.pod.storage.sql.driver import Driver
from loadtests.pod.storage.sql.foreign_keys import MAINTENANCE
from loadtests.pod.storage.sql.optimistic import Optimistic
from loadtests.pod.storage.sql.pessimistic import Pessimistic
from loadtests.pod.storage.sql.strategy import Strategy, copy_account
from loadtests.pod.storage.sql.unlocked import Unlocked
from loadtests.protocols.serverhalf import Event
from loadtests.storagenames import promises

STRATEGIES: Mapping[str, Strategy] = {s.name: s for s in (Pessimistic(), Optimistic(), Unlocked())}


class SqlStorage:
    """`promises` and `settings` are those of the current locking; `name` keeps the one that it was made with."""

    def __init__(self, driver: Driver, record: TransactionSink, locking: str) -> None:
        self.name = f"{driver.engine}:{locking}"
        self.promises = promises(self.name)
        self._driver = driver
        self._database = SqlDatabase(driver, record)
        self._strategy = STRATEGIES[locking]

    async def start(self) -> None:
        await self._database.start()
        try:
            await self._enforce_keys()
        except BaseException:
            await self._database.stop()
            raise

    async def _enforce_keys(self) -> None:
        """As the tables are made: not counted among the pod's transactions."""
        await foreign_keys.enforce(SqlDatabase(self._driver, lambda _: None), self._strategy.foreign_keys)

    async def prepare(self) -> None:
        await self._database.make_schema()
        await self._enforce_keys()

    async def stop(self) -> None:
        await self._database.stop()

    async def switch_locking(self, locking: str) -> None:
        """As the contract says. The strategy is this pod's own; the foreign keys are the database's, and every pod's
        that uses it. They are changed while the strategy that takes fewer locks is in force: a transaction that holds
        rows and needs a table that is being changed, which waits for a transaction that waits for those rows, would
        hold all others up. When they could not be changed (StorageError), a second call continues.

        Transactions that began before keep the old strategy. Until they have ended, two strategies are in use that
        ignore each other's locks: a winner is still one and a number still given once, since every strategy writes
        chats and topics by their rows, but a connection closed at that moment may leave an orphan."""
        if locking not in STRATEGIES:
            raise ValueError(f"unknown locking {locking[:40]!r}: expected one of {', '.join(STRATEGIES)}")
        strategy = STRATEGIES[locking]
        if strategy.foreign_keys:
            await foreign_keys.enforce(self._database, wanted=True)
        self._strategy, self.promises = strategy, promises(f"{self._driver.engine}:{locking}")
        if not strategy.foreign_keys:
            await foreign_keys.enforce(self._database, wanted=False)

    async def settings(self) -> Mapping[str, str]:
        read = {name: str(setting) for name, setting in await self._database.read("settings")}
        return {"engine": self._driver.engine, "version": read.pop("version"), **read, "locking": self._strategy.name}

    async def open_connection(self, call: Call, row: ConnectionRow) -> Done:
        return await self._database.write(call, lambda db: self._strategy.open_connection(db, row))

    async def resume_connection(
        self, call: Call, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        return await self._database.write(
            call, lambda db: self._strategy.resume_connection(db, connection, resume_token, silent_since_ns)
        )

    async def close_connection(self, call: Call, connection: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: self._strategy.close_connection(db, connection))

    async def touch_connections(self, connections: Sequence[str], now_ns: int) -> None:
        async def touch(db: SqlSession) -> None:
            await db.run("touch_connections", sorted(connections), now_ns)

        if connections:
            await self._database.write(MAINTENANCE, touch)

    async def reap_connections(self, call: Call, silent_since_ns: int, limit: int) -> Sequence[str]:
        return await self._database.write(call, lambda db: self._strategy.reap_connections(db, silent_since_ns, limit))

    async def subscribe(self, call: Call, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
        return await self._database.write(call, lambda db: self._strategy.subscribe(db, connection, topic, limit))

    async def unsubscribe(self, call: Call, connection: str, topic: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: self._strategy.unsubscribe(db, connection, topic))

    async def offer_chat(self, call: Call, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: self._strategy.offer_chat(db, connection, chat, subject))

    async def accept_chat(self, call: Call, connection: str, chat: str) -> Accepted | AlreadyAccepted | StorageRefusal:
        return await self._database.write(call, lambda db: self._strategy.accept_chat(db, connection, chat))

    async def send_message(self, call: Call, connection: str, chat: str, text: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: self._strategy.send_message(db, connection, chat, text))

    async def close_chat(self, call: Call, connection: str, chat: str) -> Done | StorageRefusal:
        return await self._database.write(call, lambda db: self._strategy.close_chat(db, connection, chat))

    async def events_after(self, account: str, topic: str, sequence: int, limit: int) -> Sequence[Event]:
        return [Event(*row) for row in await self._database.read("events_after", account, topic, sequence, limit)]

    async def statistics(self, silent_since_ns: int) -> Statistics:
        return Statistics(*(await self._database.read("statistics", silent_since_ns))[0])

    async def sweep_orphans(self, call: Call, silent_since_ns: int, limit: int) -> int:
        return await self._database.write(call, lambda db: self._strategy.sweep_orphans(db, silent_since_ns, limit))

    async def copy_account(self, account: str) -> AccountCopy:
        return await self._database.snapshot(Call("maintenance", "", account), copy_account)

    async def replace_account(self, call: Call, copy: AccountCopy) -> None:
        await self._database.write(call, lambda db: self._strategy.replace_account(db, copy))
