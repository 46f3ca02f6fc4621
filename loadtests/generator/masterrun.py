# mypy: disable-error-code="no-untyped-call"
"""One run, from the master's side: prepares the workers, monitors the stages, and ends when every row is kept."""

import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.runners import MasterRunner

from loadtests.generator import runmessages
from loadtests.generator.channel.messages import Refused
from loadtests.generator.channel.tokens import forks_workers
from loadtests.generator.live import LiveWindow
from loadtests.generator.prepared import CannotRunError, Prepared
from loadtests.generator.sinks import RemoteRows
from loadtests.generator.workerstate import DRAIN_S, PREPARE_S, Workers, WorkerState, problem_of
from loadtests.hostidentity import host_identity
from loadtests.records.rundirectory import RunDirectory
from loadtests.scenario import parse_scenario
from loadtests.scenario.completeness import AgentDeviation
from loadtests.scenario.stages import StageSpan, timeline

_ASKED_EVERY_S = 1.0

_ROWS_AHEAD = 100_000
"""Rows that may arrive before the worker's report that it has reserved their numbers."""

_LEAD_NS = 300_000_000
"""From the message to begin until the stages begin: time for the message to arrive."""

_log = logging.getLogger(__name__)


class MasterRun:
    def __init__(self, runner: MasterRunner, prepared: Prepared) -> None:
        self.plan = prepared.plan
        self.scenario = parse_scenario(self.plan.scenario, "scenario.yaml")
        self.timeline = timeline(self.scenario.stages)
        self.window = LiveWindow()
        self.workers = Workers()
        self.starts_ns: int | None = None
        self.stage: StageSpan | None = None
        self.tick: dict[str, Any] = {}
        self.ended: Event | None = None
        self._runner = runner
        self._prepared = prepared
        self._news = Event()
        self._remote_rows = RemoteRows(RunDirectory(Path(self.plan.directory)), [pod.name for pod in self.plan.pods])
        self._monitor: gevent.Greenlet | None = None
        self._share = 0
        self._wanted_for: StageSpan | None = None
        self._deviation = AgentDeviation(self.timeline)
        self._problem = ""
        self._nonce = secrets.token_hex(16)

    def now_ns(self) -> int:
        return time.monotonic_ns() - self.plan.origin_ns

    @property
    def elapsed_s(self) -> float:
        """Time since the stages began; 0 before."""
        return 0.0 if self.starts_ns is None else max(0.0, (self.now_ns() - self.starts_ns) / 1e9)

    def wanted(self) -> tuple[int, float] | None:
        """Agents and spawn rate at this moment; None when the stages are over. The rate lets Locust spawn in
        one step: it blocks until it has spawned all, and stage time must not wait for that. Locust asks once a second;
        this waits for a change that is due before it would ask again."""
        span = self.timeline.at(self.elapsed_s)
        if span is not None and span is self._wanted_for and span.ends_s - self.elapsed_s < _ASKED_EVERY_S:
            gevent.sleep(max(0.0, span.ends_s - self.elapsed_s))
            span = self.timeline.at(self.elapsed_s)
        self._wanted_for = span
        if span is None:
            return None
        return span.agents_at(self.elapsed_s), max(1.0, *(float(s.stage.agents) for s in self.timeline.spans))

    def report(self, event: str, **fields: Any) -> None:
        if self._prepared.lines is not None:
            self._prepared.lines.report(event, **fields)

    def begin(self, clients: list[str], cancelled: Callable[[], bool] = lambda: False) -> None:
        """Prepares every worker and sends the moment when the stages begin. Raises CannotRunError, also when it is
        cancelled meanwhile."""
        self._share = len(clients)
        for client in clients:
            self._invite(client)
        self._await(lambda: cancelled() or all(w.ready or w.lost for w in self.workers.values()), PREPARE_S)
        if cancelled():
            raise CannotRunError(130, "the set-up was cancelled")
        for problem in filter(None, map(self._problem_of, self.workers.values())):
            raise problem
        self.starts_ns = self.now_ns() + _LEAD_NS
        for worker in self.workers.values():
            self._admit(worker)
        self._monitor = gevent.spawn(self._guarded_monitor)
        for client in [node.id for node in self._runner.clients.ready]:
            self.join(client)  # connected while the others prepared

    def join(self, client: str) -> None:
        """A worker that joins in mid-run gets its part of the agents; the arrivals are shared out already."""
        if self.ended is None and self.workers.of(client) is None:
            self._invite(client)

    def _invite(self, client: str) -> None:
        number = len(self.workers)
        self.workers[number] = WorkerState(number, client)
        plan = {
            "run": self.plan.run,
            "plan": self.plan.to_json(),
            "worker": number,
            "workers": self._share,
            "host": host_identity(),
            "directory": runmessages.directory_identity(self.plan.directory),
            "clock": [time.monotonic_ns(), time.time_ns()],
            "nonce": self._nonce,
        }
        self._runner.send_message(runmessages.PLAN, plan, client_id=client)

    def _admit(self, worker: WorkerState) -> None:
        if problem := self._problem_of(worker):
            _log.error("%s: it takes no part", problem)
            worker.lost = True
            return
        assert worker.ready is not None
        secret = "" if worker.ready["proof"] else self._prepared.secret
        begin = {"starts_ns": self.starts_ns, "secret": secret}
        self._runner.send_message(runmessages.BEGIN, begin, client_id=worker.client)
        joined = {name: worker.ready.get(name) for name in ("remote", "node", "address", "offset_ns", "error_ns")}
        self._report_state(worker, "joined", **joined)

    def _report_state(self, worker: WorkerState, state: str, **fields: Any) -> None:
        self.report("worker", worker=worker.worker, state=state, **worker.progress(), **fields)

    def _problem_of(self, worker: WorkerState) -> CannotRunError | None:
        """The secret that signs tokens goes, encrypted, to workers that this master has forked, and to those of pods
        that were started for this run; others have it in their environment, and prove it."""
        shared = self.plan.own_pods or forks_workers()
        return problem_of(worker, self._prepared.secret, self._nonce, secret_is_shared=shared)

    def _await(self, condition: Callable[[], bool], timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < until:
            self._news.wait(0.2)
            self._news.clear()
            self._notice_lost()

    # Messages of workers.

    def receive(self, client: str, message: str, body: dict[str, Any]) -> None:
        """Applies a message of a worker. Raises Refused when it does not fit what that worker has sent before."""
        if message == runmessages.READY and body["run"] != self.plan.run:
            return
        worker = self.workers.of(client)
        if worker is None or body["worker"] != worker.worker:
            raise Refused("it is not the worker of that number")
        if problem := worker.problem_of_message(message):
            raise Refused(problem)
        worker.received_at = time.monotonic()
        if message == runmessages.READY:
            worker.ready = body
            if self.starts_ns is not None:
                self._admit(worker)
        elif message == runmessages.ROWS:
            self._keep(worker, body["number"], body["data"])
        elif message == runmessages.LEAVING:
            self._note_leaving(worker, body["cause"])
        else:
            worker.last_report = body
            self.window.add(body.get("latency") or {})
            if message == runmessages.DRAINED:
                worker.drained = True
                self._note_leaving(worker, "it has drained")
            state = "lost" if worker.lost else "left" if worker.left else "joined"
            self._report_state(worker, state, error=body.get("error"))
        self._news.set()

    def _note_leaving(self, worker: WorkerState, cause: str) -> None:
        """A worker that ends its load before the run's end takes its agents and arrivals with it."""
        if self.ended is None and not worker.left:
            worker.left = True
            _log.error("%s left: %s", worker.name, cause)
            self._report_state(worker, "left", node=worker.node, cause=cause)

    def _keep(self, worker: WorkerState, number: int, data: bytes) -> None:
        """Writes a remote worker's batch and acknowledges it; one that cannot be written is not acknowledged."""
        try:
            kept = self._remote_rows.receive(worker.worker, number, data, worker.reserved + _ROWS_AHEAD)
        except OSError as error:
            _log.error("rows of %s cannot be kept: %s", worker.name, error)
            return
        except ValueError as error:
            raise Refused(f"its rows: {error}") from None
        if kept >= 0:
            self._runner.send_message(runmessages.ROWS_KEPT, {"number": kept}, client_id=worker.client)

    def _notice_lost(self) -> None:
        for worker in self.workers.values():
            if not worker.gone and worker.is_missing(self._runner):
                worker.lost = True
                _log.error("%s was lost", worker.name)
                self._report_state(worker, "lost", node=worker.node, address=worker.address)

    # During the run.

    def _guarded_monitor(self) -> None:
        """Monitors the run. Without its reports nothing is known of the load, so that a crash makes it incomplete."""
        try:
            self._monitor_run()
        except Exception as error:
            _log.exception("internal error of the master")
            self._problem = f"the master's reports ended: {type(error).__name__}: {error}"

    def _monitor_run(self) -> None:
        """Reports stages as they begin, workers as they are lost, and a tick every second."""
        reported, due, before = -1, time.monotonic(), (0, self.now_ns())
        while True:
            span = self.timeline.at(self.elapsed_s)
            if span is not None and span.number > reported and self.elapsed_s > 0:
                reported = span.number
                self._report_stage(span)
            if time.monotonic() >= due:
                due += 1.0
                before = self._report_tick(before)
            if self.ended is None and self.starts_ns is not None:
                self._deviation.note((self.now_ns() - self.starts_ns) / 1e9, self.workers.agents)
            self._notice_lost()
            gevent.sleep(0.1)

    def _report_stage(self, span: StageSpan) -> None:
        assert self.starts_ns is not None
        self.stage, stage = span, span.stage
        self.report(
            "stage",
            name=stage.name,
            started_ns=self.starts_ns + int(span.starts_s * 1e9),
            agents=stage.agents,
            arrivals_per_s=stage.arrivals_per_s,
            judge=stage.judge,
        )

    def _report_tick(self, before: tuple[int, int]) -> tuple[int, int]:
        begun, now_ns = self.workers.total("begun"), self.now_ns()
        self.tick = {
            "t_ns": now_ns,
            "stage": self.stage.stage.name if self.stage else "",
            "users": self.workers.total("users"),
            "agents": self.workers.agents,
            "agents_planned": span.agents_at(self.elapsed_s) if (span := self.timeline.at(self.elapsed_s)) else 0,
            "rate_per_s": round((begun - before[0]) / max((now_ns - before[1]) / 1e9, 1e-3), 1),
            "accept_p99_ms": self.window.percentile_ms("chat.accept", 99),
            "failures": self.workers.total("failures"),
            "http_statuses": self.workers.http_statuses(),
            "begun": begun,
            "left_s": round(max(0.0, self.timeline.duration_s - self.elapsed_s), 1),
        }
        self.report("tick", **self.tick)
        return begun, now_ns

    def end(self) -> int:
        """Waits until every worker has kept its rows, or is lost, or the time is over; returns an exit code. A
        call while that goes on waits for it."""
        if self.ended is not None:
            self.ended.wait()
            return 0
        self.ended = Event()
        stopped_ns = self.now_ns()
        try:
            for worker in self.workers.values():
                if worker.ready is None or worker.ready["error"]:
                    worker.lost = True  # it has nothing to keep
                if not worker.gone:
                    self._runner.send_message(runmessages.STOP, {}, client_id=worker.client)
            self._await(lambda: all(worker.gone for worker in self.workers.values()), DRAIN_S)
            return self._finish(stopped_ns)
        finally:
            self.ended.set()

    def _finish(self, stopped_ns: int) -> int:
        self.window.end()
        if self._monitor is not None:
            self._monitor.kill()
        self._remote_rows.close()
        self.report(
            "drained",
            workers=[worker.summary() for worker in self.workers.values()],
            stopped_ns=stopped_ns,
            agents_missing=self._deviation.missing,
            agents_extra=self._deviation.extra,
            error=self._problem,
        )
        if self._prepared.lines is not None:
            self._prepared.lines.close(2.0)
        return self._prepared.finish()
