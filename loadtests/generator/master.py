# mypy: disable-error-code="no-untyped-call"
"""The master's side: begins runs, passes on the messages of workers, ends runs."""

import logging
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import gevent
from locust import LoadTestShape
from locust.env import Environment
from locust.runners import STATE_INIT, MasterRunner

from loadtests.generator import runmessages
from loadtests.generator.channel.guard import refusals_of
from loadtests.generator.channel.messages import Refused
from loadtests.generator.masterrun import MasterRun
from loadtests.generator.ownrun import OwnConductor
from loadtests.generator.prepared import CannotRunError, GivenRun
from loadtests.generator.workerstate import PREPARE_S

_log = logging.getLogger(__name__)


class MasterSide:
    """Connects Locust's shape, events and signals with the present run."""

    def __init__(self, environment: Environment, runner: MasterRunner, source: OwnConductor | GivenRun) -> None:
        self.environment = environment
        self.runner = runner
        self.run: MasterRun | None = None
        self.last: MasterRun | None = None
        self.problem = ""
        self.leaving = False
        """Whether the master, and its workers with it, is ending."""
        self._source = source
        self._wanted: tuple[int, float] | None = None
        for message in runmessages.MESSAGES_TO_MASTER:
            runner.register_message(message, self._on_ping if message == runmessages.PING else self._on_message)
        environment.events.test_stopping.add_listener(self._on_test_stopping)
        environment.events.worker_connect.add_listener(self._on_worker_connect)
        environment.process_exit_code = 0

    def wanted(self) -> tuple[int, float] | None:
        """What Locust's shape asks every second: users and spawn rate; None ends the test. The first time of a run
        it prepares everything, so that a failure ends the test instead of being swallowed by an event."""
        if self.run is None and self.runner.state != STATE_INIT:
            return None  # this test is being stopped: no new one begins by itself
        run = self.run or self._begin()
        if run is not None and run.ended is None:
            self._wanted = run.wanted()
        return None if run is None else self._wanted

    def _begin(self) -> MasterRun | None:
        self.problem = ""
        try:
            clients = self._connected_workers()
            self.run = self.last = MasterRun(self.runner, self._source.prepare())
            self.run.begin(clients, lambda: self._source.cancelled)
        except CannotRunError as problem:
            self._refuse(str(problem), problem.code)
        except Exception as error:
            _log.exception("internal error")
            self._refuse(f"internal error: {type(error).__name__}: {error}", 70)
        return self.run

    def _refuse(self, problem: str, code: int) -> None:
        self.problem = problem
        _log.error("the run cannot begin: %s", problem)
        try:
            if self.run is not None:
                self.run.report("refused", problem=problem, code=code)
                self.run.end()  # what its workers still send is taken while it is the run
        finally:
            self.run = None
            self._source.abandon(CannotRunError(code, problem))
        self.environment.process_exit_code = code

    def _connected_workers(self) -> list[str]:
        """Every worker that is expected, as soon as they are there. Raises CannotRunError when none comes."""
        options = self.environment.parsed_options
        expected = max(1, getattr(options, "expect_workers", 1) or 1)
        until = time.monotonic() + PREPARE_S
        while len(self.runner.clients.ready) < expected and time.monotonic() < until:
            if self._source.cancelled:
                raise CannotRunError(130, "the set-up was cancelled")
            gevent.sleep(0.05)
        ready = sorted(self.runner.clients.ready, key=lambda node: self.runner.get_worker_index(node.id))
        if len(ready) < expected:
            raise CannotRunError(69, _missing_workers([node.id for node in ready], expected))
        return [node.id for node in ready]

    def await_workers(self) -> None:
        """Refuses the run when its workers do not come: Locust itself waits for them without end."""
        expected = getattr(self.environment.parsed_options, "expect_workers", 1)
        until = time.monotonic() + PREPARE_S
        while len(self.runner.clients) < expected:
            if time.monotonic() > until:
                self._refuse(_missing_workers(sorted(self.runner.clients), expected), 69)
                self.interrupt(69)
                return
            gevent.sleep(0.2)

    def interrupt(self, code: int = 130) -> None:
        """Ends early, and still keeps every row."""
        self.leaving = True
        self.environment.process_exit_code = code
        never_began = self.runner.shape_greenlet is None
        self.runner.quit()
        if self.environment.web_ui is not None:
            self.environment.web_ui.stop()
        elif never_began:
            gevent.kill(gevent.get_hub().parent, SystemExit(code))  # Locust's main waits for workers for ever

    def _on_test_stopping(self, environment: Environment, **_: Any) -> None:  # noqa: ARG002  Locust's signature
        run = self.run
        if run is not None:
            code = run.end()
            self.run = None
            self.environment.process_exit_code = self.environment.process_exit_code or code

    def _on_worker_connect(self, client_id: str, **_: Any) -> None:
        if self.run is not None and self.run.starts_ns is not None:
            self.run.join(client_id)

    def _on_message(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002  Locust's signature
        if self.run is not None:
            try:
                self.run.receive(msg.node_id, msg.type, msg.data)
            except Refused as refused:
                refusals_of(self.runner).report(msg.node_id, f"{msg.type}: {refused}")

    def _on_ping(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002  Locust's signature
        self.runner.send_message(runmessages.PONG, {"master_ns": time.monotonic_ns()}, client_id=msg.node_id)


def _missing_workers(clients: Sequence[str], expected: int) -> str:
    """Locust names a worker for its host."""
    hosts = ", ".join(sorted({client.rpartition("_")[0] for client in clients}))
    there = f" (those on {hosts})" if hosts else ""
    return f"{len(clients)} of {expected} workers{there} connected within {PREPARE_S:g} s"


class StagesShape(LoadTestShape):
    """Locust's load shape. Stage time is ours: Locust gets the number of agents for the present moment only."""

    master: ClassVar[MasterSide | None] = None
    conductor: ClassVar[OwnConductor | None] = None
    """Where the master's runs come from; None when its one run was given."""

    def tick(self) -> tuple[int, float] | None:
        return None if self.master is None else self.master.wanted()
