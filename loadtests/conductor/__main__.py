"""`python -m loadtests.conductor`: one run of a Locust master that was started by hand or from its web UI.

Checks what was asked, prepares a run, reads live lines from standard input and finishes the run at `drained` or end of
file. Reports on `--ready-fd`, one JSON object a line, each known by its first key: `checked`, `refused`, `directory`,
`step`, `plan`, `stop`, `ended`. SIGTERM before `plan` cancels the run.
"""

from loadtests import environment

if __name__ == "__main__":  # before any library is imported
    environment.clean()

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import psutil

from loadtests.commandline import ALLOW_COMMANDS, EX_OK, EX_SOFTWARE, Parser, complain_of_fault, seed
from loadtests.conductor.choices import Choices, Generator
from loadtests.conductor.commands.study import create_run, create_study, traversable
from loadtests.conductor.disk import full_message, means_full
from loadtests.conductor.failures import EXIT_CODES, BadInput, CannotRun, Reason, Unavailable
from loadtests.conductor.leftovers import described, remove_leftovers
from loadtests.conductor.preflight.request import StudyRequest, check_environment, choose, problems_of_servers
from loadtests.conductor.progress import PlainProgress
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.run.execution import Run, StudyContext
from loadtests.conductor.run.load_monitor import LoadResult
from loadtests.conductor.run.manifest import RunIdentity
from loadtests.conductor.watching import Interrupts, Lines
from loadtests.limits.descriptors import raise_soft_limit
from loadtests.sanitize import sanitize_lines
from loadtests.standardstreams import secure


class Reports:
    """Lines for the Locust master that started us; dropped when it is gone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, **report: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._descriptor, json.dumps(report).encode() + b"\n")


class ReportedProgress(PlainProgress):
    """Progress on standard error, and as `step` reports."""

    def __init__(self, send: Callable[..., None]) -> None:
        super().__init__(sys.stderr)
        self._send = send

    def report(self, text: str) -> None:
        super().report(text)
        self._send(step=sanitize_lines(text))


class ExternalMaster:
    """The Locust master that started us: asked to stop, never killed."""

    is_external = True
    needs_shutdown = False

    def __init__(self, reports: Reports) -> None:
        self.pid = os.getppid()
        self._reports = reports

    def ask_to_stop(self, reason: Reason) -> None:
        self._reports.send(stop=reason.code, detail=reason.detail)

    def kill(self) -> None:
        """Not ours to kill."""

    def exit_summary(self) -> str:
        return "the Locust master has gone"

    def log_tail(self) -> str:
        return ""


def workers_of(master: int) -> int:
    """The workers that a master has started: its children but us. One when it waits for workers from elsewhere."""
    with contextlib.suppress(psutil.Error):
        living = [c for c in psutil.Process(master).children() if c.status() != psutil.STATUS_ZOMBIE]
        return max(len(living) - 1, 1)
    return 1


def parse(arguments: list[str]) -> tuple[StudyRequest, argparse.Namespace]:
    parser = Parser(prog="python -m loadtests.conductor", description=__doc__)
    parser.add_argument("--scenario", metavar="NAME", required=True)
    parser.add_argument("--storage", metavar="NAME", action="append", default=[])
    parser.add_argument("--target", metavar="URL")
    parser.add_argument("--label", metavar="NAME")
    parser.add_argument("--database", metavar="NAME:ENGINE", action="append", default=[])
    parser.add_argument("--i-own", metavar="HOST", action="append", default=[])
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"))
    parser.add_argument("--protocol", metavar="NAME")
    parser.add_argument("--seed", metavar="N", type=seed)
    parser.add_argument(ALLOW_COMMANDS, action="store_true", help="run the commands of the scenario's timeline")
    parser.add_argument("--check-only", action="store_true", help="exit when everything has been checked")
    parser.add_argument("--ready-fd", metavar="FD", type=int, default=1)
    options = parser.parse_args(arguments)
    generator = Generator(workers_of(os.getppid()))
    return StudyRequest.of(options, generator, rounds=1, trusts_shipped=False), options


def attend(choices: Choices, reports: Reports) -> int:
    """Makes one run, of the first storage system when several are chosen. Returns the exit code."""
    subject, progress = choices.subjects[0], ReportedProgress(reports.send)
    with Interrupts() as interrupts, ProcessReaper() as reaper:
        study = create_study(choices.runs, choices.scenario.name, datetime.now(UTC), traversable([subject]))
        directory = create_run(study, 1, subject)
        reports.send(directory=str(directory.path))
        context = StudyContext(choices, reaper, interrupts, progress)
        run = Run(context, RunIdentity(study.name, directory.name, 1, subject), directory)
        result = _monitor_external(run, reports)
        reports.send(step="reading the ledger and stopping servers" if run.components.pods else "stopping")
        reason = run.finish(result)
    for line in filter(None, (reason.log_tail, f"{study}: {reason.code}", reason.detail)):
        print(line, file=sys.stderr)
    code = EXIT_CODES[reason.code]
    detail = "\n".join(filter(None, (reason.detail, reason.log_tail)))
    reports.send(ended=reason.code, detail=detail, exit_code=code)
    return code


def _monitor_external(run: Run, reports: Reports) -> LoadResult:
    engine = ExternalMaster(reports)
    with run.ending_on_failure() as ended:
        run.prepare()
        reports.send(step="starting servers, calibration and pods" if run.identity.subject.storage else "connecting")
        pods = run.start_pods()
        reports.send(step="starting the observer")
        run.observe_and_declare(pods)
        run.components.watch("generator", "locust", engine.pid)
        reports.send(plan=asdict(run.plan(pods)), secret=run.components.token_secret)
        return run.follow(engine, Lines(sys.stdin.fileno()))
    return ended()


def _check(request: StudyRequest, reports: Reports) -> Choices:
    """Raises CannotRun with every problem that can be found."""
    try:
        choices = choose(request)
    except BadInput as error:
        raise BadInput("\n".join([str(error), *problems_of_servers(request.storages)])) from None
    for note in choices.notes:
        print(note, file=sys.stderr)
    choices = check_environment(choices)
    reports.send(checked=choices.scenario.name, subject=choices.subjects[0].name)
    return choices


def _make(request: StudyRequest, reports: Reports, arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises CannotRun before a run directory has been made."""
    choices = _check(request, reports)
    if arguments.check_only:
        return EX_OK
    for done in remove_leftovers(choices.runs):
        print(described(done), file=sys.stderr)
    try:
        return attend(choices, reports)
    except OSError as error:
        if means_full(error):
            raise Unavailable(full_message(choices.runs)) from None
        raise


def main() -> NoReturn:
    secure("loadtests")
    request, arguments = parse(sys.argv[1:])
    raise_soft_limit()
    reports = Reports(arguments.ready_fd)
    try:
        code = _make(request, reports, arguments)
    except CannotRun as error:
        print(error, file=sys.stderr)
        code = error.exit_code
        reports.send(refused=str(error).splitlines(), exit_code=code)
    except Exception as error:
        complain_of_fault("loadtests", error)
        code = EX_SOFTWARE
        fault = f"a fault of the harness: {type(error).__name__}: its text is on the terminal"
        reports.send(refused=[fault], exit_code=code)  # a page of the web UI, where no text of an exception belongs
    raise SystemExit(code)


if __name__ == "__main__":
    main()
