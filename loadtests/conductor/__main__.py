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
import traceback
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import psutil

from loadtests.commandline import EX_OK, EX_SOFTWARE, Parser, seed
from loadtests.conductor.choices import Choices, Generator
from loadtests.conductor.commands.study import create_run, create_study, traversable
from loadtests.conductor.disk import full_message, means_full
from loadtests.conductor.failures import EXIT_CODES, BadInput, CannotRun, Reason, Unavailable
from loadtests.conductor.leftovers import described, remove_leftovers
from loadtests.conductor.preflight.request import Asked, check_surroundings, choose, problems_of_servers
from loadtests.conductor.progress import PlainProgress
from loadtests.conductor.reaper import Guardian
from loadtests.conductor.run.execution import Around, Run
from loadtests.conductor.run.load_monitor import Followed
from loadtests.conductor.run.manifest import Identity
from loadtests.conductor.watching import Interrupts, Lines
from loadtests.limits.descriptors import raise_soft_limit
from loadtests.sanitize import sanitize_lines
from loadtests.scenario import ALLOW_COMMANDS
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

    def say(self, text: str) -> None:
        super().say(text)
        self._send(step=sanitize_lines(text))


class Attended:
    """The Locust master that started us: asked to stop, never killed."""

    attended = True
    takes_leave = False

    def __init__(self, reports: Reports) -> None:
        self.pid = os.getppid()
        self._reports = reports

    def ask_to_stop(self, reason: Reason) -> None:
        self._reports.send(stop=reason.code, detail=reason.detail)

    def kill(self) -> None:
        """Not ours to kill."""

    def obituary(self) -> str:
        return "the Locust master has gone"

    def last_words(self) -> str:
        return ""


def workers_of(master: int) -> int:
    """The workers that a master has started: its children but us. One when it waits for workers from elsewhere."""
    with contextlib.suppress(psutil.Error):
        living = [c for c in psutil.Process(master).children() if c.status() != psutil.STATUS_ZOMBIE]
        return max(len(living) - 1, 1)
    return 1


def parse(arguments: list[str]) -> tuple[Asked, argparse.Namespace]:
    parser = Parser(prog="python -m loadtests.conductor", description=__doc__)
    parser.add_argument("--scenario", metavar="NAME", required=True)
    parser.add_argument("--storage", metavar="NAME")
    parser.add_argument("--target", metavar="URL")
    parser.add_argument("--label", metavar="NAME")
    parser.add_argument("--database", metavar="NAME:ENGINE", action="append", default=[])
    parser.add_argument("--i-own", metavar="HOST", action="append", default=[])
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"))
    parser.add_argument("--seed", metavar="N", type=seed)
    parser.add_argument(ALLOW_COMMANDS, action="store_true", help="run the commands of the scenario's timeline")
    parser.add_argument("--check-only", action="store_true", help="exit when everything has been checked")
    parser.add_argument("--ready-fd", metavar="FD", type=int, default=1)
    asked = parser.parse_args(arguments)
    storages = [asked.storage] if asked.storage else []
    generator = Generator(workers_of(os.getppid()))
    return (
        Asked(
            scenario=asked.scenario,
            storages=storages,
            target=asked.target,
            label=asked.label,
            databases=asked.database,
            i_own=asked.i_own,
            rounds=1,
            runs=asked.runs,
            seed=asked.seed,
            generator=generator,
            allow_commands=asked.allow_commands,
            trusts_shipped=False,
        ),
        asked,
    )


def attend(choices: Choices, reports: Reports) -> int:
    """Makes one run, of the first storage system when several are chosen. Returns the exit code."""
    subject, progress = choices.subjects[0], ReportedProgress(reports.send)
    with Interrupts() as interrupts, Guardian() as guardian:
        study = create_study(choices.runs, choices.scenario.name, datetime.now(UTC), traversable([subject]))
        directory = create_run(study, 1, subject)
        reports.send(directory=str(directory.path))
        around = Around(choices, guardian, interrupts, progress)
        run = Run(around, Identity(study.name, directory.name, 1, subject), directory)
        followed = _attended(run, reports)
        reports.send(step="reading the ledger and stopping servers" if run.parts.pods else "stopping")
        reason = run.finish(followed)
    for line in filter(None, (reason.last_words, f"{study}: {reason.code}", reason.detail)):
        print(line, file=sys.stderr)
    code = EXIT_CODES[reason.code]
    detail = "\n".join(filter(None, (reason.detail, reason.last_words)))
    reports.send(ended=reason.code, detail=detail, exit_code=code)
    return code


def _attended(run: Run, reports: Reports) -> Followed:
    engine = Attended(reports)
    with run.ending_on_failure() as ended:
        run.prepare()
        reports.send(step="starting servers, calibration and pods" if run.identity.subject.storage else "connecting")
        pods = run.start_pods()
        reports.send(step="starting the observer")
        run.observe_and_declare(pods)
        run.parts.watch("generator", "locust", engine.pid)
        reports.send(plan=asdict(run.plan(pods)), secret=run.parts.token_secret)
        return run.follow(engine, Lines(sys.stdin.fileno()))
    return ended()


def _check(asked: Asked, reports: Reports) -> Choices:
    """Raises CannotRun with every problem that can be found."""
    try:
        choices = choose(asked)
    except BadInput as error:
        raise BadInput("\n".join([str(error), *problems_of_servers(asked.storages)])) from None
    for note in choices.notes:
        print(note, file=sys.stderr)
    choices = check_surroundings(choices)
    reports.send(checked=choices.scenario.name, subject=choices.subjects[0].name)
    return choices


def _make(asked: Asked, reports: Reports, arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises CannotRun before a run directory has been made."""
    choices = _check(asked, reports)
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
    asked, arguments = parse(sys.argv[1:])
    raise_soft_limit()
    reports = Reports(arguments.ready_fd)
    try:
        code = _make(asked, reports, arguments)
    except CannotRun as error:
        print(error, file=sys.stderr)
        code = error.exit_code
        reports.send(refused=str(error).splitlines(), exit_code=code)
    except Exception as error:
        traceback.print_exc()
        fault = f"this is a fault of the harness: {type(error).__name__}: {error}"
        print(fault, file=sys.stderr)
        code = EX_SOFTWARE
        reports.send(refused=fault.splitlines(), exit_code=code)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
