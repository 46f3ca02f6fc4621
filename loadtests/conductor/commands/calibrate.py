"""`loadtests calibrate`: every engine's sources of lock waits, against locks that were held for known times."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtests import storagenames
from loadtests.calibration.contract import is_calibrated
from loadtests.calibration.plan import Form
from loadtests.commandline import EX_FAIL, EX_OK, EX_UNKNOWN
from loadtests.conductor.disk import full_message, means_full
from loadtests.conductor.failures import EXIT_CODES, BadInput, CannotRun, RunEnded, Unavailable
from loadtests.conductor.leftovers import Claim, described, remove_leftovers
from loadtests.conductor.preflight.filesystem import Contents, problems_of_directory, problems_of_name
from loadtests.conductor.progress import Progress, progress_for
from loadtests.conductor.reaper import ProcessReaper
from loadtests.conductor.run.calibration import CalibrationPlace, CalibrationProcess
from loadtests.conductor.watching import Interrupts
from loadtests.engines import has, having
from loadtests.readers import make_directories, make_numbered_directory
from loadtests.records.rundirectory import RunDirectory, run_directories, safe_name
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.registry import create_server, missing
from loadtests.standardstreams import print_path
from loadtests.storagenames import StorageName

_STYLES = {"pass": "green", "fail": "bold red", "unknown": "yellow"}
_WIDTH = 150
"""The width where standard output is not a terminal."""

_CODES = {"pass": EX_OK, "fail": EX_FAIL, "unknown": EX_UNKNOWN}


@dataclass(frozen=True)
class CalibrationContext:
    """What every storage's calibration shares."""

    form: Form
    interrupts: Interrupts
    reaper: ProcessReaper
    progress: Progress


def calibrate(storages: Sequence[str], runs: Path, form: Form) -> int:
    """Prints every figure, and the directory as the last line of standard output. Returns the exit code."""
    try:
        chosen = _chosen(storages, form)
        if problems := [*problems_of_name(runs), *problems_of_directory(runs, _contents(chosen))]:
            raise Unavailable("\n".join(problems))
        for done in remove_leftovers(runs):
            print(described(done), file=sys.stderr)
        directory = _create(runs, datetime.now(UTC))
    except CannotRun as error:
        print(f"loadtests calibrate: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"loadtests calibrate: --runs {runs}: cannot write there: {_words(error, runs)}", file=sys.stderr)
        return Unavailable.exit_code
    return _calibrate_all(directory, chosen, form)


def _contents(storages: Sequence[str]) -> Contents:
    needed = {name: storagenames.databases(name) for name in storages}
    inner = [f"server-00-{safe_name(name)}-{database}" for name, of in needed.items() for database in of]
    engines = frozenset(storage.engine for of in needed.values() for storage in of.values())
    return Contents(f"calibration-{'0' * 16}-00", max(inner, key=len, default=""), engines)


def _words(error: OSError, runs: Path) -> str:
    return full_message(runs) if means_full(error) else str(error.strerror)


def _chosen(storages: Sequence[str], form: Form) -> list[str]:
    """Every engine that is found here, unless some are named. Raises BadInput, Unavailable."""
    engines = [engine for engine in having("calibration") if is_calibrated(engine, form)]
    if not storages:
        for engine, why in ((engine, missing(engine)) for engine in engines):
            if why is not None:
                print(f"{engine} is left out: {why}", file=sys.stderr)
        return [engine for engine in engines if missing(engine) is None]
    for name in storages:
        _check(name, form)
    return list(dict.fromkeys(storages))


def _check(name: str, form: Form) -> None:
    try:
        needed = {storage.engine for storage in storagenames.databases(name).values()}
    except storagenames.StorageNameError as error:
        raise BadInput(str(error)) from None
    if not any(is_calibrated(engine, form) for engine in needed):
        raise BadInput(f"--storage {name}: this storage has no database locks to calibrate")
    if gone := [f"{engine}: {why}" for engine in sorted(needed) if (why := missing(engine)) is not None]:
        raise Unavailable("\n".join(gone))


def _create(runs: Path, now: datetime) -> Path:
    """`calibration-<utc>`, which no study is called: reports pass it over. Raises OSError."""
    return make_numbered_directory(runs, f"calibration-{now:%Y%m%dT%H%M%SZ}", traversable=os.geteuid() == 0)


def _calibrate_all(directory: Path, storages: Sequence[str], form: Form) -> int:
    progress, codes = progress_for(sys.stderr), [EX_OK]
    try:
        with Interrupts() as interrupts, ProcessReaper() as reaper:
            context = CalibrationContext(form, interrupts, reaper, progress)
            for number, storage in enumerate(storages, 1):
                progress.run(number, len(storages), storage)
                codes.append(_calibrate(directory, number, storage, context))
    except RunEnded as ended:
        progress.report(str(ended.reason))
        codes.append(EXIT_CODES[ended.reason.code])
    finally:
        progress.close()
        _show([run.read("calibration") or {} for run in run_directories(directory)])
        print_path(directory)
    return _worst(codes)


def _worst(codes: Sequence[int]) -> int:
    """Errors come before verdicts, and `fail` before `unknown`."""
    for code in (*(c for c in codes if c > EX_UNKNOWN), EX_FAIL, EX_UNKNOWN):
        if code in codes:
            return code
    return EX_OK


def _calibrate(directory: Path, number: int, storage: str, context: CalibrationContext) -> int:
    """Raises RunEnded after an interrupt."""
    run = RunDirectory((directory / f"{number:02d}-{safe_name(storage)}").absolute())
    make_directories(run.path / "log")
    with ExitStack() as servers:
        servers.callback(Claim(run.path).release)
        try:
            places = _places(servers, run, storagenames.databases(storage), context.form)
        except ServerUnavailable as error:
            context.interrupts.check()
            context.progress.report(str(error))
            return Unavailable.exit_code
        context.interrupts.check()
        under_way = CalibrationProcess(run, places, context.form, context.reaper)
        outcome = under_way.finish(context.interrupts, context.progress.report)
    context.progress.report(outcome.sentence)
    return _CODES[outcome.verdict]


def _places(
    servers: ExitStack, run: RunDirectory, databases: Mapping[str, StorageName], form: Form
) -> dict[str, CalibrationPlace]:
    """Each database with a private server that lasts as long as `servers`. Raises ServerUnavailable."""
    places = {}
    for name, storage in databases.items():
        if not is_calibrated(storage.engine, form):
            continue
        places[name] = CalibrationPlace(storage.engine)
        if has(storage.engine, "server"):
            home = run.path.parent / f"server-{run.name}-{name}"
            server = servers.enter_context(create_server(storage.engine, home, choices=storage.choices))
            places[name] = CalibrationPlace(storage.engine, server.dsn, server.pod_dsn)
    return places


def _show(documents: Sequence[Mapping[str, Any]]) -> None:
    """Prints the figures of calibrations as a table for people."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    table = Table(box=None, pad_edge=False)
    for column in ("database", "source", "figure"):
        table.add_column(column)
    for column in ("value", "bar", "n"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    table.add_column("why", overflow="fold")
    for figure in (figure for document in documents for figure in document.get("figures", ())):
        table.add_row(*_cells(figure))
    if table.row_count:
        console.print(table)


def _cells(figure: Mapping[str, Any]) -> list[Text]:
    names = [figure["database"], figure["source"], figure["figure"]]
    numbers = [_value(figure), _bar(figure), str(figure["n"])]
    verdict = Text(figure["verdict"], style=_STYLES.get(figure["verdict"], ""))
    return [*map(Text, (*names, *numbers)), verdict, Text(figure["reason"])]


def _value(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.1f} ms" if figure["unit"] == "ms" else f"{figure['value']:.2%}"


def _bar(figure: Mapping[str, Any]) -> str:
    if figure["unit"] == "ms":
        return f"≤ {figure['bar']:g} ms"
    if figure["figure"] in ("total recovered", "counter agrees"):
        return f"± {figure['bar']:.2%}"
    return f"≥ {figure['bar']:.2%}"
