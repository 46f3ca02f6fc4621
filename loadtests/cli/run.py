"""`loadtests run`: its arguments, and the study or worker that they ask for."""

import argparse

from loadtests.commandline import ALLOW_COMMANDS, add_runs, is_host_and_port, positive, seed

_MASTER_OPTIONS = ("master", "expect_workers", "bind")
_STUDY_OPTIONS = ("storage", "protocol", "rounds", "seed", "target", "label", "database", "i_own", "allow_commands")


def add_arguments(run: argparse.ArgumentParser) -> None:
    _add_study(run)
    _add_target(run.add_argument_group("a pod that is running already"))
    _add_hosts(run.add_argument_group("workers on several hosts"))
    run.set_defaults(do=_run, parser=run)


def _add_study(run: argparse.ArgumentParser) -> None:
    run.add_argument("scenario", metavar="SCENARIO", nargs="?", help="a name such as smoke, or the path of a YAML file")
    run.add_argument("--storage", metavar="NAME", action="append", default=[], help="a storage system; may be repeated")
    run.add_argument(
        "--label",
        metavar="[STORAGE=]NAME",
        action="append",
        default=[],
        help="what a storage system, or the pod of --target, is called in reports; may be repeated",
    )
    run.add_argument(
        "--protocol", metavar="NAME", help="the wire protocol, NAME[,OPTION=VALUE] (default: the scenario's)"
    )
    run.add_argument("--rounds", metavar="N", type=positive, help="runs of each storage system, interleaved A B B A")
    add_runs(run, "studies go")
    run.add_argument("--processes", metavar="N", type=positive, default=1, help="Locust workers here (default: 1)")
    run.add_argument("--seed", metavar="N", type=seed, help="of arrivals, people and words (default: the scenario's)")
    run.add_argument(
        "--abort-on-fail",
        action="store_true",
        help="end the study as soon as one of its objectives certainly fails (exit code 1)",
    )
    run.add_argument(
        ALLOW_COMMANDS,
        action="store_true",
        help="let a scenario that did not come with the harness run the commands of its timeline (do: run)",
    )


def _add_target(target: argparse._ArgumentGroup) -> None:
    target.add_argument(
        "--target", metavar="URL", help="its ws:// or wss:// address; tokens from LOADTESTS_TOKEN_SECRET"
    )
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


def _add_hosts(hosts: argparse._ArgumentGroup) -> None:
    hosts.add_argument("--master", action="store_true", help="wait for workers that are started elsewhere")
    hosts.add_argument("--expect-workers", metavar="N", type=positive, help="how many workers to wait for")
    hosts.add_argument("--bind", metavar="HOST:PORT", help="address at which the master listens for workers")
    hosts.add_argument(
        "--worker", metavar="HOST:PORT", help="run as a worker of the master there, or as --processes N of them"
    )
    hosts.add_argument(
        "--wait",
        metavar="S",
        type=positive,
        default=300,
        help="seconds to wait for workers, or the master (default: 300)",
    )


def _run(arguments: argparse.Namespace) -> int:
    from loadtests.conductor.choices import Generator
    from loadtests.conductor.commands.study import run
    from loadtests.conductor.hosts.agent import serve
    from loadtests.conductor.preflight.request import StudyRequest

    _check_hosts(arguments)
    if arguments.worker:
        return serve(arguments.worker, arguments.processes, arguments.wait)
    generator = Generator(arguments.processes, arguments.expect_workers, arguments.bind, arguments.wait)
    return run(StudyRequest.of(arguments, generator, rounds=arguments.rounds))


def _check_hosts(arguments: argparse.Namespace) -> None:
    """Raises SystemExit for options that contradict each other."""
    fail = arguments.parser.error
    if arguments.worker:
        if given := _master_options_given(arguments):
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


def _master_options_given(arguments: argparse.Namespace) -> list[str]:
    """The options given to a worker that only its master takes."""
    changed = [name for name, value in vars(arguments).items() if value != arguments.parser.get_default(name)]
    given = [f"--{name.replace('_', '-')}" for name in (*_STUDY_OPTIONS, *_MASTER_OPTIONS) if name in changed]
    return ["SCENARIO", *given] if arguments.scenario else given
