"""`python -m loadtests.conductor`: attends one run of a Locust master that was started by hand or from its web UI.

Prepares a run, says `{"plan", "secret"}` on `--ready-fd`, reads live lines from standard input and finishes the run at
`drained` or end of file. `{"stop", "detail"}` on the same descriptor asks for an early end.
"""

import contextlib
import json
import os
import sys
import traceback
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import psutil

from loadtests.commandline import EX_SOFTWARE, Parser
from loadtests.conductor.choices import Choices, Generator
from loadtests.conductor.failures import EXIT_CODES, CannotRun, Reason
from loadtests.conductor.following import Followed
from loadtests.conductor.guardian import Guardian
from loadtests.conductor.manifest import Identity
from loadtests.conductor.preflight import Asked, check_surroundings, choose
from loadtests.conductor.progress import PlainProgress
from loadtests.conductor.run import Around, Run
from loadtests.conductor.study import create_run, create_study
from loadtests.conductor.watching import Interrupts, Lines


class Attended:
    """The Locust master that started us: asked to stop, never killed."""

    attended = True
    takes_leave = False

    def __init__(self, answers: int) -> None:
        self.pid = os.getppid()
        self._answers = answers

    def tell(self, **answer: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def ask_to_stop(self, reason: Reason) -> None:
        self.tell(stop=reason.code, detail=reason.detail)

    def kill(self) -> None:
        """Not ours to kill."""

    def obituary(self) -> str:
        return "the Locust master has gone"

    def last_words(self) -> str:
        return ""


def workers_of(master: int) -> int:
    """The workers that a master has forked: its children but us. One when it waits for workers from elsewhere."""
    with contextlib.suppress(psutil.Error):
        return max(len(psutil.Process(master).children()) - 1, 1)
    return 1


def parse(arguments: list[str]) -> tuple[Asked, int]:
    parser = Parser(prog="python -m loadtests.conductor", description=__doc__)
    parser.add_argument("--scenario", metavar="NAME", required=True)
    parser.add_argument("--storage", metavar="NAME")
    parser.add_argument("--target", metavar="URL")
    parser.add_argument("--label", metavar="NAME")
    parser.add_argument("--database", metavar="NAME:ENGINE", action="append", default=[])
    parser.add_argument("--i-own", metavar="HOST", action="append", default=[])
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"))
    parser.add_argument("--seed", metavar="N", type=int)
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
        ),
        asked.ready_fd,
    )


def attend(choices: Choices, ready_fd: int) -> int:
    """Makes one run, of the first storage system when several are chosen. Returns the exit code."""
    study = create_study(choices.runs, choices.scenario.name, datetime.now(UTC))
    subject, progress = choices.subjects[0], PlainProgress(sys.stderr)
    with Interrupts() as interrupts, Guardian() as guardian:
        directory = create_run(study, 1, subject)
        around = Around(choices, guardian, interrupts, progress)
        run = Run(around, Identity(study.name, directory.name, 1, subject), directory)
        reason = run.finish(_attended(run, Attended(ready_fd)))
    # The sentence last: the master keeps the last line for people who look at its web UI.
    for line in filter(None, (reason.last_words, f"{study}: {reason.code}", reason.detail)):
        progress.say(line)
    return EXIT_CODES[reason.code]


def _attended(run: Run, engine: Attended) -> Followed:
    with run.ending_on_failure() as ended:
        run.prepare()
        pods = run.start_pods()
        run.observe_and_declare(pods)
        run.parts.watch("generator", "locust", engine.pid)
        engine.tell(plan=asdict(run.plan(pods)), secret=run.parts.token_secret)
        return run.follow(engine, Lines(sys.stdin.fileno()))
    return ended()


def main() -> NoReturn:
    asked, ready_fd = parse(sys.argv[1:])
    try:
        choices = choose(asked)
        check_surroundings(choices)
        code = attend(choices, ready_fd)
    except CannotRun as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    except Exception as error:
        traceback.print_exc()
        print(f"this is a fault of the harness: {type(error).__name__}: {error}", file=sys.stderr)
        code = EX_SOFTWARE
    raise SystemExit(code)


if __name__ == "__main__":
    main()
