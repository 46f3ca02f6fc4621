# mypy: disable-error-code="no-untyped-call"
"""The worker's side of Locust: answers the master, prepares runs, compares clocks."""

import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gevent
from gevent.event import AsyncResult
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.commandline import EX_SOFTWARE, EX_UNAVAILABLE
from loadtests.generator import runmessages
from loadtests.generator.workerrun import WorkerRun
from loadtests.hostidentity import host_identity
from loadtests.joining import TOKEN_SECRET
from loadtests.scenario import RunPlan

WORST_ERROR_NS = 500_000_000
"""Beyond it nothing that a worker measured can be put beside what the observer saw."""

_PINGS = 20
_WITHIN_S = 5.0

_log = logging.getLogger(__name__)


class ClockProbe:
    """Measures by pings over Locust's connection."""

    def __init__(self, runner: WorkerRunner) -> None:
        self.runner = runner
        self._pong: AsyncResult = AsyncResult()

    def on_pong(self, body: dict[str, Any]) -> None:
        self._pong.set((time.monotonic_ns(), body))

    def compare(self, asked: dict[str, Any]) -> tuple[bool, runmessages.ClockOffset]:
        """Whether the master is on this host, and how far its clock is off. Raises TimeoutError when it is unknown.

        The identity alone does not show it: virtual machines that were restored from one snapshot have the same.
        """
        same_identity = asked["host"] == host_identity()
        directory = RunPlan.from_json(asked["plan"]).directory
        if same_identity and runmessages.directory_identity(directory) == asked["directory"]:
            return True, runmessages.ClockOffset()
        offset = self._measure()
        if offset.error_ns > WORST_ERROR_NS:
            raise TimeoutError(
                f"the network to the master is too slow: its clock is known to ± {offset.error_ns / 1e9:.2f} s,"
                f" and ± {WORST_ERROR_NS / 1e9:g} s are needed"
            )
        if same_identity and offset.shared:
            return True, runmessages.ClockOffset()
        return False, offset

    def _measure(self) -> runmessages.ClockOffset:
        """The best of twenty pings, or of those that fit into some seconds."""
        until, best = time.monotonic() + _WITHIN_S, self._ping()
        for _ in range(_PINGS - 1):
            if time.monotonic() > until:
                break
            best = min(best, self._ping(), key=lambda offset: offset.error_ns)
        return best

    def _ping(self) -> runmessages.ClockOffset:
        self._pong, sent_ns = AsyncResult(), time.monotonic_ns()
        self.runner.send_message(runmessages.PING, {"sent_ns": sent_ns})
        try:
            received_ns, pong = self._pong.get(timeout=_WITHIN_S)
        except gevent.Timeout:  # no Exception
            raise TimeoutError(f"the master did not answer a ping within {_WITHIN_S:g} s") from None
        return runmessages.ClockOffset.of_ping(sent_ns, int(pong["master_ns"]), received_ns)


class WorkerSide:
    """Answers the master."""

    def __init__(self, environment: Environment, runner: WorkerRunner) -> None:
        self.runner = runner
        self.run: WorkerRun | None = None
        """The latest run."""
        self._clocks = ClockProbe(runner)
        answers: dict[str, Callable[[dict[str, Any]], None]] = {
            runmessages.PLAN: self._on_plan,
            runmessages.BEGIN: self._on_begin,
            runmessages.STOP: self._on_stop,
            runmessages.ROWS_KEPT: self._on_rows_kept,
            runmessages.PONG: self._clocks.on_pong,
            runmessages.REFUSED: self._on_refused,
        }
        for message, answer in answers.items():
            concurrent = message in (runmessages.PLAN, runmessages.STOP)
            runner.register_message(message, lambda msg, answer=answer, **_: answer(msg.data), concurrent=concurrent)
        environment.events.test_stopping.add_listener(lambda **_: self.end())
        environment.events.quitting.add_listener(lambda **_: self.end())
        environment.events.user_error.add_listener(lambda exception, **_: self.note_crash(exception))
        self.cause = ""
        """Why this process ends, as far as it is known: a signal's name."""

    def end(self) -> None:
        """Ends a run that the master has not asked to end."""
        if self.run is not None:
            gevent.sleep(0)  # a signal that has come as well is noted first
            self.run.end(self.cause or "ended by Locust")

    @property
    def busy(self) -> bool:
        return self.run is not None and not self.run.ended

    def note_crash(self, error: BaseException) -> None:
        """A fault that nothing else has caught: it may have ended an agent, or a report."""
        if self.run is not None:
            self.run.load.note_crash(error)

    def save(self) -> None:
        """Keeps the rows and nothing else: there is no master any more, and no time."""
        if self.run is not None:
            self.run.recorder.drain()

    def _on_plan(self, asked: dict[str, Any]) -> None:
        """Prepares, and reports that it has, or why it cannot."""
        ready: dict[str, Any] = {
            "worker": asked["worker"],
            "run": asked["run"],
            "error": "",
            "node": os.uname().nodename,
            "address": os.environ.get("LOADTESTS_WORKER_ADDRESS", ""),
        }
        try:
            if self.run is not None:
                self.run.end()
            same_host, offset = self._clocks.compare(asked)
            self.run = WorkerRun(self.runner, asked, offset)
            ready |= {
                "remote": self.run.remote,
                "reserved": self.run.recorder.reserved,
                "same_host": same_host,
                **self._proof(asked["nonce"]),
                **asdict(offset),
            }
        except Exception as error:
            _log.exception("cannot prepare the run")
            ready["error"] = f"{type(error).__name__}: {error}"
            ready["code"] = EX_UNAVAILABLE if isinstance(error, TimeoutError) else EX_SOFTWARE
        self.runner.send_message(runmessages.READY, ready)

    def _proof(self, nonce: str) -> dict[str, str]:
        """Shows to the master which secret this process signs tokens with; an empty proof without one."""
        ours, secret = secrets.token_hex(16), os.environ.get(TOKEN_SECRET, "")
        return {"nonce": ours, "proof": runmessages.secret_proof(secret, nonce, ours, self.runner.client_id)}

    def _on_begin(self, body: dict[str, Any]) -> None:
        # The master's own comes first: it sends it where the one in this environment is another.
        secret = body.get("secret") or os.environ.get(TOKEN_SECRET) or ""
        if self.run is not None:  # Locust would only log what is raised here
            self.run.load.guarded(self.run.begin, int(body["starts_ns"]), secret)

    def _on_stop(self, _: object) -> None:
        if self.run is not None:
            self.run.end()

    def _on_refused(self, body: dict[str, Any]) -> None:
        _log.error("the master refused a message: %s", body["reason"])

    def _on_rows_kept(self, body: dict[str, Any]) -> None:
        if self.run is not None:
            self.run.acknowledge(int(body["number"]))
