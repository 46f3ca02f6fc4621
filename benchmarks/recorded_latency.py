"""Recorded latency against the delay that the server stamps, at half the generator's capacity.

Capacity is what one generator process and the server sustain here, closed loop: every operation recorded, live
statistics fed, each connection asking again as soon as it is answered, the server answering at once. The load is open,
at half of that, its moments spread evenly. Compared are the percentiles of the rows' service time, from start to end,
with those of the stamps of the same operations: for how long the server really held each, from reading the request to
writing the reply.

Beside every round runs a control at the same rate: a bare gevent socket with the clock around it. What it is off by is
the kernel's, the loop's and this machine's other work; it has no part in the verdict. Server and generator have a core
each where there are two.
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


def a_core_each(server: int) -> None:
    """The server's process on one core, this one and those that it starts from now on on the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        os.sched_setaffinity(server, {first})
        os.sched_setaffinity(0, others)


def capacity(url: str) -> float:
    """Recorded round trips a second, closed loop."""
    return float(median(measure("_client_loops", "ours", url, SECONDS)["trips"] / SECONDS for _ in range(3)))


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
        rate = capacity(url) / 2
        ways: dict[str, list[dict[str, Any]]] = {"rows": [], "bare": []}
        for _ in range(ROUNDS):
            for way, rounds in ways.items():
                rounds.append(measure("_open_arrivals", url, rate, SECONDS, ",".join(HOLDS), way))
    show("arrivals at half of what generator and server sustain", rate, "/s", "-", True)
    busy = median(r["cpu_share"] for r in ways["rows"])
    show("  the generator's share of a core at that rate", busy, "of 1", "-", True)
    waited = median(r["waited_share"] for r in ways["rows"])
    show("  share of the time that it was ready and other work had its core", waited, "of 1", "-", True)
    show("  load average of this machine, server and generator included", os.getloadavg()[0], "", "-", True)
    reached = [show_percentile(hold, percent, ways) for hold in HOLDS for percent in PERCENTS]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
