# mypy: disable-error-code="no-untyped-call"
"""What the master knows of a worker, and whether it is still there.

Silence does not show that it is gone: one that gets no processor is silent, too.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq
from locust import runners
from locust.rpc import Message
from locust.runners import STATE_MISSING, MasterRunner

from loadtests.generator import runmessages
from loadtests.generator.live import Counts
from loadtests.generator.prepared import CannotRunError
from loadtests.joining import TOKEN_SECRET, is_same
from loadtests.records.vocabulary import OPERATIONS
from loadtests.scenario.plan import SUMMARY_FIELDS

PREPARE_S = 30.0
"""How long workers may take to connect and to prepare."""

DRAIN_S = 20.0
"""How long the master waits for every worker's rows; a worker's own graces end before."""

MOST_REPORTS_PER_S = 100
"""A worker reports four times a second, and some more when it gives out numbers quickly."""

LOST_AFTER_S = 30
"""A worker whose host or network has vanished, so that nothing closed its connection, is lost after so much silence."""

_SILENT_S = 0.4
"""Workers report four times a second."""

_CUT_S = 0.4
"""A worker without a connection for so long is lost: its last messages have arrived, and it has not reconnected."""


class Budget:
    """Refills steadily up to `burst`."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._left, self._at = burst, clock()

    def take(self) -> bool:
        """Takes one; False when none is left."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass
class WorkerState:
    """What a worker has reported."""

    worker: int
    client: str
    ready: dict[str, Any] | None = None
    last_report: dict[str, Any] = field(default_factory=dict)
    drained: bool = False
    lost: bool = False
    left: bool = False
    """Whether it has ended its load before it was asked to."""
    received_at: float = field(default_factory=time.monotonic)
    """When its last message was received (CLOCK_MONOTONIC, s)."""
    cut_at: float | None = None
    """When its connection was first seen to be gone, since its last message."""

    budget: Budget = field(default_factory=lambda: Budget(MOST_REPORTS_PER_S, 2 * MOST_REPORTS_PER_S))
    """Of its reports: each one makes a line for the conductor."""

    @property
    def reserved(self) -> int:
        """It gave out numbers of operations below this only."""
        report = self.last_report or self.ready or {}
        return int(report.get("reserved", 0))

    def progress(self) -> dict[str, int]:
        report = self.last_report
        return {"begun": report.get("begun", 0), "reserved": self.reserved, "written": report.get("written", 0)}

    @property
    def node(self) -> str:
        """The host that it runs on, at first by the name that Locust gave the worker."""
        return str((self.ready or {}).get("node") or self.client.rpartition("_")[0])

    @property
    def address(self) -> str:
        """That host's address, of a worker that was started apart; else empty."""
        return str((self.ready or {}).get("address") or "")

    @property
    def name(self) -> str:
        """`worker 2 on host-b (10.0.0.2)`."""
        where = f"{self.node} ({self.address})" if self.address else self.node
        return f"worker {self.worker} on {where}" if where else f"worker {self.worker}"

    @property
    def gone(self) -> bool:
        return self.drained or self.lost

    def is_missing(self, runner: MasterRunner) -> bool:
        """A silent worker without a connection is lost; one that has a connection is starved, and recovers."""
        node, now = runner.clients.get(self.client), time.monotonic()
        if node is None or node.state == STATE_MISSING:
            return True
        if now - self.received_at < _SILENT_S or connected(runner, self.client):
            self.cut_at = None
        elif self.cut_at is None:
            self.cut_at = now
        return self.cut_at is not None and now - self.cut_at > _CUT_S

    def problem_of_message(self, message: str) -> str:
        """Why a message does not fit what the worker has sent so far; empty when it does."""
        if self.drained:
            return "it comes after the worker's last message"
        if message == runmessages.READY:
            return "the worker has prepared already" if self.ready is not None else ""
        if self.ready is None or self.ready["error"]:
            return "the worker has not prepared the run"
        if message == runmessages.ROWS and not self.ready["remote"]:
            return "the worker writes its rows itself"
        if message == runmessages.PROGRESS and not self.budget.take():
            return f"there are more than {MOST_REPORTS_PER_S} a second"
        return ""

    def summary(self) -> dict[str, Any]:
        """The worker's part of the `drained` line."""
        summary = {name: self.last_report.get(name) for name in SUMMARY_FIELDS}
        if self.drained:
            return {"worker": self.worker, **summary}
        what = "was lost" if self.lost else f"did not end within {DRAIN_S:g} s"
        return {"worker": self.worker, **summary, "in_flight": None, "error": f"{self.name} {what}"}


class Workers(dict[int, WorkerState]):
    """The workers of a run by number, and what they have reported together."""

    def of(self, client: str) -> WorkerState | None:
        """By Locust's name."""
        return next((worker for worker in self.values() if worker.client == client), None)

    def total(self, name: str) -> int:
        return sum(worker.last_report.get(name) or 0 for worker in self.values())

    @property
    def agents(self) -> int:
        """Agents that are there, connected or not."""
        return sum(worker.last_report.get("agents") or 0 for worker in self.values() if not worker.lost)

    def counts(self) -> Counts:
        """What has ended, in the order of the vocabulary."""
        reports = [worker.last_report.get("counts", {}) for worker in self.values()]
        found = {name: [counts[name] for counts in reports if name in counts] for name in OPERATIONS}
        return {name: (sum(n for n, _ in some), sum(bad for _, bad in some)) for name, some in found.items() if some}

    def http_statuses(self) -> dict[str, int]:
        """With which HTTP statuses handshakes were refused so far, and how often."""
        found: Counter[str] = Counter()
        for worker in self.values():
            for counts in (worker.last_report.get("connection_failures") or {}).get("by_stage", {}).values():
                found.update(counts)
        return dict(found)


def problem_of(worker: WorkerState, secret: str, nonce: str, *, secret_is_shared: bool) -> CannotRunError | None:
    """Why a worker cannot take part; None when it can. It proves with the master's `nonce` that it has the `secret`
    that signs tokens, unless the master shares that with it."""
    if worker.ready is None:
        return CannotRunError(70, f"{worker.name} did not get ready within {PREPARE_S:g} s")
    if worker.ready["error"]:
        code = int(worker.ready.get("code") or 70)
        return CannotRunError(code, f"{worker.name} cannot prepare the run: {worker.ready['error']}")
    if not worker.ready["proof"]:
        missing = CannotRunError(64, f"{worker.name} needs {TOKEN_SECRET} in its environment")
        return None if secret_is_shared else missing
    if not is_same(
        worker.ready["proof"], runmessages.secret_proof(secret, nonce, worker.ready["nonce"], worker.client)
    ):
        worker.ready["proof"] = ""
        other = f"the {TOKEN_SECRET} of {worker.name} is not that of the master: set the same one on both"
        return None if secret_is_shared else CannotRunError(64, other)
    return None


def be_patient() -> None:
    """Locust gives up a worker after three seconds of silence, and its users with it."""
    runners.HEARTBEAT_LIVENESS = LOST_AFTER_S


def connected(runner: MasterRunner, client: str) -> bool:
    """Whether a worker's connection stands. Its kernel closes it when its process has ended, however that was, and
    keeps it for one that stands still. With ROUTER_MANDATORY a send fails when it is closed."""
    socket = runner.server.socket
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    try:
        socket.send_multipart([client.encode(), Message("heartbeat", None, client).serialize()], zmq.NOBLOCK)
    except zmq.ZMQError as error:
        return error.errno != zmq.EHOSTUNREACH
    finally:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 0)  # Locust's own sends to one that has gone are not to fail
    return True
