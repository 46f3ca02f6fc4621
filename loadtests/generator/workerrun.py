# mypy: disable-error-code="no-untyped-call"
"""One run in a worker: loads, reports how far it is, keeps every row."""

import gc
import logging
import os
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import gevent
import numpy as np
from gevent.event import Event
from locust.runners import WorkerRunner

from loadtests.generator import runmessages
from loadtests.generator.live import Latency, LiveStatistics
from loadtests.generator.recorder import Recorder
from loadtests.generator.rows import Rows
from loadtests.generator.sinks import FileSink, RemoteBuffer, Sink
from loadtests.hostidentity import host_identity
from loadtests.limits.cgroups import throttling
from loadtests.limits.processors import allowed_share, run_queue_wait_ns
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.vocabulary import ERRORS, LOCAL_ERRORS
from loadtests.scenario import RunPlan
from loadtests.users.agent import Agent
from loadtests.users.clock import Clock
from loadtests.users.customer import Customer
from loadtests.users.load import Load

GRACE_S: Final = 5.0
"""How long operations under way may take to end when the run ends."""

_PROGRESS_S: Final = 0.25
_ACKNOWLEDGE_S: Final = 10.0
_STRAIN_WINDOW_S: Final = 5
_SHORTEST_STRAIN_S: Final = 2.0

_log = logging.getLogger(__name__)


class Strain:
    """What this worker had to do without: processor time used and waited for, in its hardest five seconds.

    Sampled once a second. Shares are of the time that passed.
    """

    def __init__(self) -> None:
        self.cpu_allowed = allowed_share()
        self._most = {"cpu_share": 0.0, "run_queue_share": 0.0, "throttled_share": 0.0}
        self._samples: deque[tuple[float, ...]] = deque(maxlen=_STRAIN_WINDOW_S + 1)
        """The clock and the totals of this process in the order of `_most`, in seconds."""

    def sample(self) -> None:
        throttled = throttling()
        throttled_s = throttled.throttled_ns / 1e9 if throttled is not None else 0.0
        waited_s = run_queue_wait_ns(os.getpid()) / 1e9
        self._samples.append((time.monotonic(), time.process_time(), waited_s, throttled_s))
        passed_s, *spent = (last - first for first, last in zip(self._samples[0], self._samples[-1], strict=True))
        if passed_s >= _SHORTEST_STRAIN_S:
            for name, seconds in zip(self._most, spent, strict=True):
                self._most[name] = max(self._most[name], seconds / passed_s)

    def figures(self) -> dict[str, float]:
        """`cpu_share` of one core used, `cpu_allowed` of it, `run_queue_share` spent waiting for one,
        `throttled_share` held up by the quota of a control group."""
        return {"cpu_allowed": self.cpu_allowed, **{name: round(share, 3) for name, share in self._most.items()}}


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
        self.load = Load(plan, self.number, int(asked["workers"]), clock, self.recorder)
        self._reporters: list[gevent.Greenlet] = []
        self._ended: Event | None = None

    def _sink(self, plan: RunPlan, asked: dict[str, Any]) -> Sink:
        """A file where the run directory is, else batches to the master."""
        directory = plan.directory
        if asked["host"] == host_identity() and runmessages.directory_identity(directory) == asked["directory"]:
            return FileSink(RunDirectory(Path(directory)), self.number, [pod.name for pod in plan.pods])
        self._buffer = RemoteBuffer()
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

    def _unacknowledged(self) -> list[tuple[int, bytes]]:
        """The batches of rows that are not at their place yet."""
        return [] if self._buffer is None else list(self._buffer.unacknowledged())

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
        return {
            "worker": self.number,
            **asdict(self.recorder.totals()),
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
        for number, data in self._unacknowledged():
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
            unkept = len(self._unacknowledged())
            missing = f"the master has not acknowledged {unkept} batches of rows" if unkept else ""
            error = "; ".join(filter(None, [self._error(), missing]))
            self._send(runmessages.DRAINED, latency=self._live.take_latency(), **{**self._state(), "error": error})
        finally:
            Agent.load = None
            gc.unfreeze()
            self._ended.set()

    def _hand_over(self) -> None:
        """Waits until the master has acknowledged every batch, or has not for too long."""
        until = time.monotonic() + _ACKNOWLEDGE_S
        while self._unacknowledged() and time.monotonic() < until:
            self._send_rows(again=False)
            gevent.sleep(0.1)

    def _error(self) -> str:
        """What went wrong here so far, in words; empty when nothing did."""
        return "; ".join(filter(None, [self.recorder.totals().error, *self.load.errors]))
