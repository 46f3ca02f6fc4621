"""Processor time of one recorded JSON round trip in a Locust user, against a bare loop and a stock Locust user."""

import sys
from statistics import median

from benchmarks._figures import measure, show, stand_in

ROUNDS = 5
SECONDS = 1.0


def main() -> int:
    took: dict[str, list[float]] = {"bare": [], "ours": [], "jsonrpc": [], "stock": []}
    with stand_in() as (url, _):
        for _ in range(ROUNDS):
            for way, figures in took.items():
                figures.append(measure("_client_loops", way, url, SECONDS)["us"])
    us = {way: median(figures) for way, figures in took.items()}
    to_bare, to_stock, to_ours = us["ours"] / us["bare"], us["ours"] / us["stock"], us["jsonrpc"] / us["ours"]
    show("CPU per round trip, bare loop over a gevent socket", us["bare"], "µs", "-", True)
    show("CPU per recorded round trip in a Locust user", us["ours"], "µs", "-", True)
    show("the same with the protocol jsonrpc", us["jsonrpc"], "µs", "-", True)
    show("CPU per round trip, stock Locust user on websocket-client", us["stock"], "µs", "-", True)
    reached = [
        show("CPU per recorded round trip against the bare loop", to_bare, "x", "≤ 1.25", to_bare <= 1.25),
        show("CPU per recorded round trip against the stock Locust user", to_stock, "x", "≤ 0.4", to_stock <= 0.4),
        show("CPU per recorded round trip, jsonrpc against messaging-pod.v1", to_ours, "x", "≤ 1.25", to_ours <= 1.25),
    ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
