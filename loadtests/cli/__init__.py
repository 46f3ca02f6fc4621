"""`loadtests`: argument parsing and dispatch. A command's modules are imported when it is called."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from loadtests import environment
from loadtests.cli import run, ui
from loadtests.commandline import EX_UNAVAILABLE, Parser, add_runs, exit_code_of, file_path
from loadtests.limits.descriptors import raise_soft_limit
from loadtests.standardstreams import secure, written

DESCRIPTION = """\
Load tests for messaging pods. `run` makes a study (a directory of run directories); `loadtests-report STUDY` turns it
into a page and `loadtests-gate STUDY` into a verdict."""

EPILOG = """\
examples:
  loadtests run smoke --storage sqlite
  loadtests run agent-workday --storage postgres:pessimistic --storage postgres:optimistic --rounds 2
  loadtests run smoke --target ws://127.0.0.1:8080 --label candidate
  loadtests calibrate --storage postgres
  loadtests export runs/…/01-sqlite --format csv --to tables

exit codes: 0 done, 64 bad input, 69 target or server unavailable, 70 a fault of the harness, 130 interrupted; of
calibrate also 1 when a figure failed, 2 when one is unknown"""


def build_parser() -> Parser:
    """The parser of every command but `pod`, which has its own (`loadtests.pod`)."""
    top = Parser("loadtests", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawTextHelpFormatter)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run.add_arguments(commands.add_parser("run", help="load a pod, on each storage system in turn"))
    _add_export(commands.add_parser("export", help="turn a run's tables into Parquet or CSV"))
    commands.add_parser("pod", help="run the reference pod alone (see its own --help)", add_help=False)
    doctor = commands.add_parser("doctor", help="list what was found here, and what each missing part disables")
    doctor.set_defaults(do=_doctor)
    _add_calibrate(
        commands.add_parser("calibrate", help="hold locks for known times, and check whether the observer finds them")
    )
    _add_clean(commands.add_parser("clean", help="end and remove database servers that killed runs left behind"))
    ui.add_arguments(commands.add_parser("ui", help="the Locust web UI, with our scenarios and storage systems"))
    schema = commands.add_parser("schema", help="print the JSON Schema of scenarios, for editors")
    schema.set_defaults(do=_schema)
    return top


def _add_export(export: argparse.ArgumentParser) -> None:
    export.add_argument("run", metavar="RUN", type=file_path, help="a run directory")
    export.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    export.add_argument("--to", metavar="DIR", type=file_path, required=True, help="created when missing")
    export.set_defaults(do=_export)


def _export(arguments: argparse.Namespace) -> int:
    from loadtests.export import export_run

    return export_run(arguments.run, arguments.format, arguments.to)


def _add_calibrate(calibrate: argparse.ArgumentParser) -> None:
    calibrate.add_argument(
        "--storage",
        metavar="NAME",
        action="append",
        default=[],
        help="a storage system; may be repeated (default: every engine that is found here)",
    )
    calibrate.add_argument("--short", action="store_true", help="the few seconds that every run begins with")
    add_runs(calibrate, "calibrations go")
    calibrate.set_defaults(do=_calibrate)


def _calibrate(arguments: argparse.Namespace) -> int:
    from loadtests.conductor.commands.calibrate import calibrate

    return calibrate(arguments.storage, arguments.runs, "short" if arguments.short else "full")


def _add_clean(clean: argparse.ArgumentParser) -> None:
    add_runs(clean, "studies are")
    clean.set_defaults(do=_clean)


def _clean(arguments: argparse.Namespace) -> int:
    from loadtests.conductor.commands.study import clean

    return clean(arguments.runs)


def _doctor(_: argparse.Namespace) -> int:
    from loadtests.conductor.commands.doctor import doctor

    return _all_written(doctor())


def _schema(_: argparse.Namespace) -> int:
    from loadtests.scenario.schema import scenario_schema

    print(scenario_schema(), end="")
    return _all_written(0)


def _all_written(code: int) -> int:
    """The exit code of a command whose only result is its standard output."""
    return code if written() else EX_UNAVAILABLE


def dispatch(arguments: Sequence[str]) -> int:
    """The exit code of the command. Raises SystemExit for bad arguments and for --help."""
    if arguments and arguments[0] == "pod":
        from loadtests.podcommand import run_pod

        return run_pod(arguments[1:])
    parsed = build_parser().parse_args(arguments)
    code: int = parsed.do(parsed)
    return code


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command; always raises SystemExit."""
    environment.clean()  # before any library is imported
    secure("loadtests")
    raise_soft_limit()  # inherited by every process that is started from here
    raise SystemExit(exit_code_of("loadtests", lambda: dispatch(sys.argv[1:] if arguments is None else arguments)))
