"""The observer beside a database, for benchmarks: a process of its own, its tables in a directory that goes away."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.records.rundirectory import RunDirectory


@contextmanager
def observing(engine: str, dsn: str) -> Iterator[tuple[int, RunDirectory]]:
    """The observer's process id, and where it writes; CLOCK_MONOTONIC is its clock."""
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "loadtests.probes", "--database", engine, "--run-directory", directory]
        environment = {**os.environ, "LOADTESTS_DSNS": json.dumps({engine: dsn})}
        with subprocess.Popen(
            [*command, "--origin-ns", "0", "--ready-fd", str(writing)],
            env=environment,
            pass_fds=[writing],
            stdin=subprocess.DEVNULL,
        ) as observer:
            os.close(writing)
            try:
                with os.fdopen(reading) as ready:
                    if not ready.readline():
                        raise RuntimeError("the observer did not come up")
                yield observer.pid, RunDirectory(Path(directory))
            finally:
                observer.terminate()


def now_ns() -> int:
    """On the observer's clock."""
    return time.monotonic_ns()
