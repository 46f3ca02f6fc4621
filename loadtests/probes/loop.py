"""The one loop that every probe runs in: ticks at fixed times, a deadline for each, and a row about each; and the
observer's tables, which are opened before anything is observed and written in small batches."""

import asyncio
import contextlib
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from loadtests.probes.contract import BlindError, Clock, Probe, Rows
from loadtests.records.rundirectory import RunDirectory
from loadtests.sanitize import sanitize

_LONGEST_CELL = 2000

TABLES = ("lock_waits", "sessions", "counters", "resources", "host", "ticks")


class TableRecorder:
    """Keeps rows until `flush`. Raises FileExistsError or OSError when a table cannot be made or written."""

    def __init__(self, directory: RunDirectory) -> None:
        self._writers = {name: directory.create_table(name) for name in TABLES}
        self._rows: dict[str, list[Sequence[Any]]] = defaultdict(list)

    def add(self, rows: Rows) -> int:
        """Returns how many rows these were."""
        for table, of_table in rows.items():
            self._rows[table] += map(_clean, of_table)
        return sum(len(of_table) for of_table in rows.values())

    def flush(self) -> None:
        pending, self._rows = self._rows, defaultdict(list)
        for table, rows in pending.items():
            self._writers[table].write(rows)

    def close(self) -> None:
        """Writes what is left and ends every table."""
        try:
            self.flush()
        finally:
            for writer in self._writers.values():
                writer.close()


def _clean(row: Sequence[Any]) -> Sequence[Any]:
    """The row; names and statements of other clients of a server may hold control characters."""
    if any(isinstance(cell, str) and not cell.isprintable() for cell in row):
        return [sanitize(cell, _LONGEST_CELL) if isinstance(cell, str) else cell for cell in row]
    return row


FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 1.0
_LONGEST_ERROR = 200


class Watch:
    """A probe, open or not, and when to try it again."""

    def __init__(self, probe: Probe, clock: Clock) -> None:
        self.probe = probe
        self._clock = clock
        self._open = False
        self._why = "not opened yet"
        self._backoff_s = FIRST_BACKOFF_S
        self._again_ns = 0

    async def open(self) -> None:
        """Raises what the probe's `open` raises."""
        try:
            await self.probe.open()
        except BaseException as error:
            await self._failed(error)
            raise
        self._open, self._backoff_s = True, FIRST_BACKOFF_S

    async def tick(self) -> tuple[Rows, str | None]:
        """What one tick brought, or why it saw nothing."""
        try:
            if not self._open:
                await self._reopen()
            async with asyncio.timeout(self.probe.deadline_s):
                return await self.probe.sample(), None
        except BlindError as error:
            return {}, sanitize(str(error), _LONGEST_ERROR)
        except Exception as error:  # the tick records it and the next one tries again
            await self._failed(error)
            return {}, self._why

    async def close(self) -> None:
        self._open = False
        await self.probe.close()

    async def _reopen(self) -> None:
        if self._clock() < self._again_ns:
            raise BlindError(self._why)
        await self.open()

    async def _failed(self, error: BaseException) -> None:
        self._why = _words(error, self.probe.deadline_s)
        self._again_ns = self._clock() + int(self._backoff_s * 1e9)
        self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
        await self.close()


def _words(error: BaseException, deadline_s: float) -> str:
    text = str(error).strip() or (f"no answer within {deadline_s:g} s" if isinstance(error, TimeoutError) else "")
    return sanitize(f"{type(error).__name__}: {text}".splitlines()[0], _LONGEST_ERROR)


async def run(watch: Watch, clock: Clock, recorder: TableRecorder, stop: asyncio.Event) -> None:
    """Ticks until `stop`. A tick that is due while the one before it lasts is left out: the gap shows."""
    name, period_ns = watch.probe.name, int(watch.probe.period_s * 1e9)
    planned_ns = clock()
    while not stop.is_set():
        started_ns = clock()
        rows, error = await watch.tick()
        number = recorder.add(rows)
        recorder.add({"ticks": [(name, planned_ns, started_ns, clock(), number, error, period_ns)]})
        planned_ns += period_ns * max(1, math.ceil((clock() - planned_ns) / period_ns))
        with contextlib.suppress(TimeoutError):  # `wait_for` would make a task of every pause
            async with asyncio.timeout(max(planned_ns - clock(), 0) / 1e9):
                await stop.wait()
    await watch.close()
    recorder.add(watch.probe.rest())
