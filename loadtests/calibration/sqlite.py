"""SQLite's write lock, held by a second connection, and the waits for it as the pod's storage times them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

from loadtests.calibration.contract import EngineCalibration, HoldContext, Tolerances, Work
from loadtests.calibration.plan import PlannedHold, S
from loadtests.calibration.sessionholds import Ready
from loadtests.calibration.timekeeping import Timekeeper
from loadtests.calibration.truth import CompletedHold, LockRequest, ReportedWait
from loadtests.drivers.sqlite import connect
from loadtests.pod.storage.contract import Call, StorageConflict, Transaction
from loadtests.pod.storage.sqlite.driver import SqliteDatabase

_QUIET_READINGS = 15
_HOLDER = 0
_OUTCOMES = {"lock_timeout": "timed_out", "committed": "acquired"}
"""A transaction's outcome → how its wait ended."""


class SqliteHolds:
    """A scratch file made by the pod's storage. Its waits are identified by their calls' keys, which are numbers."""

    def __init__(self, directory: Path, clock: Timekeeper) -> None:
        self._path, self._clock = directory / "calibration.sqlite", clock
        self._origin_ns = time.monotonic_ns() - clock.now_ns()
        self._transactions: list[Transaction] = []
        self._keys = count(_HOLDER + 1)
        self._database = SqliteDatabase(str(self._path), self._transactions.append)

    async def make(self, holds: Sequence[PlannedHold], ready: Ready) -> list[CompletedHold]:
        """One hold after another: there is one write lock. Leaves no file behind."""
        try:
            await self._database.start()
            readings = [await self._write(_HOLDER, "calibration.quiet") for _ in range(_QUIET_READINGS)]
            quiet_ns = self._clock.quiet_ns([got - asked for asked, got, _ in readings])
            await ready()
            self._transactions.clear()
            with ThreadPoolExecutor(1) as thread:
                holder = SqliteLockHolder(thread, self._path)
                async with self._clock.beating():
                    done = [await self._make(holder, hold, quiet_ns) for hold in holds]
                await holder.close()
            return done
        finally:
            await self._database.stop()
            for file in self._path.parent.glob(f"{self._path.name}*"):
                file.unlink()

    async def _make(self, holder: "SqliteLockHolder", hold: PlannedHold, quiet_ns: int) -> CompletedHold:
        keys = [next(self._keys) for _ in range(hold.waiters)]
        await holder.run("BEGIN IMMEDIATE")
        writes = [asyncio.create_task(self._write(key, hold.name)) for key in keys]
        await asyncio.sleep(hold.seconds)
        await holder.run("ROLLBACK")
        results = [await write for write in writes]
        asks = [
            LockRequest(position, asked, got, quiet_ns, outcome)
            for position, (asked, got, outcome) in enumerate(results, 1)
        ]
        return CompletedHold(hold, [_HOLDER, *keys], asks)

    async def _write(self, key: int, name: str) -> tuple[int, int, str]:
        """When a transaction was requested, when it got the lock or stopped waiting, and how the wait ended."""
        asked_ns = self._clock.now_ns()
        try:
            got_ns = await self._database.write(Call(name, str(key), ""), lambda _session: self._clock.now_ns())
        except StorageConflict:
            return asked_ns, self._clock.now_ns(), "timed_out"
        return asked_ns, got_ns, "acquired"

    def reported(self) -> list[ReportedWait]:
        """The waits that the storage recorded."""
        return [self._reported(transaction) for transaction in self._transactions]

    def _reported(self, t: Transaction) -> ReportedWait:
        asked_ns = t.begun_ns if t.waiting_ns is None else t.waiting_ns
        times = (asked_ns - self._origin_ns, t.begun_ns - self._origin_ns)
        return ReportedWait(int(t.call.key), None, None, *times, "pod", outcome=_OUTCOMES.get(t.outcome, "unknown"))


class SqliteLockHolder:
    """A second connection to the same file, on its own thread."""

    def __init__(self, thread: ThreadPoolExecutor, path: Path) -> None:
        self._thread, self._path = thread, path
        self._connection: Any = None

    async def run(self, statement: str) -> None:
        await self._in_thread(lambda: self._run(statement))

    def _run(self, statement: str) -> None:
        if self._connection is None:
            self._connection = connect(str(self._path), 1.0)
        self._connection.execute(statement)

    async def close(self) -> None:
        if self._connection is not None:
            await self._in_thread(self._connection.close)

    async def _in_thread(self, job: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, job)


async def _hold(context: HoldContext, holds: Sequence[PlannedHold]) -> Work:
    own = SqliteHolds(context.scratch, context.clock)
    return await own.make(holds, context.ready), own.reported()


CALIBRATION = EngineCalibration(
    plans={
        "short": (
            S(1, "write lock", 0.15, 3),
            S(1, "write lock", 0.1, 2),
            S(3, "write lock", 0.02),
            S(2, "write lock", 0.005),
        ),
        "full": (
            S(1, "write lock", 4.5, ending="timed_out"),
            S(1, "write lock", 2.0, 2),
            S(3, "write lock", 0.5, 3),
            S(20, "write lock", 0.1, 3),
            S(20, "write lock", 0.02, 2),
            *(S(15, "write lock", seconds) for seconds in (0.0005, 0.002, 0.005)),
        ),
    },
    hold=_hold,
    tolerances={"pod": Tolerances(from_ms=1, found=0.995, total=0.02, error_ms=5, blocker=None, root=None)},
)
