"""Monitors a load from its first line to its end, and ends it early when a component has died."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from loadtests.commandline import EX_SOFTWARE
from loadtests.conductor.disk import full_message, means_full, nearly_full
from loadtests.conductor.failures import COMPLETED, Reason
from loadtests.conductor.hosts.roster import WorkerHost
from loadtests.conductor.progress import Progress
from loadtests.conductor.run.actions import RunActions
from loadtests.conductor.run.components import RunComponents
from loadtests.conductor.run.gate_watch import GateWatch
from loadtests.conductor.run.live import LoadState, Worker
from loadtests.conductor.run.locust import MasterProcess
from loadtests.conductor.run.manifest import RunClock
from loadtests.conductor.run.timeline_table import TimelineTable
from loadtests.conductor.watching import Deadline, Lines, ProcessWatch
from loadtests.servers.contract import DatabaseServer

GRACE_S = 20.0
"""On top of the longest timeout: how long a drain may take, and how long a master may send nothing."""

FIRST_LINE_S = 90.0
"""How long a master of ours may send nothing at first: it waits for its workers, and they prepare."""

SILENT_S = 10.0
"""How long a master may send nothing while the load lasts: it reports every second, also when it drains. With the
longest time-out and `GRACE_S` a stopped master kept its run for 44 s; a starved one was never silent for 4 s."""

_EARLY_S = 0.1
_NOTHING_BEGUN_S = 3.0


@dataclass(frozen=True)
class LoadResult:
    """How a load ended."""

    reason: Reason
    load: LoadState
    ended_ns: int


class LoadMonitor:
    """Monitors one load. `follow` is called once."""

    def __init__(
        self,
        master: MasterProcess,
        components: RunComponents,
        watch: ProcessWatch,
        progress: Progress,
        actions: RunActions | None = None,
    ) -> None:
        self._master, self._components, self._watch, self._progress = master, components, watch, progress
        self._actions = actions
        self._clock: RunClock = components.clock
        scenario = components.scenario
        self._patience_s = max([scenario.timeout_s("default"), *scenario.timeouts.values()]) + GRACE_S
        self._duration_s = scenario.duration_s
        self.load = LoadState()
        self._reason: Reason | None = None
        self._ended_ns: int | None = None
        self._gone = False
        self._deadline: Deadline | None = None

    def follow(self, lines: Lines, timeline: TimelineTable, on_start: Callable[[LoadState], None]) -> LoadResult:
        """`on_start` is called when the first stage has begun and all workers of the start are known."""
        self._on_start = on_start
        self._lines, self._timeline = lines, timeline
        self._watch.on_readable(lines.descriptor, self._read)
        self._watch.on_death(self._master.pid, self._master_died)
        if (observer := self._components.observer) is not None:
            self._watch.on_death(observer.pid, self._died("observer_died", observer.exit_summary, observer.log_tail))
        for name in (*self._components.pods, *self._components.servers):
            self._watch_component(name)
        for proxy in self._components.proxies.values():
            child = proxy.child
            self._watch.on_death(child.pid, self._died("internal", child.exit_summary, child.log_tail))
        if self._actions is not None:
            self._actions.join(self._watch, self._master.pid, self._watch_component)
        if not self._master.is_external:
            self._deadline = Deadline(FIRST_LINE_S)
        disk = Deadline(1.0)
        while not self._over():
            self._watch.wait(0.5)
            self._check_interrupts()
            self._check_deadline()
            if disk.passed:
                disk = Deadline(1.0)
                if self._reason is None and nearly_full(self._components.directory.path):
                    self._end("disk_full", full_message(self._components.directory.path))
        return self._result()

    def _watch_component(self, name: str) -> None:
        """A pod or a database: its exit ends the run, unless an action expects it."""
        died, pid = self._component_process(name)

        def note() -> None:
            # In this order: a server replies to `_replaced` only once an action has finished changing it.
            if self._components.expected_down[name] <= 0 and not self._replaced(name, pid):
                died()

        if pid is None:
            note()
        else:
            self._watch.on_death(pid, note)

    def _replaced(self, name: str, pid: int | None) -> bool:
        """Whether another process has taken the place of the one that died."""
        return pid is not None and self._component_process(name)[1] not in (pid, None)

    def _component_process(self, name: str) -> tuple[Callable[[], None], int | None]:
        """What to do on its exit, and its process ID; None when it has exited already."""
        if (server := self._components.servers.get(name)) is not None:
            died = self._died("database_died", lambda: server_died(name), server.log_tail)
            return died, server.pid if server.running else None
        child = self._components.pods[name].child
        assert child is not None
        died = self._died("pod_died", child.exit_summary, child.log_tail)
        return died, child.pid if child.exit_code() is None else None

    def _over(self) -> bool:
        return self._gone or (self.load.drained and not self._master.needs_shutdown)

    def _result(self) -> LoadResult:
        self._read()
        for error in self.load.errors:
            self._end(*_reason_of(error))
        ended_ns = self._ended_ns if self._ended_ns is not None else self._clock.since_ns()
        if self._reason is None:
            self._reason = self._unforced_reason(ended_ns)
        return LoadResult(self._reason, self.load, ended_ns)

    def _unforced_reason(self, ended_ns: int) -> Reason:
        """A load that ended without being asked to: done, or cut short."""
        starts = [stage["started_ns"] for stage in self.load.stages]
        stopped_ns = ended_ns if self.load.stopped_ns is None else self.load.stopped_ns
        missing_s = self._duration_s - (stopped_ns - min(starts, default=stopped_ns)) / 1e9
        if missing_s <= _EARLY_S:
            return COMPLETED
        code = "interrupted" if self._master.is_external else "internal"
        return Reason(code, f"the load ended {missing_s:.1f} s before its time")

    def _read(self) -> None:
        for line in self._lines.read():
            workers = len(self.load.workers)
            if (event := self.load.take(line)) is not None:
                self._handle(event)
                self._deadline = Deadline(self._silence_s)
            if len(self.load.workers) > workers and not self.load.drained:
                self._watch_workers()
        if self._lines.ended and self._master.is_external and not self._gone:
            self._gone = True
            if not self.load.drained:
                self._end("worker_lost", self._master.exit_summary())

    def _handle(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "stage":
                if len(self.load.stages) == 1:
                    self._on_start(self.load)
                    if self._actions is not None:
                        self._actions.begin(event["started_ns"])
                self._timeline.stage(event)
                self._progress.stage(event)
            case "tick":
                self._progress.tick(event)
            case "worker":
                self._check_worker(self.load.workers[str(event["worker"])])
            case "refused":
                if not self._master.is_external:  # the one that started us refuses by itself
                    self._end(
                        "internal" if event.get("code") == EX_SOFTWARE else "workers_unavailable", event["problem"]
                    )
            case "drained":
                self._ended_ns = self._clock.since_ns()

    def _check_worker(self, worker: Worker) -> None:
        """Without one of its workers, or with one that has crashed users, a run is not what was asked for."""
        if worker.lost:
            self._end("worker_lost", f"{_named(worker)} was lost")
        elif worker.left:
            why = f"{_named(worker)} left in mid-run ({worker.left})"
            self._end("worker_left", f"{why}: its agents and arrivals were missing from then on")
        elif worker.error:
            self._end(*_reason_of(worker.error))

    def note_lost_host(self, host: WorkerHost, what: str, why: str) -> None:
        """A host of workers, or a worker process there, is gone; the master may not have noticed yet."""
        self._read()
        if self.load.drained or self._reason is not None:
            return
        there = [w for w in self.load.workers.values() if (w.node, w.address) == (host.node, host.address)]
        named = f"worker {', '.join(w.worker for w in there)}" if there else "the worker"
        if what == "process" and len(there) > 1:
            named = f"one of the workers {', '.join(w.worker for w in there)}"
        self._end("worker_lost", f"{named} on {host.name} was lost: {why}")

    def note_gate_ended(self, gate: GateWatch) -> None:
        """The gate has decided, or cannot go on."""
        if failure := gate.failure:
            self._died("objective_failed", lambda: failure)()
        else:
            self._progress.report(gate.note)

    def _watch_workers(self) -> None:
        """Local workers are watched: a master takes most of a second to miss one."""
        with contextlib.suppress(psutil.Error):
            for worker in psutil.Process(self._master.pid).children():
                self._watch.on_death(worker.pid, self._died("worker_lost", lambda: "a Locust worker died"))

    def _died(self, code: str, summary: Callable[[], str], log_tail: Callable[[], str] = str) -> Callable[[], None]:
        """What to do when a process has exited; `summary` and `log_tail` give the reason then."""

        def note() -> None:
            self._read()  # the exit does not matter once the load has drained
            if not self.load.drained and self._reason is None:
                self._end(code, summary(), log_tail())

        return note

    def _master_died(self) -> None:
        self._read()
        self._gone = True
        if not self.load.drained:
            self._end(
                "worker_lost" if self.load.stages else "internal",
                self._master.exit_summary(),
                self._master.log_tail(),
            )

    def _check_interrupts(self) -> None:
        count = self._components.interrupts.count
        if count and not self._master.is_external:
            self._end("interrupted", "stopped by hand")
        if count > 1:
            self._master.kill()

    def _check_deadline(self) -> None:
        self._read()  # a call of an action may have delayed it
        if self._deadline is not None and self._deadline.passed:
            asked = self._reason is not None
            silent_s = self._silence_s if self.load.workers else FIRST_LINE_S
            self._end("internal", f"the Locust master sent nothing for {silent_s:.0f} s")
            if asked or self.load.drained:
                self._master.kill()
                self._gone = True

    @property
    def _silence_s(self) -> float:
        """How long the master may send nothing from now on."""
        return SILENT_S if self.load.stages and not self.load.drained else self._patience_s

    def _end(self, code: str, detail: str, log_tail: str = "") -> None:
        """Only the first reason counts: later ones follow from it."""
        if self._reason is not None:
            return
        if code not in ("interrupted", "internal") and nearly_full(self._components.directory.path):
            code, detail = "disk_full", f"{full_message(self._components.directory.path)} ({detail})"
        self._reason = Reason(code, detail, log_tail)
        # Before the first stage there is nothing to drain, and Locust waits for workers without listening.
        self._deadline = Deadline(self._silence_s if self.load.stages else _NOTHING_BEGUN_S)
        if not (self._gone or self.load.drained):
            self._progress.report(f"ending early: {code}")
            if self._actions is not None:
                self._actions.ask_to_stop()
            self._master.ask_to_stop(self._reason)


def _reason_of(error: str) -> tuple[str, str]:
    """The reason and the detail of a run whose load reports that error."""
    return "disk_full" if means_full(error) else "internal", error


def _named(worker: Worker) -> str:
    where = f"{worker.node} ({worker.address})" if worker.address else worker.node
    return f"worker {worker.worker} on {where}" if where else f"worker {worker.worker}"


def first_cause(reason: Reason, servers: Mapping[str, DatabaseServer]) -> Reason:
    """The death of a database server where that is why a pod or the observer could not start."""
    if reason.code in ("pod_died", "observer_died"):
        for name, server in servers.items():
            if not server.running:
                return Reason("database_died", f"{server_died(name)}; {reason.detail}", server.log_tail())
    return reason


def server_died(name: str) -> str:
    return f"the database server {name} died"
