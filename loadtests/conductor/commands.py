"""`loadtests run`, `loadtests ui` and `loadtests clean`, from parsed arguments to exit code."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from loadtests.commandline import EX_OK, EX_UNAVAILABLE
from loadtests.conductor.choices import Choices
from loadtests.conductor.disk import full_message, means_full
from loadtests.conductor.failures import CannotRun, Unavailable
from loadtests.conductor.locust import locust_argv, worker_argv
from loadtests.conductor.ports import problems_of_port
from loadtests.conductor.preflight import Asked, check_form, check_surroundings, choose
from loadtests.conductor.progress import progress_for
from loadtests.conductor.study import create_study, run_study
from loadtests.conductor.watching import Interrupts
from loadtests.environment import carrier_environment
from loadtests.pod.storage import registry
from loadtests.servers.leftovers import remove_leftovers
from loadtests.servers.record import COULD_NOT
from loadtests.standardstreams import print_path


def run(asked: Asked) -> int:
    """Makes a study and prints its directory as the last line of standard output. Returns the exit code."""
    try:
        choices = choose(asked)
        for note in choices.notes:
            print(note, file=sys.stderr)
        for done in remove_leftovers(choices.runs):
            print(f"left by a harness that was killed: {done}", file=sys.stderr)
        check_surroundings(choices)
    except CannotRun as error:
        print(f"loadtests run: {error}", file=sys.stderr)
        return error.exit_code
    try:
        study = create_study(choices.runs, choices.scenario.name, datetime.now(UTC))
        return _run_study(choices, study)
    except OSError as error:
        if not means_full(error):
            raise
        print(f"loadtests run: {full_message(choices.runs)}", file=sys.stderr)
        return Unavailable.exit_code


def _run_study(choices: Choices, study: Path) -> int:
    progress = progress_for(sys.stderr)
    try:
        with Interrupts() as interrupts:
            return run_study(choices, study, interrupts, progress)
    finally:
        progress.close()
        print_path(study)


def clean(runs: Path) -> int:
    """Ends and removes the servers that killed harnesses left, and prints what it did. Returns the exit code."""
    done = remove_leftovers(runs)
    print("\n".join(done) or f"nothing was left in {runs}")
    return EX_UNAVAILABLE if any(sentence.startswith(COULD_NOT) for sentence in done) else EX_OK


def work_for(master: str, processes: int) -> NoReturn:
    """Becomes a Locust worker of the master on HOST:PORT."""
    _become(worker_argv(master, processes))


@dataclass(frozen=True)
class WebUi:
    """What the web UI's start form begins with, and where it is. None: what the form itself prefers."""

    scenario: str | None
    storage: str | None
    runs: Path
    processes: int
    port: int
    target: Mapping[str, str] = field(default_factory=dict)
    """`target`, `label`, `database` and `i_own`, those that were given: a pod that is running already."""


def web_ui(asked: WebUi) -> int:  # noqa: RET503  the last line does not return
    """Becomes the Locust web UI, on this machine only, until it is ended with Ctrl-C; returns when it cannot."""
    try:
        if note := check_form(asked.scenario, asked.storage, asked.target):
            print(note, file=sys.stderr)
        if problems := problems_of_port("--port", "127.0.0.1", asked.port):
            raise Unavailable("\n".join(problems))
    except CannotRun as error:
        print(f"loadtests ui: {error}", file=sys.stderr)
        return error.exit_code
    print(f"the web UI is at http://127.0.0.1:{asked.port} until you press Ctrl-C", file=sys.stderr)
    _become(web_ui_argv(asked))


def _become(argv: list[str]) -> NoReturn:
    os.execve(argv[0], argv, carrier_environment())  # noqa: S606  it takes our place


def web_ui_argv(asked: WebUi) -> list[str]:
    """The master chooses its own private port: one that we kept for it would be free once it has taken our place."""
    return [
        *(*locust_argv(), "--processes", str(asked.processes)),
        *("--web-host", "127.0.0.1", "--web-port", str(asked.port)),
        *("--runs-dir", str(asked.runs)),
        *(("--scenario", asked.scenario) if asked.scenario else ()),
        *(("--storage", str(registry.parse(asked.storage))) if asked.storage else ()),
        *(f"--{name.replace('_', '-')}={value}" for name, value in asked.target.items()),
    ]
