"""`loadtests`: argument parsing and dispatch, nothing else."""

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from loadtests import environment, readers
from loadtests.commandline import (
    EX_INTERRUPTED,
    EX_SOFTWARE,
    EX_UNAVAILABLE,
    EX_USAGE,
    Parser,
    file_path,
    is_host_and_port,
    seed,
)
from loadtests.limits.descriptors import raise_soft_limit
from loadtests.scenario.commands import ALLOW_COMMANDS
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

exit codes: 0 done, 64 bad input, 69 target or server unavailable, 70 our own fault, 130 interrupted; of calibrate also
1 when a figure failed, 2 when one is unknown"""


def positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number, 1 or more")
    return number


def port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a port, 1 to 65535")
    return number


def parser() -> Parser:
    top = Parser("loadtests", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawTextHelpFormatter)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands.add_parser("run", help="load a pod, on each storage system in turn"))
    _add_export(commands.add_parser("export", help="turn a run's tables into Parquet or CSV"))
    commands.add_parser("pod", help="run the reference pod alone (its own --help tells more)", add_help=False)
    doctor = commands.add_parser(
        "doctor", help="say what was found on this machine, and what each missing thing disables"
    )
    doctor.set_defaults(do=_doctor)
    _add_calibrate(
        commands.add_parser("calibrate", help="hold locks for known times, and see whether the observer finds them")
    )
    _add_clean(commands.add_parser("clean", help="end and remove database servers that killed runs left behind"))
    _add_ui(commands.add_parser("ui", help="the Locust web UI, with our scenarios and storage systems"))
    schema = commands.add_parser("schema", help="print the JSON Schema of scenarios, for editors")
    schema.set_defaults(do=_schema)
    return top


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("scenario", metavar="SCENARIO", nargs="?", help="a name such as smoke, or the path of a YAML file")
    run.add_argument("--storage", metavar="NAME", action="append", default=[], help="a storage system; may be repeated")
    run.add_argument("--rounds", metavar="N", type=positive, help="runs of each storage system, interleaved A B B A")
    run.add_argument(
        "--runs", metavar="DIR", type=file_path, default=Path("runs"), help="where studies go (default: runs)"
    )
    run.add_argument("--processes", metavar="N", type=positive, default=1, help="Locust workers here (default: 1)")
    run.add_argument("--seed", metavar="N", type=seed, help="of arrivals, people and words (default: the scenario's)")
    run.add_argument(
        ALLOW_COMMANDS,
        action="store_true",
        help="let a scenario that did not come with the harness run the commands of its timeline (do: run)",
    )
    target = run.add_argument_group("a pod that is running already")
    target.add_argument(
        "--target", metavar="URL", help="its ws:// or wss:// address; tokens from LOADTESTS_TOKEN_SECRET"
    )
    target.add_argument("--label", metavar="NAME", help="what it is called in reports")
    target.add_argument(
        "--database",
        metavar="NAME:ENGINE",
        action="append",
        default=[],
        help="a database behind it to watch; its address from LOADTESTS_DSNS, a JSON object: NAME → DSN",
    )
    target.add_argument(
        "--i-own",
        metavar="HOST",
        action="append",
        default=[],
        help="allow a target or database there; NETWORK as in 10.0.0.0/8 allows its addresses",
    )
    hosts = run.add_argument_group("workers on several hosts")
    hosts.add_argument("--master", action="store_true", help="wait for workers that are started elsewhere")
    hosts.add_argument("--expect-workers", metavar="N", type=positive, help="how many of them")
    hosts.add_argument("--bind", metavar="HOST:PORT", help="where the master listens for them")
    hosts.add_argument(
        "--worker", metavar="HOST:PORT", help="run as a worker of the master there, or as --processes N of them"
    )
    hosts.add_argument(
        "--wait", metavar="S", type=positive, default=300, help="for workers, or the master, to come (default: 300 s)"
    )
    run.set_defaults(do=_run, parser=run)


def _run(arguments: argparse.Namespace) -> int:
    from loadtests.conductor.choices import Generator
    from loadtests.conductor.commands.study_commands import run, serve_master
    from loadtests.conductor.preflight.request import Asked

    _check_hosts(arguments)
    if arguments.worker:
        return serve_master(arguments.worker, arguments.processes, arguments.wait)
    return run(
        Asked(
            scenario=arguments.scenario,
            storages=arguments.storage,
            target=arguments.target,
            label=arguments.label,
            databases=arguments.database,
            i_own=arguments.i_own,
            rounds=arguments.rounds,
            runs=arguments.runs,
            seed=arguments.seed,
            generator=Generator(arguments.processes, arguments.expect_workers, arguments.bind, arguments.wait),
            allow_commands=arguments.allow_commands,
        )
    )


def _check_hosts(arguments: argparse.Namespace) -> None:
    fail = arguments.parser.error
    if arguments.worker:
        if given := _of_the_master(arguments):
            fail(f"--worker takes everything but --processes from its master: leave out {', '.join(given)}")
        if not is_host_and_port(arguments.worker):
            fail(f"--worker {arguments.worker}: expected HOST:PORT")
    elif not arguments.scenario:
        fail("which SCENARIO? smoke is a short one")
    elif arguments.master != (arguments.expect_workers is not None and arguments.bind is not None) or (
        not arguments.master and (arguments.expect_workers or arguments.bind)
    ):
        fail("--master, --expect-workers N and --bind HOST:PORT belong together")
    elif not arguments.master and arguments.wait != arguments.parser.get_default("wait"):
        fail("--wait is refused without --master or --worker: there is nothing to wait for")
    elif arguments.master and arguments.processes != 1:
        fail("--processes is refused beside --master, which starts no workers: use it with --worker")


_OF_HOSTS = ("master", "expect_workers", "bind")


def _of_the_master(arguments: argparse.Namespace) -> list[str]:
    """The options given to a worker that are its master's to give."""
    options = ("storage", "rounds", "seed", "target", "label", "database", "i_own", "allow_commands", *_OF_HOSTS)

    def is_given(name: str) -> bool:
        return bool(getattr(arguments, name) != arguments.parser.get_default(name))

    given = [f"--{name.replace('_', '-')}" for name in options if is_given(name)]
    return ["SCENARIO", *given] if arguments.scenario else given


def _add_export(export: argparse.ArgumentParser) -> None:
    export.add_argument("run", metavar="RUN", type=file_path, help="a run directory")
    export.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    export.add_argument("--to", metavar="DIR", type=file_path, required=True, help="made when it is not there")
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
    calibrate.add_argument(
        "--runs", metavar="DIR", type=file_path, default=Path("runs"), help="where calibrations go (default: runs)"
    )
    calibrate.set_defaults(do=_calibrate)


def _calibrate(arguments: argparse.Namespace) -> int:
    from loadtests.conductor.commands.calibrate import calibrate

    return calibrate(arguments.storage, arguments.runs, "short" if arguments.short else "full")


def _add_clean(clean: argparse.ArgumentParser) -> None:
    clean.add_argument(
        "--runs", metavar="DIR", type=file_path, default=Path("runs"), help="where studies are (default: runs)"
    )
    clean.set_defaults(do=_clean)


def _clean(arguments: argparse.Namespace) -> int:
    from loadtests.conductor.commands.study_commands import clean

    return clean(arguments.runs)


def _add_ui(ui: argparse.ArgumentParser) -> None:
    ui.add_argument("scenario", metavar="SCENARIO", nargs="?", help="what the start form begins with")
    ui.add_argument("--storage", metavar="NAME", help="what the start form begins with")
    ui.add_argument(
        "--runs", metavar="DIR", type=file_path, default=Path("runs"), help="where studies go (default: runs)"
    )
    ui.add_argument("--processes", metavar="N", type=positive, default=1, help="Locust workers (default: 1)")
    ui.add_argument(
        "--port", metavar="N", dest="web_port", type=port, default=8089, help="of the web UI (default: 8089)"
    )
    ui.add_argument(
        ALLOW_COMMANDS, action="store_true", help="let scenarios run the commands of their timelines (do: run)"
    )
    access = ui.add_argument_group("access to the web UI (docs/web-ui.md)")
    access.add_argument(
        "--web-host",
        metavar="HOST",
        default="127.0.0.1",
        help="where it listens (default: 127.0.0.1); any other address needs --web-login",
    )
    access.add_argument("--web-login", action="store_true", help="ask for the password of LOADTESTS_WEB_PASSWORD")
    access.add_argument(
        "--web-password-file", metavar="FILE", default="", help="the password, instead of LOADTESTS_WEB_PASSWORD"
    )
    access.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a further name under which it answers, as behind a proxy; may be repeated",
    )
    access.add_argument("--tls-cert", metavar="FILE", default="", help="certificate, for https")
    access.add_argument("--tls-key", metavar="FILE", default="", help="its private key")
    target = ui.add_argument_group("a pod that is running already, instead of one that the web UI starts")
    target.add_argument("--target", metavar="URL", help="its address; tokens from LOADTESTS_TOKEN_SECRET")
    target.add_argument("--label", metavar="NAME", help="what it is called in reports")
    target.add_argument("--database", metavar="NAME:ENGINE", help="a database behind it to watch, as of run")
    target.add_argument("--i-own", metavar="HOST", help="allow a target or database there")
    ui.set_defaults(do=_ui)


def _ui(arguments: argparse.Namespace) -> int:
    from loadtests.conductor.commands.study_commands import WebUi, web_ui
    from loadtests.webui.exposure import address_of, problems_of_access

    if problems := problems_of_access(arguments):
        print("\n".join(f"loadtests ui: {problem}" for problem in problems), file=sys.stderr)
        return EX_USAGE
    chosen = environment.user_variables()  # scenario and storage are ours though Locust's variables choose them
    scenario = arguments.scenario or chosen.get("LOCUST_SCENARIO")
    storage = arguments.storage or chosen.get("LOCUST_STORAGE")
    names = ("target", "label", "database", "i_own")
    target = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    return web_ui(
        WebUi(
            scenario=scenario or None,
            storage=storage or None,
            runs=arguments.runs,
            processes=arguments.processes,
            port=arguments.web_port,
            target=target,
            host=arguments.web_host,
            address=address_of(arguments),
            access=_access(arguments),
        )
    )


def _access(arguments: argparse.Namespace) -> list[str]:
    """Options that Locust's command with our locustfile has as well."""
    given = ["--web-login"] if arguments.web_login else []
    given += [ALLOW_COMMANDS] if arguments.allow_commands else []
    files = {
        "--web-password-file": arguments.web_password_file,
        "--tls-cert": arguments.tls_cert,
        "--tls-key": arguments.tls_key,
    }
    given += [f"{name}={path}" for name, path in files.items() if path]
    return [*given, *(f"--allowed-host={name}" for name in arguments.allowed_host)]


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


def _pod(arguments: Sequence[str]) -> int:
    from loadtests.podcommand import run_pod

    return run_pod(arguments)


def dispatch(arguments: Sequence[str]) -> int:
    """The exit code of the command. Raises SystemExit for bad arguments and for --help."""
    if arguments and arguments[0] == "pod":
        return _pod(arguments[1:])
    parsed = parser().parse_args(arguments)
    code: int = parsed.do(parsed)
    return code


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command; always raises SystemExit."""
    environment.clean()  # before any library is imported: the commands import theirs when they are called
    secure("loadtests")
    raise_soft_limit()  # all that is started from here inherits it
    if problem := readers.problem():
        print(f"loadtests: {problem}", file=sys.stderr)
        raise SystemExit(EX_USAGE)
    try:
        code = dispatch(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        code = EX_INTERRUPTED
    except Exception:
        traceback.print_exc()
        print("loadtests: this is a fault of the harness, not of what it tests", file=sys.stderr)
        code = EX_SOFTWARE
    raise SystemExit(code)
