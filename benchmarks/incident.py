"""The outage of 2 July 2024, five times: do the pods that began it suffer first, do the others follow, does it end?

An argument names an existing study.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks._figures import show
from loadtests.records.rundirectory import RunDirectory, run_directories
from loadtests.records.tables import codes_of

SCENARIO: Final = "incident-2024-07-02"
ROUNDS: Final = 5
FIRST: Final = ["17", "18"]
LIMIT_S: Final = 360.0
WAITED_MS: Final = 300.0
"""The objective of Accept chat; accepts of 17 or 18 that take longer have waited."""


def study() -> tuple[Path, float]:
    """A study of that many rounds, and how long one of them takes, in seconds."""
    began = time.monotonic()
    argv = [str(Path(sys.executable).with_name("loadtests")), "run", SCENARIO, "--rounds", str(ROUNDS)]
    made = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    return Path(made.stdout.splitlines()[-1]), (time.monotonic() - began) / ROUNDS


def table(run: RunDirectory, name: str) -> pd.DataFrame:
    """A table with its codes as names."""
    parts = []
    for batch in run.batches(name):
        part = batch.to_pandas()
        for column, names in codes_of(batch.schema).items():
            part[column] = part[column].map(dict(enumerate(names)))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


class Replay:
    """One run of the incident. Times in seconds since the first stage began."""

    def __init__(self, run: RunDirectory) -> None:
        timeline = table(run, "timeline")
        stages = timeline[timeline.kind == "stage"].set_index("subject")
        self._begins_ns = int(stages.started_ns.min())
        self._stages = {name: (row.started_ns, row.ended_ns) for name, row in stages.iterrows()}
        rows = table(run, "operations")
        self._accepts = rows[(rows.operation == "chat.accept") & (rows.outcome != "refused")].copy()
        self._accepts["response_ms"] = (self._accepts.ended_ns - self._accepts.planned_ns) / 1e6
        self._connects = rows[rows.operation == "connection.create"]

    def p99_ms(self, stage: str, pods: list[str] | None = None) -> float:
        """Of accepts that were planned in the stage; missing ones count with the time that was waited."""
        begins, ends = self._stages[stage]
        of = self._accepts[self._accepts.planned_ns.between(begins, ends)]
        of = of if pods is None else of[of.pod.isin(pods)]
        return float(of.response_ms.quantile(0.99))

    def first_wait_s(self) -> float:
        """When an accept of 17 or 18 first took too long, after the first stage that is judged."""
        slow = self._accepts[self._accepts.pod.isin(FIRST) & (self._accepts.response_ms > WAITED_MS)]
        return self._first(slow[slow.planned_ns >= self._stages["dual-write"][0]].planned_ns)

    def first_failure_s(self) -> float:
        """When another pod first did not create a connection."""
        lost = self._connects[~self._connects.pod.isin(FIRST) & self._connects.outcome.isin(["fail", "unknown"])]
        return self._first(lost.planned_ns)

    def _first(self, moments_ns: "pd.Series[int]") -> float:
        return (float(moments_ns.min()) - self._begins_ns) / 1e9


def judge(number: int, replay: Replay) -> bool:
    before = replay.p99_ms("before", FIRST)
    bad = replay.p99_ms("dead-button", FIRST) / before
    after = replay.p99_ms("recovered") / replay.p99_ms("before")
    later_s = replay.first_failure_s() - replay.first_wait_s()
    return all(
        (
            show(f"{number}: accept p99 on 17 and 18, dead button / before", bad, "x", ">= 10", bad >= 10),
            show(f"{number}: others fail to connect after 17 and 18 wait", later_s, "s", "> 0", later_s > 0),
            show(f"{number}: accept p99 everywhere, recovered / before", after, "x", "<= 1.5", after <= 1.5),
        )
    )


def main() -> int:
    if len(sys.argv) > 1:
        made, each_s = Path(sys.argv[1]), 0.0
    else:
        made, each_s = study()
    reached = [judge(number, Replay(run)) for number, run in enumerate(run_directories(made), 1)]
    reached.append(show("one replay, from start to end", each_s, "s", f"< {LIMIT_S:g}", each_s < LIMIT_S))
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
