"""The real observer, in a scratch run directory: what it reports of the holds is judged."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.calibration.contract import DSNS
from loadtests.calibration.truth import ReportedWait
from loadtests.environment import child_environment
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import codes_of

READY_WITHIN_S = 15.0
STOP_WITHIN_S = 5.0


class ObserverFailed(Exception):
    """The observer did not start, or did not end; the message says why."""


@dataclass
class Observed:
    """What an observer reports: its sources of lock waits by database when ready, its tables when it has ended."""

    directory: RunDirectory
    _starting: asyncio.Future[Mapping[str, Any]]
    sources: Mapping[str, Any] = field(default_factory=dict)
    until_ns: int = 0
    """When it was stopped: waits without an end lasted until then."""

    async def ready(self) -> None:
        """Waits for the ready line. Raises ObserverFailed."""
        self.sources = (await asyncio.shield(self._starting)).get("lock_sources", {})

    @property
    def longest_period_s(self) -> float:
        """Of the probes that sample lock waits."""
        return max((source["period_ns"] for source in self.sources.values()), default=0) / 1e9

    def rows(self, table: str, database: str) -> list[dict[str, Any]]:
        """The rows of one database, codes as names."""
        found = []
        for batch in self.directory.batches(table):
            codes = codes_of(batch.schema)
            rows = (row for row in batch.to_pylist() if row["database"] == database)
            found += [{k: codes[k][v] if k in codes else v for k, v in row.items()} for row in rows]
        return found

    def waits(self, database: str) -> list[ReportedWait]:
        return [_reported(row, self.until_ns) for row in self.rows("lock_waits", database)]


def _reported(row: Mapping[str, Any], until_ns: int) -> ReportedWait:
    ended_ns = until_ns if row["ended_ns"] is None else row["ended_ns"]
    return ReportedWait(
        session=row["waiter_session"],
        blocker=row["blocker_session"],
        root=row["root_session"],
        started_ns=row["started_ns"],
        ended_ns=ended_ns,
        known=row["known"],
        hits=row["hits"],
        outcome=row["outcome"],
    )


@asynccontextmanager
async def observing(
    databases: Mapping[str, tuple[str, str]], directory: Path, origin_ns: int
) -> AsyncIterator[Observed]:
    """Starts an observer of databases (name → engine and DSN); on exit it has written its tables.

    Raises ObserverFailed.
    """
    read_end, write_end = os.pipe()
    argv = [
        *("-m", "loadtests.probes", "--run-directory", str(directory), "--origin-ns", str(origin_ns)),
        *(part for name, (engine, _) in databases.items() for part in ("--database", f"{name}:{engine}")),
        *("--ready-fd", str(write_end)),
    ]
    environment = child_environment({DSNS: json.dumps({name: dsn for name, (_, dsn) in databases.items()})})
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *argv, env=environment, stdin=asyncio.subprocess.DEVNULL, pass_fds=[write_end]
        )
    finally:
        os.close(write_end)
    starting = asyncio.ensure_future(_ready_line(read_end))
    try:
        yield Observed(RunDirectory(directory), starting)
        await _end(process)
    finally:
        starting.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _ready_line(descriptor: int) -> Mapping[str, Any]:
    """A failing observer writes its message to our standard error."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            line = await reader.readline()
    except TimeoutError:
        raise ObserverFailed(f"the observer was not ready within {READY_WITHIN_S:g} s") from None
    finally:
        transport.close()
    if not line:
        raise ObserverFailed("the observer ended before it was ready")
    ready: Mapping[str, Any] = json.loads(line)
    return ready


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        raise ObserverFailed(f"the observer ended by itself, with exit code {process.returncode}")
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            code = await process.wait()
    except TimeoutError:
        raise ObserverFailed(f"the observer did not end within {STOP_WITHIN_S:g} s") from None
    if code:
        raise ObserverFailed(f"the observer ended with exit code {code}")
