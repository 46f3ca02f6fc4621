"""SQLite's write lock, held by a second connection, and what the pod's own storage says of its waits for it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from loadtests.calibration.holding import Ready
from loadtests.calibration.matching import Told
from loadtests.calibration.plan import Hold
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.calibration.truth import Ask, Done
from loadtests.pod.storage.contract import Call, StorageConflict, Transaction
from loadtests.pod.storage.sqlite.driver import Database, Session

_QUIET_READINGS = 15
_HOLDER = 0
_OUTCOMES = {"lock_timeout": "timed_out", "committed": "acquired"}
"""A transaction's outcome → how its wait ended."""


class SqliteHolds:
    """A scratch file of the storage's own making. Its waits are told apart by their calls' keys, which are numbers."""

    def __init__(self, directory: Path, clock: Timekeeper) -> None:
        self._path, self._clock = directory / "calibration.sqlite", clock
        self._origin_ns = time.monotonic_ns() - clock.now_ns()
        self._transactions: list[Transaction] = []
        self._keys = count(_HOLDER + 1)
        self._database = Database(str(self._path), self._transactions.append)

    async def make(self, holds: Sequence[Hold], ready: Ready) -> list[Done]:
        """One hold after another: there is one write lock. Leaves no file behind."""
        try:
            await self._database.start()
            readings = [await self._write(_HOLDER, "calibration.quiet") for _ in range(_QUIET_READINGS)]
            quiet_ns = self._clock.quiet_ns([got - asked for asked, got, _ in readings])
            await ready()
            self._transactions.clear()
            with ThreadPoolExecutor(1) as thread:
                holder = Holder(thread, self._path)
                async with self._clock.beating():
                    done = [await self._make(holder, hold, quiet_ns) for hold in holds]
                await holder.close()
            return done
        finally:
            await self._database.stop()
            for file in self._path.parent.glob(f"{self._path.name}*"):
                file.unlink()

    async def _make(self, holder: "Holder", hold: Hold, quiet_ns: int) -> Done:
        keys = [next(self._keys) for _ in range(hold.waiters)]
        await holder.run("BEGIN IMMEDIATE")
        writes = [asyncio.create_task(self._write(key, hold.name)) for key in keys]
        await asyncio.sleep(hold.seconds)
        await holder.run("ROLLBACK")
        told = [await write for write in writes]
        asks = [Ask(place, asked, got, quiet_ns, outcome) for place, (asked, got, outcome) in enumerate(told, 1)]
        return Done(hold, [_HOLDER, *keys], asks)

    async def _write(self, key: int, name: str) -> tuple[int, int, str]:
        """When a transaction was asked for, when it had the lock in hand (or no longer waited), and how that ended."""
        asked_ns = self._clock.now_ns()
        try:
            got_ns = await self._database.write(Call(name, str(key), ""), self._begun)
        except StorageConflict:
            return asked_ns, self._clock.now_ns(), "timed_out"
        return asked_ns, got_ns, "acquired"

    def _begun(self, _session: Session) -> int:
        return self._clock.now_ns()

    def told(self) -> list[Told]:
        """What the storage recorded of the waits."""
        return [self._told(transaction) for transaction in self._transactions]

    def _told(self, t: Transaction) -> Told:
        asked_ns = t.begun_ns if t.waiting_ns is None else t.waiting_ns
        times = (asked_ns - self._origin_ns, t.begun_ns - self._origin_ns)
        return Told(int(t.call.key), None, None, *times, "pod", outcome=_OUTCOMES.get(t.outcome, "unknown"))


class Holder:
    """A connection of somebody else's to the same file, on a thread of its own."""

    def __init__(self, thread: ThreadPoolExecutor, path: Path) -> None:
        self._thread, self._path = thread, path
        self._connection: Any = None

    async def run(self, statement: str) -> None:
        await self._in_thread(lambda: self._run(statement))

    def _run(self, statement: str) -> None:
        if self._connection is None:
            self._connection = apsw.Connection(str(self._path))
            self._connection.set_busy_timeout(1000)
        self._connection.execute(statement)

    async def close(self) -> None:
        if self._connection is not None:
            await self._in_thread(self._connection.close)

    async def _in_thread(self, job: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, job)
