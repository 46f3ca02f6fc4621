"""A running observer, for tests of what it sees."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.records.rundirectory import RunDirectory


@dataclass
class Observer:
    """A running observer and the run directory that it writes."""

    directory: RunDirectory
    origin_ns: int
    process: subprocess.Popen[bytes]
    ready: dict[str, Any] = field(default_factory=dict)

    def now_ns(self) -> int:
        return time.monotonic_ns() - self.origin_ns

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [row for batch in self.directory.batches(table) for row in batch.to_pylist()]

    def ticks(self, probe: str) -> list[dict[str, Any]]:
        return [t for t in self.rows("ticks") if t["probe"] == probe]

    def until_tick(
        self, true: Callable[[dict[str, Any]], bool], within_s: float = 30, probe: str = "postgres"
    ) -> dict[str, Any]:
        """Waits for a tick of the probe that begins after now and is as asked for."""
        after, end = self.now_ns(), time.monotonic() + within_s
        while time.monotonic() < end:
            for tick in self.ticks(probe):
                if tick["started_ns"] > after and true(tick):
                    return tick
            time.sleep(0.05)
        raise AssertionError(f"no such tick; the last ones: {self.ticks(probe)[-3:]}")

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0


@contextmanager
def observing(path: Path, databases: dict[str, str], *watches: str) -> Iterator[Observer]:
    """Beside these databases: `NAME:ENGINE` → DSN."""
    read_end, write_end = os.pipe()
    origin_ns = time.monotonic_ns()
    argv = [sys.executable, "-m", "loadtests.probes", "--run-directory", str(path)]
    argv += [part for database in databases for part in ("--database", database)]
    argv += ["--origin-ns", str(origin_ns), "--ready-fd", str(write_end)]
    argv += [part for watch in watches for part in ("--watch", watch)]
    environment = {**os.environ, "LOADTESTS_DSNS": json.dumps({d.split(":")[0]: dsn for d, dsn in databases.items()})}
    process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, pass_fds=[write_end])
    os.close(write_end)
    observer = Observer(RunDirectory(path), origin_ns, process)
    try:
        with os.fdopen(read_end) as ready:
            observer.ready = json.loads(ready.readline())
        yield observer
    finally:
        process.kill()
        process.wait()
        assert process.stdin
        process.stdin.close()
