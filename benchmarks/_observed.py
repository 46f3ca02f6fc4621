"""The observer as a process beside a database, to benchmark its cost and its coverage."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from loadtests.records.rundirectory import RunDirectory


class Observed:
    """A running observer: its run directory, its clock and its processor time."""

    def __init__(self, directory: Path, origin_ns: int, process: subprocess.Popen[bytes]) -> None:
        self.directory, self._origin_ns, self._process = RunDirectory(directory), origin_ns, process

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._origin_ns

    def cpu_s(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [row for batch in self.directory.batches(table) for row in batch.to_pylist()]

    def stop(self) -> None:
        """Stop it; its tables are complete afterwards."""
        self._process.terminate()
        self._process.wait(20)


@contextmanager
def observed(directory: Path, dsn: str) -> Iterator[Observed]:
    """Observe the PostgreSQL database at that address, named postgres."""
    directory.mkdir()
    read_end, write_end = os.pipe()
    origin_ns = time.monotonic_ns()
    command = [sys.executable, "-m", "loadtests.probes", "--database", "postgres:postgres"]
    command += ["--run-directory", str(directory), "--origin-ns", str(origin_ns), "--ready-fd", str(write_end)]
    environment = {**os.environ, "LOADTESTS_DSNS": json.dumps({"postgres": dsn})}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, pass_fds=[write_end]) as process:
        os.close(write_end)
        try:
            with os.fdopen(read_end) as ready:
                json.loads(ready.readline())
            yield Observed(directory, origin_ns, process)
        finally:
            process.terminate()
            process.wait(20)
