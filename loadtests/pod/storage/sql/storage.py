"""The storage contract on an SQL engine whose locking can be switched."""

from collections.abc import Mapping, Sequence
from typing import Any

from loadtests.pod.storage.contract import Call, TransactionSink
from loadtests.pod.storage.sql import foreign_keys
from loadtests.pod.storage.sql.database import SqlDatabase
from loadtests.pod.storage.sql.driver import Driver, Row
from loadtests.pod.storage.sql.operations import Job, StrategyStorage, T
from loadtests.pod.storage.sql.optimistic import Optimistic
from loadtests.pod.storage.sql.pessimistic import Pessimistic
from loadtests.pod.storage.sql.strategy import Strategy
from loadtests.pod.storage.sql.unlocked import Unlocked
from loadtests.storagenames import promises

STRATEGIES: Mapping[str, Strategy] = {s.name: s for s in (Pessimistic(), Optimistic(), Unlocked())}


class SqlStorage(StrategyStorage):
    """`promises` and `settings` are those of the current locking; `name` keeps the one that it was made with."""

    def __init__(self, driver: Driver, record: TransactionSink, locking: str) -> None:
        self.name = f"{driver.engine}:{locking}"
        self.promises = promises(self.name)
        self.driver = driver
        self.database = SqlDatabase(driver, record)
        self._strategy = STRATEGIES[locking]

    async def start(self) -> None:
        await self.database.start()
        try:
            await self._enforce_keys()
        except BaseException:
            await self.database.stop()
            raise

    async def _enforce_keys(self) -> None:
        """As the tables are made: not counted among the pod's transactions."""
        await foreign_keys.enforce(SqlDatabase(self.driver, lambda _: None), self._strategy.foreign_keys)

    async def prepare(self) -> None:
        await self.database.make_schema()
        await self._enforce_keys()

    async def stop(self) -> None:
        await self.database.stop()

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
            await foreign_keys.enforce(self.database, wanted=True)
        self._strategy, self.promises = strategy, promises(f"{self.driver.engine}:{locking}")
        if not strategy.foreign_keys:
            await foreign_keys.enforce(self.database, wanted=False)

    async def settings(self) -> Mapping[str, str]:
        read = {name: str(setting) for name, setting in await self.database.read("settings")}
        return {"engine": self.driver.engine, "version": read.pop("version"), **read, "locking": self._strategy.name}

    async def _write(self, call: Call, job: Job[T]) -> T:
        return await self.database.write(call, job)

    async def _snapshot(self, call: Call, job: Job[T]) -> T:
        return await self.database.snapshot(call, job)

    async def _read(self, statement: str, *values: Any) -> Sequence[Row]:
        return await self.database.read(statement, *values)
