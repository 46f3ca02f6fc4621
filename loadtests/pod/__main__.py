"""`python -m loadtests.pod` and `loadtests pod`: runs the reference pod until SIGTERM or Ctrl-C."""

from loadtests import environment

if __name__ == "__main__":  # before any library is imported
    environment.clean()

import argparse
import asyncio
import ctypes
import json
import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import uvloop

from loadtests.accounts import MODES, token_for
from loadtests.commandline import EX_UNAVAILABLE, EX_USAGE, Parser, complain, port_or_any
from loadtests.engines import ENGINES
from loadtests.faultnames import FaultNameError, check_fault, unsuited
from loadtests.limits.descriptors import raise_soft_limit
from loadtests.pod.application import PodApplication, Secrets, Settings, set_up_log
from loadtests.pod.faults.contract import titles
from loadtests.pod.storage.contract import StorageError
from loadtests.protocols import DEFAULT_PROTOCOL, ProtocolNameError, check_server_half, parse_protocol
from loadtests.standardstreams import secure
from loadtests.storagenames import DUAL, StorageNameError, databases, dsn_variable, names, parse

ACCOUNT: Final = "account-0001"
_PR_SET_PDEATHSIG: Final = 1

_EPILOG = f"""storages: {", ".join(names())}, {DUAL}

environment: LOADTESTS_TOKEN_SECRET signs the accounts' tokens, LOADTESTS_CONTROL_TOKEN opens the control endpoint;
made at random when absent. LOADTESTS_DSN is the database: a file's path for sqlite, a URL for the others; of a dual
storage LOADTESTS_DSN_LEGACY and LOADTESTS_DSN_UPGRADED are the two."""


def _parser() -> argparse.ArgumentParser:
    parser = Parser("loadtests pod", epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", metavar="NAME", default="memory", help="(default: memory)")
    parser.add_argument(
        "--protocol", metavar="NAME", default=DEFAULT_PROTOCOL, help=f"what it speaks (default: {DEFAULT_PROTOCOL})"
    )
    parser.add_argument("--starts-on", choices=MODES, help="where a dual storage's accounts begin (default: dual)")
    parser.add_argument(
        "--fault", metavar="NAME", action="append", default=[], help="a fault to have (docs/pathologies.md); repeatable"
    )
    parser.add_argument("--name", metavar="POD", default="pod-1", help="what the pod is called (default: pod-1)")
    parser.add_argument("--host", default="127.0.0.1", help="where clients connect (default: 127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=port_or_any, default=0, help="(default: any free one)")
    parser.add_argument("--control-port", metavar="N", type=port_or_any, default=0, help="on 127.0.0.1 (default: any)")
    parser.add_argument("--run-directory", metavar="DIR", type=Path, help="write the table of transactions there")
    parser.add_argument("--origin-ns", metavar="N", type=int, default=0, help="CLOCK_MONOTONIC at the run's time 0")
    parser.add_argument("--ready-fd", metavar="FD", type=int, help="write one JSON line there when ready")
    parser.add_argument(
        "--show-tokens", action="store_true", help="print tokens also where standard output is not a terminal"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the pod; returns the exit code."""
    secure("pod")
    arguments = _parser().parse_args(argv)
    raise_soft_limit()
    if arguments.ready_fd is not None:
        _die_with_parent()
    try:
        settings = _settings(arguments)
        taken = _secrets(os.environ, settings, arguments.ready_fd is not None)
    except (StorageNameError, ProtocolNameError, FaultNameError) as error:
        return _fail(str(error), EX_USAGE)
    set_up_log()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(arguments, settings, taken))


def _settings(arguments: argparse.Namespace) -> Settings:
    """Raises StorageNameError, ProtocolNameError, FaultNameError."""
    storage = parse(arguments.storage)
    faults = _faults(arguments.fault, str(storage))
    check_server_half(arguments.protocol)
    if arguments.starts_on and not storage.sides:
        raise StorageNameError(f"--starts-on is for {DUAL}: {storage} is one storage system")
    return Settings(
        storage=str(storage),
        name=arguments.name,
        host=arguments.host,
        port=arguments.port,
        control_port=arguments.control_port,
        run_directory=arguments.run_directory,
        origin_ns=arguments.origin_ns,
        starts_on=arguments.starts_on or "dual",
        protocol=parse_protocol(arguments.protocol),
        faults=faults,
    )


def _faults(names: Sequence[str], storage: str) -> tuple[str, ...]:
    """Raises FaultNameError for one that is unknown, or that this storage cannot have."""
    for name in names:
        check_fault(name)
    if problem := unsuited(names, storage):
        raise FaultNameError(f"a pod on {storage} cannot have this fault: {problem}")
    return tuple(dict.fromkeys(names))


def _secrets(environment: Mapping[str, str], settings: Settings, in_harness: bool) -> Secrets:
    """Raises StorageNameError."""
    names = ("LOADTESTS_TOKEN_SECRET", "LOADTESTS_CONTROL_TOKEN")
    missing = [name for name in names if not environment.get(name)]
    if in_harness and missing:
        raise StorageNameError(f"{' and '.join(missing)} must be set in the environment")
    token_secret, control_token = (environment.get(name) or secrets.token_urlsafe(24) for name in names)
    return Secrets(token_secret, control_token, _dsns(environment, settings.storage, in_harness))


def _dsns(environment: Mapping[str, str], storage: str, in_harness: bool) -> Mapping[str, str]:
    """Raises StorageNameError when one is missing."""
    needed = databases(storage)
    given = {name: environment.get(dsn_variable(name), "") for name in needed}
    for name, system in needed.items():
        if name == system.engine and ENGINES[name].runs == "file" and not in_harness:
            given[name] = given[name] or f"pod.{name}"
    if missing := [dsn_variable(name) for name, dsn in given.items() if not dsn]:
        raise StorageNameError(f"storage {storage} needs a DSN: set {' and '.join(missing)}")
    return given


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _run(arguments: argparse.Namespace, settings: Settings, taken: Secrets) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        pod = PodApplication(settings, taken)
    except StorageNameError as error:
        return _fail(str(error), EX_USAGE)
    except OSError as error:
        return _fail(f"cannot write the table of transactions: {error}", EX_UNAVAILABLE)
    try:
        await pod.start()
        await _announce(arguments, pod, taken)
    except (StorageError, OSError) as error:
        pod.close()
        return _fail(f"cannot start: {error}", EX_UNAVAILABLE)
    await stopped.wait()
    await pod.stop()
    return 0


async def _announce(arguments: argparse.Namespace, pod: PodApplication, taken: Secrets) -> None:
    if arguments.ready_fd is None:
        _introduce(pod, taken, arguments.show_tokens or sys.stdout.isatty())
        return
    settings = dict(await pod.storage.settings())
    line = {"url": pod.url, "control": pod.control_url, "pid": os.getpid(), "settings": settings}
    if pod.faults:
        line["faults"] = titles(pod.faults)
    with os.fdopen(arguments.ready_fd, "w") as ready:
        ready.write(json.dumps(line) + "\n")


def _introduce(pod: PodApplication, taken: Secrets, show_tokens: bool) -> None:
    lines = {"pod": pod.url, "control": pod.control_url}
    lines |= {f"fault {fault['name']}": fault["title"] for fault in titles(pod.faults)}
    if show_tokens:
        lines[f"token of {ACCOUNT}"] = token_for(ACCOUNT, taken.token_secret)
        lines["control token"] = taken.control_token
    for name, value in lines.items():
        print(f"{name}: {value}")
    print("Ctrl-C stops it." if show_tokens else "--show-tokens prints tokens as well.", flush=True)


def _fail(message: str, code: int) -> int:
    complain("pod", message)
    return code


if __name__ == "__main__":
    sys.exit(main())
