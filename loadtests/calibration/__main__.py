"""`python -m loadtests.calibration`: calibrates the databases of one run and writes its `calibration.json`.

Lines of JSON go to the descriptor of `--ready-fd`: `{"progress": SENTENCE}`, and at last `{"verdict", "outcome"}`.
"""

from loadtests import environment

if __name__ == "__main__":  # before any library is imported
    environment.clean()

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import uvloop

from loadtests.calibration.calibrating import Calibration, CalibrationTarget
from loadtests.calibration.contract import DSNS, HOLDERS_DSNS, SCRATCH
from loadtests.calibration.figures import sentence, verdict
from loadtests.commandline import EX_INTERRUPTED, EX_USAGE, Parser
from loadtests.limits.descriptors import raise_soft_limit
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import FORMAT


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m loadtests.calibration", usage=argparse.SUPPRESS, allow_abbrev=False)
    parser.add_argument("--database", action="append", required=True, metavar="NAME:ENGINE")
    parser.add_argument("--form", choices=("short", "full"), default="short")
    parser.add_argument("--run-directory", required=True, type=Path)
    parser.add_argument("--ready-fd", type=int, required=True)
    return parser.parse_args(argv)


def _databases(named: Sequence[str]) -> list[CalibrationTarget]:
    try:
        dsns, holders = (json.loads(os.environ.get(name, "{}")) for name in (DSNS, HOLDERS_DSNS))
        pairs = [text.rpartition(":")[::2] for text in named]
        return [CalibrationTarget(name, engine, dsns.get(name, ""), holders.get(name, "")) for name, engine in pairs]
    except ValueError:  # its message would quote passwords
        sys.stderr.write(f"{DSNS} and {HOLDERS_DSNS} must be JSON objects, database → DSN\n")
        raise SystemExit(EX_USAGE) from None


async def _calibrate(
    arguments: argparse.Namespace, databases: Sequence[CalibrationTarget], report: Callable[..., None]
) -> None:
    """SIGTERM cancels it; scratch objects are dropped on the way out."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    scratch = arguments.run_directory / SCRATCH
    scratch.mkdir(exist_ok=True)
    try:
        made = Calibration(databases, arguments.form, scratch, lambda text: report(progress=text))
        found = await made.make()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    document = {"format": FORMAT, "form": arguments.form, "figures": [asdict(figure) for figure in found]}
    RunDirectory(arguments.run_directory).write("calibration", document)
    report(verdict=verdict(found), outcome=sentence(found))


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _arguments(argv)
    raise_soft_limit()
    databases = _databases(arguments.database)
    with os.fdopen(arguments.ready_fd, "w") as lines:

        def report(**line: object) -> None:
            with contextlib.suppress(BrokenPipeError):
                lines.write(json.dumps(line) + "\n")
                lines.flush()

        try:
            uvloop.run(_calibrate(arguments, databases, report))
        except asyncio.CancelledError:
            raise SystemExit(EX_INTERRUPTED) from None


if __name__ == "__main__":
    main()
