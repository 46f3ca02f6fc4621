# mypy: disable-error-code="no-untyped-call"
"""Our hooks into Locust: start of master and workers, signals, the end."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any, NoReturn

import gevent
import psutil
from locust import argument_parser, events, runners
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.commandline import EX_INTERRUPTED, EX_USAGE
from loadtests.generator.admission import problems_of_environment, without_user_keys
from loadtests.generator.channel import sockets
from loadtests.generator.channel.guard import guard
from loadtests.generator.master import MasterSide, StagesShape
from loadtests.generator.ownrun import OwnConductor
from loadtests.generator.prepared import GivenRun
from loadtests.generator.worker import WorkerSide
from loadtests.generator.workerstate import be_patient
from loadtests.sanitize import sanitize_lines
from loadtests.scenario import RunPlan

STOP_TIMEOUT_S = 2.0
"""How long an agent may take to leave when a stage needs fewer of them."""

MASTER_SILENT_S = 10
"""A worker on another host ends when it receives nothing from its master for so long."""

_MASTER_FIRST_S = 1.0

_LOADED_BY = os.getpid()
"""The process that read the locustfile: in workers that Locust forked, their parent."""


def install() -> None:
    sockets.install()
    events.init.add_listener(_on_init)


class _CleanFormatter(logging.Formatter):
    """Another formatter's lines, with text of servers and exceptions in them made safe to show."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        return sanitize_lines(self._formatter.format(record))


def _clean_logs() -> None:
    for logger in (logging.getLogger(), logging.getLogger("locust")):
        for handler in logger.handlers:
            if handler.formatter is not None and not isinstance(handler.formatter, _CleanFormatter):
                handler.setFormatter(_CleanFormatter(handler.formatter))


def _on_init(environment: Environment, runner: Any, **_: Any) -> None:
    _clean_logs()
    if problems := problems_of_environment(environment):
        _refuse("\nloadtests: ".join(problems), EX_USAGE)
    if isinstance(runner, WorkerRunner):
        _become_worker(environment, runner)
    elif isinstance(runner, MasterRunner):
        _become_master(environment, runner)
    else:
        _refuse("a load needs a master and at least one worker: add --processes 1 (or more)", 64)


def _is_forked_by_master() -> bool:
    """The parent of workers on another host is no master."""
    return os.getpid() != _LOADED_BY and "--worker" not in sys.argv


def _refuse(message: str, code: int) -> NoReturn:
    """Ends this process; of a master with forked workers, the master says why."""
    if not _is_forked_by_master():
        print(f"loadtests: {message}", file=sys.stderr, flush=True)
    for worker in psutil.Process().children():  # one that is still connecting would go on trying for minutes
        with contextlib.suppress(psutil.Error):
            worker.kill()
    sys.exit(code)


# The master.


def _become_master(environment: Environment, runner: MasterRunner) -> None:
    environment.stop_timeout = STOP_TIMEOUT_S
    given = os.environ.get("LOADTESTS_PLAN")
    guard(runner, None if given is None else getattr(environment.parsed_options, "expect_workers", None))
    without_user_keys()
    be_patient()

    def gone() -> None:
        # Called in the greenlet that writes the lines, which ending the run kills.
        gevent.spawn(side.interrupt, 70) if given is not None else gevent.spawn(runner.stop)

    own = OwnConductor(environment.parsed_options, gone) if given is None else None
    side = MasterSide(environment, runner, own or _given(given or "", gone))
    StagesShape.master, StagesShape.conductor = side, own
    if given is not None:
        gevent.spawn(side.await_workers)
    signals = count(1)

    def on_signal() -> None:
        """The first ends the run in order, the third at once."""
        number = next(signals)
        if number == 1:
            side.interrupt()
        elif number > 2:
            os._exit(130)

    for interrupt in (signal.SIGINT, signal.SIGTERM):  # headless, Locust handles SIGTERM only when its test is over
        gevent.signal_handler(interrupt, on_signal)


def _given(text: str, gone: Callable[[], None]) -> GivenRun:
    try:
        return GivenRun(RunPlan.from_json(text), gone)
    except (ValueError, KeyError, TypeError) as error:
        _refuse(f"LOADTESTS_PLAN is not a plan: {error!r}", 64)


# A worker.


def _become_worker(environment: Environment, runner: WorkerRunner) -> None:
    environment.process_exit_code = 0
    ignore_wall_clock()
    _remember_default_arguments()
    _forget_live_lines()
    side = WorkerSide(environment, runner)
    _count_unhandled_errors(side)
    if os.getpid() != _LOADED_BY:
        gevent.spawn(_watch_parent, side)
    if not _is_forked_by_master():
        gevent.spawn(_watch_master, runner, side)
    _handle_signals(side, environment)


def _count_unhandled_errors(side: WorkerSide) -> None:
    """An exception that ends a greenlet or a callback is only printed by gevent; it may have been an agent's."""
    hub = gevent.get_hub()
    handle = hub.handle_error

    def count_and_handle(context: Any, kind: Any, value: Any, trace: Any) -> None:
        if isinstance(value, Exception):
            side.note_crash(value)
        handle(context, kind, value, trace)

    hub.handle_error = count_and_handle


def _handle_signals(side: WorkerSide, environment: Environment) -> None:
    """SIGINT, SIGTERM and SIGHUP end a worker with its rows kept, and the master learns why. Locust itself ends at
    SIGTERM only, by a handler of its own."""

    def leave(number: signal.Signals) -> None:
        side.cause = side.cause or number.name
        if number == signal.SIGINT and _is_forked_by_master():
            _leave_after_master(side)
        if side.busy:
            environment.process_exit_code = EX_INTERRUPTED
        if number != signal.SIGTERM:
            os.kill(os.getpid(), signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves SIGHUP
            gevent.signal_handler(number, leave, number)


def _remember_default_arguments() -> None:
    """At every change of the number of users Locust's worker asks for them, once for each of its options, and each time
    they are parsed anew: the load stood still for 60 ms (measured). They stay the same."""
    default = argument_parser.default_args_dict()
    argument_parser.default_args_dict = lambda: default


def _leave_after_master(side: WorkerSide) -> None:
    """Ctrl-C in a terminal reaches workers too, and Locust's master sends it to those that linger. The master is to
    end the run: it does so within a second, or not at all."""
    gevent.sleep(_MASTER_FIRST_S)
    if side.busy:
        side.end()
    if side.run is not None:
        gevent.sleep(MASTER_SILENT_S)
    os._exit(0)


def _forget_live_lines() -> None:
    """The pipe is the master's: its reader is to see the end when the master is gone."""
    descriptor = os.environ.pop("LOADTESTS_LIVE_FD", None)
    if descriptor is not None and os.getpid() != _LOADED_BY:
        os.close(int(descriptor))


def _watch_parent(side: WorkerSide) -> None:
    """Ends this worker within a second of its master's death, its rows kept."""
    while os.getppid() == _LOADED_BY:
        gevent.sleep(0.25)
    _end(side)


def _watch_master(runner: WorkerRunner, side: WorkerSide) -> None:
    """Counts the seconds in which this process ran: one that was stopped has received nothing, either."""
    latest, silent_s = None, 0
    while silent_s < MASTER_SILENT_S:
        gevent.sleep(1.0)
        before, latest = latest, runner.last_heartbeat_timestamp
        silent_s = silent_s + 1 if latest is not None and latest == before else 0
    _end(side)


def ignore_wall_clock() -> None:
    """Locust takes a wall clock that was set an hour forward for an hour without a heartbeat, and ends the worker.
    `_watch_master` and `_watch_parent` see a master that is gone."""
    runners.MASTER_HEARTBEAT_TIMEOUT = sys.maxsize


def _end(side: WorkerSide) -> NoReturn:
    side.save()
    os._exit(70)
