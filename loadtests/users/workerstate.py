"""What the master knows of a worker."""

import time
from dataclasses import dataclass, field
from typing import Any

DRAIN_S = 20.0
"""How long the master waits for every worker's rows; a worker's own graces end before."""

_SUMMARY = (
    "begun", "reserved", "written", "in_flight", "late_starts", "starts", "cpu_share", "stood_still_s",
    "unstamped_connections", "connection_failures", "error",
)  # fmt: skip


@dataclass
class WorkerState:
    """What a worker last told of itself."""

    worker: int
    client: str
    ready: dict[str, Any] | None = None
    told: dict[str, Any] = field(default_factory=dict)
    drained: bool = False
    lost: bool = False
    heard_at: float = field(default_factory=time.monotonic)
    """When it last said something (CLOCK_MONOTONIC, s)."""
    cut_at: float | None = None
    """When its connection was first seen to be gone, since it last said something."""

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
        told = {name: self.told.get(name) for name in _SUMMARY}
        if self.drained:
            return {"worker": self.worker, **told}
        what = "was lost" if self.lost else f"did not end within {DRAIN_S:g} s"
        return {"worker": self.worker, **told, "in_flight": None, "error": f"worker {self.worker} {what}"}
