"""Studies: `loadtests run`, `loadtests clean`; several runs to be compared, interleaved."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from loadtests import engines, storagenames
from loadtests.commandline import EX_OK, EX_UNAVAILABLE, host_and_port
from loadtests.conductor.choices import Choices, Generator, Subject
from loadtests.conductor.disk import full_message, means_full
from loadtests.conductor.failures import EXIT_CODES, STOPS_THE_STUDY, CannotRun, Reason, RunEnded, Unavailable
from loadtests.conductor.host import DISTRIBUTION, version_of
from loadtests.conductor.hosts import localtoken
from loadtests.conductor.hosts.admission import Admission
from loadtests.conductor.hosts.roster import Roster
from loadtests.conductor.leftovers import described, remove_leftovers
from loadtests.conductor.preflight.request import StudyRequest, check_environment, choose
from loadtests.conductor.progress import Progress, progress_for
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.run.execution import Run, StudyContext
from loadtests.conductor.run.gate_watch import gate_watch
from loadtests.conductor.run.manifest import RunIdentity
from loadtests.conductor.watching import Interrupts
from loadtests.hostidentity import host_identity
from loadtests.joining import JOIN_TOKEN, TOKEN_SECRET, join_secret
from loadtests.readers import make_directories, make_directory, make_numbered_directory
from loadtests.records.rundirectory import RunDirectory, safe_name
from loadtests.servers.record import COULD_NOT
from loadtests.standardstreams import print_path

T = TypeVar("T")


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
            _roster(generator, admission, progress) as roster,
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
        path, join = localtoken.create(host_and_port(choices.generator.bind)[1])
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


def _roster(generator: Generator, admission: Admission, progress: Progress) -> AbstractContextManager[Roster | None]:
    """The worker hosts of a study; None when it makes its load itself. Raises OSError when it cannot listen."""
    if generator.bind is None:
        return nullcontext()
    return Roster(host_and_port(generator.bind), admission, generator.wait_s, progress.report)


def clean(runs: Path) -> int:
    """Ends and removes what killed harnesses left, servers first, and prints what it did. Returns the exit code."""
    done = remove_leftovers(runs)
    print("\n".join(done) or f"nothing was left in {runs}")
    return EX_UNAVAILABLE if any(sentence.startswith(COULD_NOT) for sentence in done) else EX_OK


def interleaved(subjects: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """(round from 1, subject), every other round backwards: A B B A. What drifts with time then hits all alike."""
    for number in range(1, rounds + 1):
        yield from ((number, s) for s in (subjects if number % 2 else reversed(subjects)))


def traversable(subjects: Sequence[Subject]) -> bool:
    """Whether another account has to get through the study's directory: those of the servers that root starts."""
    needed = [storagenames.databases(subject.storage) for subject in subjects if subject.storage is not None]
    return os.geteuid() == 0 and any(engines.has(storage.engine, "server") for of in needed for storage in of.values())


def create_study(runs: Path, scenario: str, now: datetime, traversable: bool = False) -> Path:
    """A new directory `<utc>-<scenario>`; a second study of the same second gets a number. Raises OSError.

    `traversable` lets every user pass through it, to what they own inside.
    """
    make_directories(runs, traversable=os.geteuid() == 0)
    return make_numbered_directory(runs, f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{safe_name(scenario)}", traversable)


def create_run(study: Path, number: int, subject: Subject) -> RunDirectory:
    """Raises OSError."""
    directory = RunDirectory((study / f"{number:02d}-{subject.directory}").absolute())
    for path in (directory.path, directory.path / "log"):
        make_directory(path)
    return directory


def run_study(
    choices: Choices, study: Path, interrupts: Interrupts, progress: Progress, roster: Roster | None = None
) -> int:
    """Makes every run of the study that can be made, with the workers of `roster` if there is one.

    Returns the exit code: that of the first run that went wrong.
    """
    planned = list(interleaved(choices.subjects, choices.rounds))
    code = EX_OK
    with ProcessReaper() as reaper, gate_watch(study, reaper) if choices.abort_on_fail else nullcontext() as gate:
        context = StudyContext(choices, reaper, interrupts, progress, gate, roster)
        for number, (round_, subject) in enumerate(planned, 1):
            progress.run(number, len(planned), subject.name)
            reason = _run(context, study, number, round_, subject)
            code = code or EXIT_CODES[reason.code]
            if reason.code in STOPS_THE_STUDY:
                break
    return code


def _run(context: StudyContext, study: Path, number: int, round_: int, subject: Subject) -> Reason:
    directory = create_run(study, number, subject)
    planned = context.choices.rounds, context.choices.subjects
    reason = Run(context, RunIdentity(study.name, directory.name, round_, subject, *planned), directory).execute()
    context.progress.report("done" if reason.code == "completed" else f"ended early: {reason}")
    return reason
