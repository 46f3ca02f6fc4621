"""`loadtests run`, `loadtests ui` and `loadtests clean`, from parsed arguments to exit code."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from loadtests import storagenames
from loadtests.commandline import EX_OK, EX_UNAVAILABLE
from loadtests.conductor.choices import Choices
from loadtests.conductor.commands.study import create_study, run_study, traversable
from loadtests.conductor.disk import full_message, means_full
from loadtests.conductor.failures import EXIT_CODES, CannotRun, RunEnded, Unavailable
from loadtests.conductor.host import DISTRIBUTION, version_of
from loadtests.conductor.hosts import agent, localtoken
from loadtests.conductor.hosts.admission import Admission
from loadtests.conductor.hosts.roster import roster_of
from loadtests.conductor.leftovers import described, remove_leftovers
from loadtests.conductor.ports import problems_of_port
from loadtests.conductor.preflight.request import StudyRequest, check_environment, check_form, choose
from loadtests.conductor.progress import progress_for
from loadtests.conductor.run.locust import locust_argv
from loadtests.conductor.watching import Interrupts
from loadtests.environment import carrier_environment
from loadtests.hostidentity import host_identity
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET, join_secret
from loadtests.servers.record import COULD_NOT
from loadtests.standardstreams import print_path


def run(request: StudyRequest) -> int:
    """Makes a study and prints its directory as the last line of standard output. Returns the exit code."""
    try:
        choices = choose(request)
        for note in choices.notes:
            print(note, file=sys.stderr)
        for done in remove_leftovers(choices.runs):
            print(described(done), file=sys.stderr)
        choices = check_environment(choices)
    except CannotRun as error:
        print(f"loadtests run: {error}", file=sys.stderr)
        return error.exit_code
    try:
        return _run_study(choices)
    except localtoken.LocalTokenError as error:
        print(f"loadtests run: no place for the token of local workers: {error}. Set {JOIN_TOKEN}", file=sys.stderr)
        return Unavailable.exit_code
    except OSError as error:
        if not means_full(error):
            raise
        print(f"loadtests run: {full_message(choices.runs)}", file=sys.stderr)
        return Unavailable.exit_code


def _run_study(choices: Choices) -> int:
    """Workers that run elsewhere are there before the study is created."""
    progress, study, generator = progress_for(sys.stderr), None, choices.generator
    try:
        with (
            Interrupts() as interrupts,
            _admission(choices) as admission,
            roster_of(generator.bind, admission, generator.wait_s, progress.report) as roster,
        ):
            if roster is not None:
                roster.gather(interrupts)
            study = create_study(choices.runs, choices.scenario.name, datetime.now(UTC), traversable(choices.subjects))
            return run_study(choices, study, interrupts, progress, roster)
    except RunEnded as ended:
        progress.report(f"no study was made: {ended.reason}")
        return EXIT_CODES[ended.reason.code]
    finally:
        progress.close()
        if study is not None:
            print_path(study)


@contextmanager
def _admission(choices: Choices) -> Iterator[Admission]:
    """What hosts of workers have to prove. Without a secret in the environment the master's own pods are loaded, by
    processes of the same user on this host: they read the token from a file."""
    loads_target = any(subject.target is not None for subject in choices.subjects)
    secret, path = os.environ.get(TOKEN_SECRET, "") if loads_target else "", None
    join, variable = join_secret({JOIN_TOKEN: os.environ.get(JOIN_TOKEN, ""), TOKEN_SECRET: secret})
    if choices.generator.bind is not None and not join:
        path, join = localtoken.create(int(choices.generator.bind.rpartition(":")[2]))
    try:
        yield Admission(
            expected=choices.generator.workers,
            version=version_of(DISTRIBUTION) or "unknown",
            host=host_identity(),
            join_secret=join,
            join_variable=variable,
            secret=secret,
        )
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def clean(runs: Path) -> int:
    """Ends and removes what killed harnesses left, servers first, and prints what it did. Returns the exit code."""
    done = remove_leftovers(runs)
    print("\n".join(done) or f"nothing was left in {runs}")
    return EX_UNAVAILABLE if any(sentence.startswith(COULD_NOT) for sentence in done) else EX_OK


def serve_master(master: str, processes: int, wait_s: float) -> int:
    """Serves the study of the master on HOST:PORT with worker processes. Returns the exit code."""
    return agent.serve(master, processes, wait_s)


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
    host: str = "127.0.0.1"
    """Where it listens."""
    address: str = ""
    """Where this host's browser finds it."""
    protocol: str | None = None
    access: Sequence[str] = ()
    """Further options, as Locust's command has them: who may use it, and for what."""


def web_ui(request: WebUi) -> int:  # noqa: RET503  the last line does not return
    """Becomes the Locust web UI until it is ended with Ctrl-C; returns when it cannot. Locust's command line, with our
    locustfile, decides whether it may listen there."""
    try:
        if note := check_form(request.scenario, request.storage, request.target, request.protocol):
            print(note, file=sys.stderr)
        if problems := problems_of_port("--port", request.host or "*", request.port):
            raise Unavailable("\n".join(problems))
    except CannotRun as error:
        print(f"loadtests ui: {error}", file=sys.stderr)
        return error.exit_code
    print(f"the web UI is at {request.address} until you press Ctrl-C", file=sys.stderr)
    _become(web_ui_argv(request))


def _become(argv: list[str]) -> NoReturn:
    os.execve(argv[0], argv, carrier_environment())  # noqa: S606  it takes our place


def web_ui_argv(request: WebUi) -> list[str]:
    """The master chooses its own private port: one that we kept for it would be free once it has taken our place."""
    return [
        *(*locust_argv(), "--processes", str(request.processes)),
        *("--web-host", request.host, "--web-port", str(request.port), *request.access),
        *("--runs-dir", str(request.runs)),
        *(("--scenario", request.scenario) if request.scenario else ()),
        *(("--storage", str(storagenames.parse(request.storage))) if request.storage else ()),
        *(("--protocol", request.protocol) if request.protocol else ()),
        *(f"--{name.replace('_', '-')}={value}" for name, value in request.target.items()),
    ]
