"""What the master knows of a worker."""

import os
from dataclasses import dataclass, field
from typing import Any

import psutil

DRAIN_S = 20.0
"""How long the master waits for every worker's rows; a worker's own graces end before."""


@dataclass
class WorkerState:
    """What a worker last told of itself."""

    worker: int
    client: str
    ready: dict[str, Any] | None = None
    told: dict[str, Any] = field(default_factory=dict)
    drained: bool = False
    lost: bool = False
    died_at: float | None = None
    """When its process was first seen to be dead (CLOCK_MONOTONIC, s)."""

    @property
    def process_died(self) -> bool:
        """Whether it was forked by this process, and its process has ended; of others only Locust can tell."""
        parent, pid = (self.ready or {}).get("process", (0, 0))
        if parent != os.getpid():
            return False
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    @property
    def reserved(self) -> int:
        """It gave out numbers of operations below this only."""
        told = self.told or self.ready or {}
        return int(told.get("reserved", 0))

    @property
    def gone(self) -> bool:
        return self.drained or self.lost

    def summary(self) -> dict[str, Any]:
        """The worker's part of the `drained` line."""
        names = ("begun", "reserved", "written", "in_flight", "late_starts", "starts", "cpu_share", "error")
        told = {name: self.told.get(name) for name in names}
        if self.drained:
            return {"worker": self.worker, **told}
        what = "was lost" if self.lost else f"did not end within {DRAIN_S:g} s"
        return {"worker": self.worker, **told, "in_flight": None, "error": f"worker {self.worker} {what}"}
