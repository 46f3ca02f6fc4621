# mypy: disable-error-code="no-untyped-call"
"""What goes on with the runs of this session, and how they are started and stopped."""

import argparse
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import gevent
from locust.runners import STATE_INIT, STATE_RUNNING, STATE_SPAWNING, STATE_STOPPING, MasterRunner
from werkzeug.datastructures import MultiDict

from loadtests.generator.master import MasterSide
from loadtests.generator.masterrun import MasterRun
from loadtests.generator.ownrun import FINISH_S, OwnConductor, OwnRun
from loadtests.generator.prepared import CannotRunError
from loadtests.webui.form import CHOICES, choice_of, problems_of, scenarios_of, without_content


class Phase(StrEnum):
    """Where the current run is, or how the last one ended."""

    READY = "ready"
    CHECKING = "checking"
    SET_UP = "set-up"
    CANCELLING = "cancelling"
    RUNNING = "running"
    STOPPING = "stopping"
    FINISHING = "finishing"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def busy(self) -> bool:
        """Whether there is a run that has not ended."""
        return self not in (Phase.READY, Phase.ENDED, Phase.FAILED)


_READY_AGAIN_S = 6.0
"""Workers are ready again when their agents have had the time to leave, which is two seconds; Locust sends statistics
every three."""

_LOCUST_STATES = {
    Phase.CHECKING: "spawning",
    Phase.SET_UP: "spawning",
    Phase.CANCELLING: "stopping",
    Phase.STOPPING: "stopping",
    Phase.FINISHING: "stopping",
}
"""Locust's own words, which its page and its scripts understand."""

_SENTENCES = {
    Phase.READY: "No run yet.",
    Phase.CHECKING: "Checking {run}.",
    Phase.SET_UP: "Setting up {run}: {step}. Stop cancels it.",
    Phase.CANCELLING: "Cancelling the set-up of {run}.",
    Phase.RUNNING: "Running {run}: {stage}.",
    Phase.STOPPING: "Stopping {run}: operations under way are ending.",
    Phase.FINISHING: "Finishing {run}: {step}.",
    Phase.ENDED: "{Run} has ended: completed.",
    Phase.FAILED: "{Run} has ended early: {why}",
}


@dataclass(frozen=True)
class Answer:
    """Of a button: whether it did what it says, and what happens now."""

    success: bool
    message: str


class RunControl:
    """Starts, stops and describes runs; one at a time."""

    def __init__(self, environment: Any, runner: MasterRunner, side: MasterSide, conductor: OwnConductor) -> None:
        self._environment, self._runner, self._side, self.conductor = environment, runner, side, conductor
        self._unwinding = False
        """Whether Locust stops its users, or its workers are not ready again."""
        self._workers = 0
        self.problems: list[str] = []
        """Why the last run did not begin, until one does."""
        self.note = ""
        """What happened beside the runs, until the next one."""
        options = environment.parsed_options
        self.choice = {name: getattr(options, name) for name in CHOICES}
        """What the page's form shows first: what was chosen last. It decides nothing: what a start does not name is
        as on the command line, independent of earlier starts."""
        environment.events.test_stopping.add_listener(self._on_test_stopping)
        environment.events.test_stop.add_listener(self._on_test_stop)

    # What goes on.

    @property
    def target(self) -> str:
        """The address that this session loads; empty when it starts pods itself."""
        return str(self._environment.parsed_options.target or "")

    @property
    def scenarios(self) -> list[str]:
        """Those that the form may choose."""
        return scenarios_of(self._environment.parsed_options)

    @property
    def run(self) -> OwnRun | None:
        """The current run, or the last one that passed its checks."""
        return self.conductor.current or (self.conductor.runs[-1] if self.conductor.runs else None)

    @property
    def load(self) -> MasterRun | None:
        """The load of `run`, when there is or was one."""
        load, run = self._side.run or self._side.last, self.run
        return load if load is not None and run is not None and load.plan.directory == run.directory else None

    @property
    def phase(self) -> Phase:
        run = self.conductor.current
        if run is not None:
            return self._phase_of(run)
        if self._unwinding or self._runner.shape_greenlet:
            return Phase.FINISHING
        if self.problems:
            return Phase.FAILED
        if not self.conductor.runs:
            return Phase.READY
        return Phase.ENDED if self.conductor.runs[-1].exit_code == 0 else Phase.FAILED

    def _phase_of(self, run: OwnRun) -> Phase:
        load = self._side.run
        if run.cancelled:
            return Phase.CANCELLING
        if not run.checked:
            return Phase.CHECKING
        if run.reason or run.finishing:
            return Phase.FINISHING
        if load is not None and load.ended is not None:
            return Phase.STOPPING
        return Phase.SET_UP if load is None or load.starts_ns is None else Phase.RUNNING

    @property
    def loading(self) -> bool:
        """Whether operations are under way."""
        return self.phase in (Phase.RUNNING, Phase.STOPPING)

    @property
    def leaving(self) -> bool:
        """Whether the web UI is ending."""
        return self._side.leaving

    @property
    def locust_state(self) -> str:
        """Locust's state for what goes on. Its page asks again only while that is `spawning` or `running`."""
        phase = self.phase
        if phase is Phase.RUNNING:
            return str(self._runner.state) if self._runner.state in (STATE_SPAWNING, STATE_RUNNING) else STATE_SPAWNING
        return _LOCUST_STATES.get(phase) or ("stopped" if self.conductor.runs else "ready")

    @property
    def sentence(self) -> str:
        """What goes on, in words."""
        run, phase = self.run, self.phase
        if self.problems and not phase.busy:
            return "The run did not begin."
        name = f"{run.scenario} on {run.subject}" if run is not None else ""
        return _SENTENCES[phase].format(
            run=name,
            Run=f"The run of {name}",
            step=run.step if run is not None and run.exit_code is None else "workers get ready again",
            stage=self._stage(),
            why=run.explanation if run is not None else "",
        )

    def _stage(self) -> str:
        load = self.load
        if load is None or load.stage is None:
            return "the first stage begins"
        left_s = load.tick.get("left_s", load.timeline.duration_s)
        return f"stage {load.stage.stage.name}, {left_s:.0f} s left"

    # Buttons.

    def start(self, form: MultiDict[str, str]) -> Answer:
        """Checks what was asked, and starts setting it up. Returns when it is known to be possible."""
        if self.phase.busy:
            return Answer(False, f"{self.sentence} One run at a time: stop it, or wait until it has ended.")
        options = choice_of(form, self._environment.parsed_options)
        self.choice = {name: getattr(options, name) for name in CHOICES}
        problems = problems_of(form, self.target, self.scenarios)
        if problems:
            self.problems = [*problems, *map(without_content, self.conductor.problems_of(options))]
            return Answer(False, "\n".join(self.problems))
        return self._start(options)

    def _start(self, options: argparse.Namespace) -> Answer:
        self.problems, self.note = [], ""
        try:
            run = self.conductor.start(options)
        except CannotRunError as error:
            self.problems = list(map(without_content, str(error).splitlines()))
            return Answer(False, "\n".join(self.problems))
        self._workers = self._runner.worker_count
        self._runner.stats.clear_all()
        self._runner.exceptions = {}
        self._runner.start_shape()
        gevent.spawn(self._note_end, run)
        return Answer(True, self.sentence)

    def stop(self) -> Answer:
        """Cancels a set-up, and returns when that is done; or begins to stop a load."""
        phase = self.phase
        if not phase.busy:
            return Answer(False, "Nothing is running.")
        if phase in (Phase.CHECKING, Phase.SET_UP, Phase.CANCELLING):
            return self._cancel()
        if phase is Phase.RUNNING:
            gevent.spawn(self._stop_load)
            return Answer(True, "Stopping: operations under way end first, then the ledger is read.")
        return Answer(True, self.sentence)

    def _cancel(self) -> Answer:
        run = self.conductor.current
        assert run is not None
        self.conductor.cancel()
        until = gevent.Timeout.start_new(FINISH_S)
        try:
            while not run.over.wait(0.2):
                if self._runner.state != STATE_INIT:  # the load began at the same moment
                    self._runner.stop()
        except gevent.Timeout:
            return Answer(False, f"The set-up was cancelled, but its conductor did not end within {FINISH_S:g} s.")
        finally:
            until.cancel()
        return Answer(True, "The set-up was cancelled; no load was made.")

    def _stop_load(self) -> None:
        while self.phase is Phase.RUNNING and self._runner.state == STATE_INIT:
            gevent.sleep(0.05)  # Locust ignores a stop before its first users
        self._runner.stop()

    # What Locust and the conductor do meanwhile.

    def _note_end(self, run: OwnRun) -> None:
        """A run that was not completed is among Locust's exceptions, which has no other place for it."""
        run.over.wait()
        if run.exit_code != 0:
            where = f"{run.directory}/log" if run.directory else ""
            self._runner.log_exception("conductor", f"{run.scenario} on {run.subject}: {run.explanation}", where)

    def _on_test_stopping(self, **_: Any) -> None:
        self._unwinding = True

    def _on_test_stop(self, **_: Any) -> None:
        gevent.spawn(self._await_workers)

    def _await_workers(self) -> None:
        """A worker that has stopped is not counted until it is ready again, and sends its last figures up to three
        seconds late; Locust's page would go on showing what it got before."""
        until = time.monotonic() + _READY_AGAIN_S
        while time.monotonic() < until and not (self._is_stopped() and self._has_figures()):
            gevent.sleep(0.1)
        self._unwinding = False

    def _is_stopped(self) -> bool:
        return self._runner.state != STATE_STOPPING and self._runner.worker_count >= self._workers

    def _has_figures(self) -> bool:
        """Whether Locust's statistics have every operation that the load has counted."""
        counts, entries = self.load.workers.counts() if self.load is not None else {}, self._runner.stats.entries
        return all((name, "") in entries and entries[name, ""].num_requests >= n for name, (n, _) in counts.items())
