"""A study: several runs to be compared, interleaved."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TypeVar

from loadtests import engines, storagenames
from loadtests.commandline import EX_OK
from loadtests.conductor.choices import Choices, Subject
from loadtests.conductor.failures import EXIT_CODES, STOPS_THE_STUDY, Reason
from loadtests.conductor.hosts.roster import Roster
from loadtests.conductor.progress import Progress
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.run.execution import Run, StudyContext
from loadtests.conductor.run.manifest import Identity
from loadtests.conductor.watching import Interrupts
from loadtests.readers import make_directories, make_directory
from loadtests.records.rundirectory import RunDirectory, safe_name

T = TypeVar("T")


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
    name = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{safe_name(scenario)}"
    for number in count(1):
        study = runs / (name if number == 1 else f"{name}-{number}")
        try:
            make_directory(study, traversable)
        except FileExistsError:
            continue
        return study
    raise AssertionError


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
    with ProcessReaper() as reaper:
        context = StudyContext(choices, reaper, interrupts, progress, roster)
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
    reason = Run(context, Identity(study.name, directory.name, round_, subject, *planned), directory).execute()
    context.progress.report("done" if reason.code == "completed" else f"ended early: {reason}")
    return reason
