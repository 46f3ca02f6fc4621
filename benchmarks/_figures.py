"""Shared by the benchmarks of the load generator: figures as JSON lines, and the server that they load."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def show(figure: str, value: float, unit: str, bar: str, ok: bool) -> bool:
    """Print a measured figure with its limit as a line of JSON; return whether it is within the limit."""
    print(json.dumps({"figure": figure, "value": round(value, 3), "unit": unit, "bar": bar, "ok": ok}), flush=True)
    return ok


@contextmanager
def stand_in(*options: str) -> Iterator[tuple[str, int]]:
    """The stand-in server's URL and process id."""
    command = [sys.executable, "-m", "benchmarks._stand_in", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield f"ws://127.0.0.1:{int(server.stdout.readline())}/", server.pid
        finally:
            server.stdin.close()


def measure(module: str, *arguments: object) -> dict[str, Any]:
    """Run a part of a benchmark in a process of its own; return the measurement in its last line."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def allow_descriptors(count: int) -> None:
    """Raise the limit of open files of this process and its children to at least `count`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))
