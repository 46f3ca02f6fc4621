"""A server that is suspended for a second under open arrivals: the records must show the computed number of slow
operations. A request in the first half of that second waits for more than 500 ms.
"""

import json
import os
import signal
import subprocess
import sys
import time
from statistics import median

from benchmarks._figures import show, stand_in

ROUNDS = 3
RATE = 1000
SECONDS = 4.0
FROZEN_S = 1.0
SLOW_S = 0.5


def freeze(pid: int, seconds: float) -> float:
    """Stop and continue a process; return the actual time that it was stopped."""
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
    return time.monotonic() - began


def recorded_against_expected(url: str, pid: int) -> float:
    """The recorded share of slow operations as a multiple of the computed one."""
    command = [sys.executable, "-m", "benchmarks._open_arrivals", url, str(RATE), str(SECONDS), "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout is not None
        load.stdout.readline()
        time.sleep(SECONDS / 3)
        frozen_s = freeze(pid, FROZEN_S)
        measured = json.loads(load.stdout.readline())
    return float(measured["slow"]) / ((frozen_s - SLOW_S) / SECONDS)


def main() -> int:
    with stand_in() as (url, pid):
        ratio = median(recorded_against_expected(url, pid) for _ in range(ROUNDS))
    off = abs(ratio - 1) * 100
    reached = show(
        "server frozen for 1 s: recorded share over 500 ms, off from arithmetic", off, "%", "≤ 10", off <= 10
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
