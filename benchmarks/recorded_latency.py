"""Recorded latency against the delay that the server stamps, at half of what one generator process can do."""

import sys
from statistics import median
from typing import Any

from benchmarks._figures import measure, show, stand_in

HOLDS = ("1", "5", "50")
ROUNDS = 5
SECONDS = 2.0
PROBE_RATE = 2000


def half_capacity(url: str) -> float:
    """The rate at which a generator process is half busy, from what one arrival costs it."""
    probed = measure("_open_arrivals", url, PROBE_RATE, SECONDS, ",".join(HOLDS))
    return float(PROBE_RATE / probed["cpu_share"] / 2)


def show_hold(hold: str, rounds: list[dict[str, Any]]) -> bool:
    reached = []
    for percent in (50, 99):
        stamped = median(r["holds"][hold][f"stamped_p{percent}"] for r in rounds)
        recorded = median(r["holds"][hold][f"service_p{percent}"] for r in rounds)
        off, allowed = abs(recorded - stamped), max(0.3, stamped * 0.05)
        figure = f"recorded latency, p{percent} off from the server's stamp at {hold} ms"
        reached.append(show(figure, off, "ms", f"≤ {allowed:.2f}", off <= allowed))
        lag = median(r["holds"][hold][f"response_p{percent}"] for r in rounds) - recorded
        show(f"what its own lateness adds to the response, p{percent} at {hold} ms", lag, "ms", "-", True)
    return all(reached)


def main() -> int:
    with stand_in("--awake") as (url, _):
        rate = half_capacity(url)
        rounds = [measure("_open_arrivals", url, rate, SECONDS, ",".join(HOLDS)) for _ in range(ROUNDS)]
    show("arrivals at half of a generator process's capacity", rate, "/s", "-", True)
    reached = [show_hold(hold, rounds) for hold in HOLDS]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
