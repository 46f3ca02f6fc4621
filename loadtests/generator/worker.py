# mypy: disable-error-code="no-untyped-call"
"""The worker's side of a run: prepares on the master's request, loads, reports how far it is, keeps every row."""

import gc
import logging
import os
import secrets
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
import numpy as np
from gevent.event import Event
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.commandline import EX_SOFTWARE, EX_UNAVAILABLE
from loadtests.generator import runmessages
from loadtests.generator.clockprobe import ClockProbe
from loadtests.generator.live import Latency, LiveStatistics
from loadtests.generator.recorder import Recorder, Totals
from loadtests.generator.rows import Rows
from loadtests.generator.sinks import FileSink, RemoteBuffer, Sink
from loadtests.generator.strain import Strain
from loadtests.hostidentity import host_identity
from loadtests.joining import TOKEN_SECRET
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import OPERATIONS_TABLE
from loadtests.records.vocabulary import ERRORS, LOCAL_ERRORS
from loadtests.scenario import RunPlan
from loadtests.users.agent import Agent
from loadtests.users.clock import Clock
from loadtests.users.customer import Customer
from loadtests.users.load import Load, Share

GRACE_S = 5.0
"""How long operations under way may take to end when the run ends."""

_PROGRESS_S = 0.25
_ACKNOWLEDGE_S = 10.0

_log = logging.getLogger(__name__)


class WorkerRun:
    """One run in this worker, from the plan to the last row."""

    def __init__(self, runner: WorkerRunner, asked: dict[str, Any], offset: runmessages.ClockOffset) -> None:
        """Raises ScenarioError, FileExistsError, OSError when it cannot be prepared."""
        plan = RunPlan.from_json(asked["plan"])
        self.number = int(asked["worker"])
        self._runner = runner
        self._live = LiveStatistics(runner.stats)
        self._failures = 0
        self._strain = Strain()
        self._local_errors = np.zeros(len(ERRORS), np.int64)
        self._stood_still_s = 0.0
        self._buffer: RemoteBuffer | None = None
        origin_ns = plan.origin_ns + offset.offset_ns
        monotonic_ns, unix_ns = asked["clock"]
        clock = Clock(origin_ns, unix_ns - monotonic_ns + plan.origin_ns)
        self.recorder = Recorder(self._sink(plan, asked), origin_ns, self._take)
        self.load = Load(plan, Share(self.number, int(asked["workers"])), clock, self.recorder)
        self._reporters: list[gevent.Greenlet] = []
        self._ended: Event | None = None

    def _sink(self, plan: RunPlan, asked: dict[str, Any]) -> Sink:
        """A file where the run directory is, else batches to the master."""
        pods = [pod.name for pod in plan.pods]
        directory = plan.directory
        if asked["host"] == host_identity() and runmessages.directory_identity(directory) == asked["directory"]:
            return FileSink(RunDirectory(Path(directory)), self.number, pods)
        self._buffer = RemoteBuffer(OPERATIONS_TABLE.schema({"pod": pods}))
        return self._buffer

    @property
    def remote(self) -> bool:
        return self._buffer is not None

    @property
    def ended(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._ended is not None

    def begin(self, starts_ns: int, secret: str) -> None:
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not scan it again in mid-run
        Agent.load = self.load
        reports = (self._report_progress, self._announce)
        self._reporters = [gevent.spawn(self.load.guarded, report) for report in reports]
        self.load.begin(starts_ns, secret, Customer)

    def _take(self, rows: Rows) -> None:
        self._failures += int(np.count_nonzero(rows["outcome"] >= 2))
        self._local_errors += np.bincount(rows["error"], minlength=len(ERRORS))
        self._live.take_rows(rows)

    def acknowledge(self, number: int) -> None:
        if self._buffer is not None:
            self._buffer.acknowledge(number)

    # During the run.

    def _report_progress(self) -> None:
        """Reports to the master four times a second how far this worker is."""
        turn = 0
        while True:
            asleep_at = time.monotonic()
            gevent.sleep(_PROGRESS_S)
            self._stood_still_s = max(self._stood_still_s, time.monotonic() - asleep_at - _PROGRESS_S)
            turn += 1
            each_second = turn % 4 == 0
            if each_second:
                self._strain.sample()
            self._send_rows(again=turn % 8 == 0)
            self._send_progress(self._live.take_latency() if each_second else {})

    def _announce(self) -> None:
        """Reports to the master at once how far this worker may get; an upper bound, should it be killed."""
        while True:
            self.recorder.announce.wait()
            self.recorder.announce.clear()
            self._send_progress({})

    def _send_progress(self, latency: Latency) -> None:
        self._send(runmessages.PROGRESS, latency=latency, **self._state())

    def _state(self) -> dict[str, Any]:
        totals: Totals = self.recorder.totals()
        return {
            "worker": self.number,
            **asdict(totals),
            "reserved": self.recorder.reserved,
            "error": self._error(),
            "failures": self._failures,
            "counts": self._live.counts,
            "starts": self.load.starts,
            "arrivals": self.load.begun_arrivals,
            "agents": len(self.load.agents),
            "late_starts": self.load.late_starts,
            "unstamped_connections": self.load.unstamped_connections,
            "connection_failures": self.load.connection_failures.summary(),
            "users": len(self.load.agents) + len(self.load.customers),
            **self._strain.figures(),
            "local_errors": self._local_error_counts(),
            "stood_still_s": round(self._stood_still_s, 3),
        }

    def _local_error_counts(self) -> dict[str, int]:
        """By resource of this host that had run out."""
        counts = {name: int(self._local_errors[ERRORS.index(name)]) for name in sorted(LOCAL_ERRORS)}
        return {name.removeprefix("local_"): n for name, n in counts.items() if n}

    def _send(self, message: str, **body: Any) -> None:
        try:
            self._runner.send_message(message, body)
        except Exception:  # the master is gone: `_watch_master` or `_watch_parent` ends this process
            _log.debug("the message did not reach the master", exc_info=True)

    _sent = -1

    def _send_rows(self, again: bool) -> None:
        """Sends new batches to the master; `again` sends those, too, that it has not acknowledged."""
        if self._buffer is not None:
            for number, data in list(self._buffer.unacknowledged()):
                if again or number > self._sent:
                    self._send(runmessages.ROWS, worker=self.number, number=number, data=data)
                    self._sent = max(self._sent, number)

    # The end.

    def end(self, leaving: str = "") -> None:
        """Ends the load, keeps every row and reports that to the master; a call while that goes on waits for its end.

        `leaving` is why it ends when the master has not asked for it.
        """
        if self._ended is not None:
            self._ended.wait()
            return
        self._ended = Event()
        try:
            if leaving:
                self._send(runmessages.LEAVING, worker=self.number, cause=leaving)
            self.load.drain(GRACE_S)
            self.recorder.drain()
            self._live.publish()
            self._hand_over()
            gevent.killall(self._reporters)
            error = "; ".join(filter(None, [self._error(), self._unkept()]))
            self._send(runmessages.DRAINED, latency=self._live.take_latency(), **{**self._state(), "error": error})
        finally:
            Agent.load = None
            gc.unfreeze()
            self._ended.set()

    def _hand_over(self) -> None:
        """Waits until the master has acknowledged every batch, or has not for too long."""
        until = time.monotonic() + _ACKNOWLEDGE_S
        while self._buffer is not None and list(self._buffer.unacknowledged()) and time.monotonic() < until:
            self._send_rows(again=False)
            gevent.sleep(0.1)

    def _error(self) -> str:
        """What went wrong here so far, in words; empty when nothing did."""
        return "; ".join(filter(None, [self.recorder.totals().error, *self.load.errors]))

    def _unkept(self) -> str:
        """What the master has not acknowledged, in words; empty when it has every batch. Called at the end."""
        left = list(self._buffer.unacknowledged()) if self._buffer is not None else []
        return f"the master has not acknowledged {len(left)} batches of rows" if left else ""


class WorkerSide:
    """Answers the master."""

    def __init__(self, environment: Environment, runner: WorkerRunner) -> None:
        self._runner = runner
        self._run: WorkerRun | None = None
        self._clocks = ClockProbe(runner)
        answers = {
            runmessages.PLAN: self._on_plan,
            runmessages.BEGIN: self._on_begin,
            runmessages.STOP: self._on_stop,
            runmessages.ROWS_KEPT: self._on_rows_kept,
            runmessages.PONG: self._clocks.on_pong,
            runmessages.REFUSED: self._on_refused,
        }
        for message, answer in answers.items():
            runner.register_message(message, answer, concurrent=message in (runmessages.PLAN, runmessages.STOP))
        environment.events.test_stopping.add_listener(self._on_test_stopping)
        environment.events.quitting.add_listener(self._on_test_stopping)
        environment.events.user_error.add_listener(self._on_user_error)
        self.cause = ""
        """Why this process ends, as far as it is known: a signal's name."""

    def end(self) -> None:
        """Ends a run that the master has not asked to end."""
        if self._run is not None:
            gevent.sleep(0)  # a signal that has come as well is noted first
            self._run.end(self.cause or "ended by Locust")

    @property
    def ran(self) -> bool:
        """Whether there has been a run."""
        return self._run is not None

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None and not self._run.ended

    def note_crash(self, error: BaseException) -> None:
        """A fault that nothing else has caught: it may have ended an agent, or a report."""
        if self._run is not None:
            self._run.load.note_crash(error)

    def save(self) -> None:
        """Keeps the rows and nothing else: there is no master any more, and no time."""
        if self._run is not None:
            self._run.recorder.drain()

    def _on_plan(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002  Locust's signature
        """Prepares, and reports that it has, or why it cannot."""
        asked = msg.data
        ready: dict[str, Any] = {
            "worker": asked["worker"],
            "run": asked["run"],
            "error": "",
            "node": os.uname().nodename,
            "address": os.environ.get("LOADTESTS_WORKER_ADDRESS", ""),
        }
        try:
            if self._run is not None:
                self._run.end()
            same_host, offset = self._clocks.compare(asked)
            self._run = WorkerRun(self._runner, asked, offset)
            ready |= {
                "remote": self._run.remote,
                "reserved": self._run.recorder.reserved,
                "same_host": same_host,
                **self._proof(asked["nonce"]),
                **asdict(offset),
            }
        except Exception as error:
            _log.exception("cannot prepare the run")
            ready["error"] = f"{type(error).__name__}: {error}"
            ready["code"] = EX_UNAVAILABLE if isinstance(error, TimeoutError) else EX_SOFTWARE
        self._runner.send_message(runmessages.READY, ready)

    def _proof(self, nonce: str) -> dict[str, str]:
        """Shows to the master which secret this process signs tokens with; an empty proof without one."""
        ours, secret = secrets.token_hex(16), os.environ.get(TOKEN_SECRET, "")
        return {"nonce": ours, "proof": runmessages.secret_proof(secret, nonce, ours, self._runner.client_id)}

    def _on_begin(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002  Locust's signature
        # The master's own comes first: it sends it where the one in this environment is another.
        secret = msg.data.get("secret") or os.environ.get(TOKEN_SECRET) or ""
        if self._run is not None:  # Locust would only log what is raised here
            self._run.load.guarded(self._run.begin, int(msg.data["starts_ns"]), secret)

    def _on_user_error(self, exception: Exception, **_: Any) -> None:
        self.note_crash(exception)

    def _on_stop(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002  Locust's signature
        if self._run is not None:
            self._run.end()

    def _on_test_stopping(self, environment: Environment, **_: Any) -> None:  # noqa: ARG002  Locust's signature
        self.end()

    def _on_refused(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002  Locust's signature
        _log.error("the master refused a message: %s", msg.data["reason"])

    def _on_rows_kept(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002  Locust's signature
        if self._run is not None:
            self._run.acknowledge(int(msg.data["number"]))
