"""Recorded latency against the delay that the server stamps, at half the generator's capacity.

Half its capacity is the rate of open arrivals at which the generator's process, every operation recorded and live
statistics fed, uses half of a core. A closed loop would put it far higher: many replies share one turn of its loop, and
an open load at half of that leaves it no rest. Arrivals are spread evenly. Compared are the percentiles of the rows'
service time, from start to end, with those of the stamps of the same operations: for how long the server really held
each, from reading the request to writing the reply.

Beside every round runs a control at the same rate: a bare gevent socket with the clock around it. What it is off by is
what reading late costs, which the rows are spared by the kernel's stamps; it has no part in the verdict. Server and
generator have a core each where there are two.
"""

import os
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks._figures import measure, show, stand_in

HOLDS = ("1", "5", "50")
ROUNDS = 5
SECONDS = 2.0
PERCENTS = (50, 99)
PROBE_RATE = 4000.0


def a_core_each(server: int) -> None:
    """Pin the server's process to one core, this process and its future children to the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        os.sched_setaffinity(server, {first})
        os.sched_setaffinity(0, others)


def half_capacity(url: str) -> float:
    """Arrivals per second that keep the generator busy for half of the time: estimated from their cost at a low rate,
    then from their cost at the estimated rate."""
    rate = PROBE_RATE
    for _ in range(2):
        busy = median(measure("_open_arrivals", url, rate, SECONDS, ",".join(HOLDS))["cpu_share"] for _ in range(3))
        rate *= 0.5 / busy
    return rate


def off(round_: dict[str, Any], hold: str, percent: int, recorded: str = "service") -> float:
    """Recorded minus stamped, in ms."""
    found = round_["holds"][hold]
    return float(found[f"{recorded}_p{percent}"] - found[f"stamped_p{percent}"])


def show_percentile(hold: str, percent: int, ways: dict[str, list[dict[str, Any]]]) -> bool:
    def over_rounds(figure: Callable[[dict[str, Any]], float], way: str = "rows") -> float:
        return float(median(figure(r) for r in ways[way]))

    stamped = over_rounds(lambda r: float(r["holds"][hold][f"stamped_p{percent}"]))
    missed = over_rounds(lambda r: abs(off(r, hold, percent)))
    control = over_rounds(lambda r: abs(off(r, hold, percent)), "bare")
    response = over_rounds(lambda r: off(r, hold, percent, "response"))
    allowed = max(0.3, stamped * 0.05)
    at = f"p{percent} at {hold} ms"
    reached = show(f"recorded latency off from the stamp, {at}", missed, "ms", f"≤ {allowed:.2f}", missed <= allowed)
    show(f"  a bare gevent loop's, {at}", control, "ms", "-", True)
    show(f"  the response's, its own late starts included, {at}", response, "ms", "-", True)
    return reached


def main() -> int:
    with stand_in("--awake") as (url, server):
        a_core_each(server)
        rate = half_capacity(url)
        ways: dict[str, list[dict[str, Any]]] = {"rows": [], "bare": []}
        for _ in range(ROUNDS):
            for way, rounds in ways.items():
                rounds.append(measure("_open_arrivals", url, rate, SECONDS, ",".join(HOLDS), way))
    show("arrivals that keep the generator busy half of the time", rate, "/s", "-", True)
    busy = median(r["cpu_share"] for r in ways["rows"])
    show("  the generator's share of a core at that rate", busy, "of 1", "-", True)
    waited = median(r["waited_share"] for r in ways["rows"])
    show("  share of the time that it was ready and other work had its core", waited, "of 1", "-", True)
    show("  load average of this machine, server and generator included", os.getloadavg()[0], "", "-", True)
    reached = [show_percentile(hold, percent, ways) for hold in HOLDS for percent in PERCENTS]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
