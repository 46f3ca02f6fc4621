"""What watching a PostgreSQL costs: the observer's processor time, and the transactions that the database makes less.

The processor time is of the observer's own process at a steady rate of transactions, some of which wait for others.
Throughput is of as many transactions as there can be, in pairs of stretches with and without the observer, in changing
order; the interval is of the mean of their ratios (95 %, Student).
"""

import os
import sys
import tempfile
from pathlib import Path
from statistics import fmean, stdev

import psutil
from scipy.stats import t

from benchmarks._figures import measure, show
from benchmarks._observer import observing
from loadtests.servers.contract import Server
from loadtests.servers.registry import create_server

RATE = 1000
STEADY_S = 20
PAIRS = 12
STRETCH_S = 3


def cpu_s(pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def steady(server: Server) -> bool:
    with observing("postgres", server.dsn) as (pid, _):
        before_s = cpu_s(pid)
        done = measure("_transactions", STEADY_S, RATE)
        share = (cpu_s(pid) - before_s) / done["seconds"]
    rate = done["transactions"] / done["seconds"]
    show("transactions while the observer's processor time was measured", rate, "1/s", f"{RATE}", rate > 0.95 * RATE)
    return show("the observer's processor time", share, "cores", "≤ 0.02", share <= 0.02)


def throughput(server: Server, observed: bool) -> float:
    if observed:
        with observing("postgres", server.dsn):
            return throughput(server, observed=False)
    done = measure("_transactions", STRETCH_S, 0)
    return float(done["transactions"] / done["seconds"])


def paired(server: Server) -> bool:
    throughput(server, observed=False)  # the first stretch warms everything up
    ratios = []
    for pair in range(PAIRS):
        found = {observed: throughput(server, observed) for observed in (pair % 2 == 0, pair % 2 == 1)}
        ratios.append(found[True] / found[False])
    mean, half = fmean(ratios), stdev(ratios) / PAIRS**0.5 * float(t.ppf(0.975, PAIRS - 1))
    told = f"throughput with the observer, of that without ({mean - half:.3f} … {mean + half:.3f})"
    return show(told, mean, "x", "-", True)


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        with create_server("postgres", Path(directory) / "server") as server:
            os.environ["LOADTESTS_DSN"] = server.pod_dsn
            reached = [steady(server), paired(server)]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
