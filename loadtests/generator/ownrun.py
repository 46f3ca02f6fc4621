# mypy: disable-error-code="no-untyped-call"
"""Runs that the master asks for itself, from Locust's own command or its web UI: a conductor process for each."""

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gevent
import gevent.os
import orjson
from gevent import subprocess
from gevent.event import AsyncResult, Event

from loadtests.commandline import ALLOW_COMMANDS
from loadtests.environment import carrier_environment
from loadtests.generator.prepared import CannotRunError, LiveLines, Prepared
from loadtests.scenario import RunPlan

READY_S = 180.0
"""How long a conductor may take to have servers and pods ready."""

FINISH_S = 180.0
"""How long it may take to end: to read the ledger and to stop what it started."""

CANCELLED = "the set-up was cancelled"

_LOG_TAIL = 20
"""Lines of a conductor's standard error that explain its end when it has reported none."""


def conductor_arguments(options: Any) -> list[str]:
    """What was asked for on Locust's command line, or in its start form, as the conductor's arguments."""
    chosen = [("--scenario", options.scenario), ("--runs", options.runs_dir)]
    chosen += [("--target", options.target), ("--label", options.label), ("--i-own", options.i_own)]
    chosen.append(("--database", options.database))  # without a target, the conductor refuses what belongs to one
    chosen.append(("--protocol", options.protocol))
    if not options.target:
        chosen.append(("--storage", options.storage))
    # One word each, so that a value that begins with a dash stays a value.
    arguments = [f"{name}={value}" for name, value in chosen if value]
    return [*arguments, ALLOW_COMMANDS] if options.allow_commands else arguments


@dataclass
class OwnRun:
    """One run that was asked for here, as far as its conductor has reported."""

    scenario: str
    subject: str
    """Storage system or target, by name."""
    began_at: float = field(default_factory=time.time)
    """Unix time, s."""
    checked: bool = False
    """Whether it passed every check; one that did not has no run directory."""
    step: str = "beginning"
    """What is being set up, or ended."""
    directory: str = ""
    cancelled: bool = False
    finishing: bool = False
    """Whether the load has ended and the conductor reads the ledger and stops its servers."""
    reason: str = ""
    """Of the end, as in end.json; empty until then."""
    detail: str = ""
    problems: list[str] = field(default_factory=list)
    """Why it did not begin."""
    exit_code: int | None = None
    ready: AsyncResult = field(default_factory=AsyncResult, repr=False)
    """The conductor's `plan` report. Raises CannotRunError."""
    accepted: AsyncResult = field(default_factory=AsyncResult, repr=False)
    """Set when the checks have passed. Raises CannotRunError."""
    over: Event = field(default_factory=Event, repr=False)
    """Set when the conductor has ended."""

    def take(self, report: dict[str, Any]) -> None:
        self.step = report.get("step", self.step)
        self.directory = report.get("directory", self.directory)
        if "checked" in report:
            self.scenario, self.subject, self.checked = report["checked"], report["subject"], True
            self.accepted.set(None)
        elif "plan" in report:
            self.step = "preparing workers"
            self.ready.set(report)
        elif "refused" in report:
            self.problems, self.exit_code = list(report["refused"]), int(report["exit_code"])
        elif "ended" in report:
            self.reason, self.detail = report["ended"], report["detail"]
            self.exit_code = int(report["exit_code"])

    def settle(self, exit_code: int, log_tail: str) -> None:
        """The conductor has ended. Without a report of its end, its log explains it."""
        if self.exit_code is None:
            self.exit_code = exit_code if exit_code > 0 else 70
            how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
            logged = [line for line in log_tail.splitlines() if line.strip()]
            self.problems = [CANCELLED] if self.cancelled else logged or [f"the conductor {how}"]
        if self.cancelled:
            self.exit_code = 130
        error = CannotRunError(self.exit_code, self.explanation)
        for result in (self.accepted, self.ready):
            if not result.ready():
                result.set_exception(error)
        self.over.set()

    @property
    def explanation(self) -> str:
        """Why it ended or did not begin; several problems on several lines."""
        if self.cancelled:
            return CANCELLED
        return "\n".join(self.problems) or ": ".join(filter(None, (self.reason, self.detail)))


class OwnConductor:
    """Starts a conductor for each run, one at a time. `gone` is called when one ends in mid-run."""

    def __init__(self, options: Any, gone: Callable[[], None]) -> None:
        self._options = options
        self._gone = gone
        self._child: subprocess.Popen | None = None
        self._lines_end: int | None = None
        """The conductor's standard input, until a run has it."""
        self.runs: list[OwnRun] = []
        """Every run of this session that passed its checks, in order."""
        self.current: OwnRun | None = None
        """The run that has not ended yet."""
        self._latest: OwnRun | None = None
        self._pending: OwnRun | None = None
        """Started, and not yet taken by `prepare`."""
        self.refused: OwnRun | None = None
        """The last run that did not begin, until one does."""

    @property
    def cancelled(self) -> bool:
        return self._latest is not None and self._latest.cancelled

    def start(self, options: Any) -> OwnRun:
        """Starts a conductor and returns when it has checked everything. Raises CannotRunError with every problem. One
        at a time: `current` must be None."""
        assert self.current is None
        subject = options.label if options.target else options.storage
        run = self.current = self._latest = self._pending = OwnRun(options.scenario, subject)
        try:
            self._start(run, options)
        except (OSError, ValueError) as error:  # ValueError: an argument that no process can have
            run.settle(70, f"the conductor does not start: {error}")
            self._end(run)
        try:
            with gevent.Timeout(READY_S, CannotRunError(69, f"the checks took longer than {READY_S:g} s")):
                run.accepted.get()
        except BaseException as error:
            self._pending, self.refused = None, run
            self._terminate(run)
            if isinstance(error, CannotRunError):
                self.abandon(error)
            raise
        self.refused = None
        return run

    def problems_of(self, options: Any) -> list[str]:
        """What speaks against a run; nothing is started."""
        argv, nothing = [*_conductor(options), "--check-only"], subprocess.DEVNULL
        environment = carrier_environment()
        try:
            checked = subprocess.run(argv, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, env=environment)
        except (OSError, ValueError) as error:
            return [f"the conductor does not start: {error}"]
        return str(checked.stderr.decode(errors="replace")).splitlines() if checked.returncode else []

    def prepare(self) -> Prepared:
        """Waits until the run that was started, or a new one, is set up. Raises CannotRunError with the conductor's own
        words and exit code."""
        run = self._pending or self.start(self._options)
        self._pending = None
        timeout = CannotRunError(69, f"the conductor was not ready within {READY_S:g} s")
        try:
            with gevent.Timeout(READY_S, timeout):
                report = run.ready.get()
        except BaseException:
            self._terminate(run)
            raise
        plan, secret = RunPlan.from_json(orjson.dumps(report["plan"]).decode()), str(report["secret"])
        lines_end, self._lines_end = self._lines_end, None
        assert lines_end is not None
        return Prepared(plan, secret, LiveLines(lines_end, self._gone), lambda: self._finish(run))

    def cancel(self) -> None:
        """Ends the set-up of the current run; returns at once. Its conductor stops what it has started."""
        if (run := self.current) is not None and self._child is not None:
            run.cancelled, run.step = True, "stopping what was started"
            self._child.terminate()

    def abandon(self, problem: CannotRunError) -> None:
        """The latest run cannot begin, for a reason that may have been found here."""
        if (run := self._latest) is None:
            return
        self._pending = None
        if not run.cancelled:
            run.problems = str(problem).splitlines()
        self._terminate(run)

    def _terminate(self, run: OwnRun) -> None:
        """Returns when its conductor has stopped what it had started."""
        if run is self.current and self._child is not None:
            self._child.terminate()
            run.over.wait(FINISH_S)

    def _start(self, run: OwnRun, options: Any) -> None:
        """Raises OSError, ValueError."""
        with contextlib.ExitStack() as opened:
            reports, reports_end = _pipe(opened)
            stdin, lines_end = _pipe(opened)
            argv = [*_conductor(options), f"--ready-fd={reports_end}"]
            environment = carrier_environment()
            child = subprocess.Popen(argv, stdin=stdin, stderr=subprocess.PIPE, pass_fds=[reports_end], env=environment)
            opened.pop_all()
        os.close(reports_end)
        os.close(stdin)
        self._child, self._lines_end = child, lines_end
        tail: deque[str] = deque(maxlen=_LOG_TAIL)
        relay = gevent.spawn(_relay, child.stderr, tail)
        gevent.spawn(self._monitor_run, run, child, reports, lambda: relay.join(1.0) or "".join(tail))

    def _monitor_run(self, run: OwnRun, child: subprocess.Popen, reports: int, log_tail: Callable[[], str]) -> None:
        """Applies the conductor's reports until it has ended."""
        try:
            for line in _lines(reports):
                report = orjson.loads(line)
                run.take(report)
                if run.checked and run not in self.runs:
                    self.runs.append(run)
                if "stop" in report:
                    self._gone()
        finally:
            os.close(reports)
        code = int(child.wait())
        run.settle(code, log_tail())
        self._end(run)

    def _end(self, run: OwnRun) -> None:
        if run is self.current:
            self.current = self._child = None
            if self._lines_end is not None:
                os.close(self._lines_end)
                self._lines_end = None

    def _finish(self, run: OwnRun) -> int:
        run.finishing = True
        if not run.over.wait(FINISH_S) and self._child is not None:
            run.problems = [f"the conductor did not end within {FINISH_S:g} s"]
            self._child.kill()
            run.over.wait()
        return 70 if run.exit_code is None else run.exit_code


def _conductor(options: Any) -> list[str]:
    """-P: the user's working directory, to which paths are relative, is no place to import from."""
    return [sys.executable, "-P", "-m", "loadtests.conductor", *conductor_arguments(options)]


def _pipe(opened: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        opened.callback(os.close, end)
    return ends


def _lines(descriptor: int) -> Iterator[bytes]:
    """Whole lines until end of file."""
    gevent.os.make_nonblocking(descriptor)
    rest = b""
    while chunk := gevent.os.nb_read(descriptor, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _relay(stderr: Any, tail: deque[str]) -> None:
    """Passes a conductor's standard error on and keeps its last lines."""
    for line in stderr:
        text = line.decode(errors="replace")
        tail.append(text)
        sys.stderr.write(text)
        sys.stderr.flush()
