"""The live lines of the Locust master → what is known of the load. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any

from loadtests.scenario.plan import SUMMARY_FIELDS, WorkerSummary


@dataclass
class Worker(WorkerSummary):
    """A worker as last reported."""

    lost: bool = False
    left: str = ""
    """Why it ended its load before the run's end; empty when it did not."""
    node: str = ""
    """The host that it runs on, where that is known."""
    address: str = ""
    """That host's address as the master sees it, of a worker that was started apart."""
    drained: bool = False
    remote: dict[str, Any] | None = None
    """`worker`, `host`, `offset_ns`, `error_ns` as the manifest has them, of a worker on another host."""


@dataclass
class LoadState:
    """Everything that the live lines have reported so far; `take` receives one line after another."""

    workers: dict[str, Worker] = field(default_factory=dict)
    stages: list[dict[str, Any]] = field(default_factory=list)
    tick: dict[str, Any] = field(default_factory=dict)
    drained: bool = False
    stopped_ns: int | None = None
    """When the load was asked to end (ns since the origin)."""
    agents_missing: list[int] | None = None
    agents_extra: list[int] | None = None
    """By stage, at worst; None while the load has not ended."""
    master_error: str = ""

    def take(self, line: bytes) -> dict[str, Any] | None:
        """Returns the line's event; None when it is none that is known."""
        try:
            event = json.loads(line)
            known = getattr(self, f"_{event['event']}", None)
        except (ValueError, KeyError, TypeError):
            return None
        if known is None:
            return None
        known(event)
        return event  # type: ignore[no-any-return]

    def _stage(self, event: dict[str, Any]) -> None:
        self.stages.append(event)

    def _tick(self, event: dict[str, Any]) -> None:
        self.tick = event

    def _worker(self, event: dict[str, Any]) -> None:
        worker = self._known(event)
        worker.lost = worker.lost or event.get("state") == "lost"
        worker.left = worker.left or (event.get("cause") or "" if event.get("state") == "left" else "")
        worker.node = event.get("node") or worker.node
        worker.address = event.get("address") or worker.address
        if event.get("remote"):
            clock = {name: event.get(name) for name in ("offset_ns", "error_ns")}
            address = {"address": worker.address} if worker.address else {}
            worker.remote = {"worker": worker.worker, "host": event.get("node"), **address, **clock}

    def _refused(self, event: dict[str, Any]) -> None:
        """The master cannot begin the run; the line says why."""

    def _drained(self, event: dict[str, Any]) -> None:
        self.drained = True
        for name in ("stopped_ns", "agents_missing", "agents_extra"):
            setattr(self, name, event.get(name))
        self.master_error = event.get("error") or ""
        for reported in event.get("workers", []):
            worker = self._known(reported)
            # A worker that did not end in time has not reported how much was under way.
            worker.drained = not worker.lost and reported.get("in_flight") is not None

    def _known(self, reported: dict[str, Any]) -> Worker:
        worker = self.workers.setdefault(str(reported["worker"]), Worker(str(reported["worker"])))
        for name in SUMMARY_FIELDS:
            if reported.get(name) is not None:
                setattr(worker, name, reported[name])
        return worker

    @property
    def lost(self) -> list[Worker]:
        return [w for w in self.workers.values() if w.lost]

    @property
    def errors(self) -> list[str]:
        """What went wrong on the load's side; of lost workers, the loss is reported already."""
        found = [w.error for w in self.workers.values() if w.error and not w.lost]
        return [*found, *filter(None, [self.master_error])]
