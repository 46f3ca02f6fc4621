"""Memory of an open, subscribed, idle agent connection in the generator, its Locust user included."""

import sys
from statistics import median

from benchmarks._figures import allow_descriptors, measure, show, stand_in

AGENTS = 5000
ROUNDS = 3


def main() -> int:
    allow_descriptors(AGENTS + 1000)
    with stand_in() as (url, _):
        kilobytes = median(measure("_idle_agents", url, AGENTS)["bytes"] / 1000 for _ in range(ROUNDS))
    reached = show(
        f"memory per idle agent connection at {AGENTS:,}, Locust user included",
        kilobytes,
        "KB",
        "≤ 20",
        kilobytes <= 20,
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
