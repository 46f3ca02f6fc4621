"""`loadtests pod`: the reference pod alone, with databases of its own unless the environment names them."""

import argparse
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from loadtests.commandline import EX_UNAVAILABLE, EX_USAGE, complain
from loadtests.conductor.preflight.filesystem import Contents, problems_of_directory
from loadtests.engines import has
from loadtests.pod.__main__ import main as pod
from loadtests.regularfiles import open_regular
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.registry import create_server
from loadtests.storagenames import StorageName, StorageNameError, databases, dsn_variable

HELP = """
databases: where the environment names none, sqlite is a file under --runs DIR (default: runs) and stays there; other
engines get a private server under it that goes away with the pod, data and all."""


def run_pod(arguments: Sequence[str]) -> int:
    """Runs the pod until SIGTERM or Ctrl-C. Returns the exit code; the pod's own arguments are judged by the pod."""
    try:
        ours, theirs = _parser().parse_known_args(arguments)
    except argparse.ArgumentError as error:
        complain("loadtests pod", error)
        return EX_USAGE
    if ours.help:
        try:
            return pod(["--help"])
        finally:
            print(HELP)
    theirs = [*theirs, "--storage", ours.storage]
    try:
        with ExitStack() as servers:
            provided = _missing(ours.storage)
            _check(ours.runs, provided)
            for name, storage in provided.items():
                os.environ[dsn_variable(name)] = _provide(servers, ours.runs, name, storage)
            return pod(theirs)
    except (ServerUnavailable, OSError) as error:
        complain("loadtests pod", error)
        return EX_UNAVAILABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("loadtests pod", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--storage", metavar="NAME", default="memory")
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"))
    return parser


def _missing(storage: str) -> dict[str, StorageName]:
    """The databases that the environment does not name; none for an unknown storage, which the pod reports."""
    try:
        needed = databases(storage)
    except StorageNameError:
        return {}
    return {name: system for name, system in needed.items() if not os.environ.get(dsn_variable(name))}


def _check(runs: Path, provided: Mapping[str, StorageName]) -> None:
    """Raises ServerUnavailable where files of SQLite or directories of servers cannot be made under `--runs`."""
    contents = Contents(f"pod-{'0' * 24}", "pod", frozenset(storage.engine for storage in provided.values()))
    if provided and (problems := problems_of_directory(runs, contents)):
        raise ServerUnavailable("\n".join(problems))


def _provide(servers: ExitStack, runs: Path, name: str, storage: StorageName) -> str:
    """The DSN of a database that is there from now on."""
    if not has(storage.engine, "server"):
        return str(_own_file(runs / (f"pod.{name}" if name == storage.engine else f"pod-{name}.{storage.engine}")))
    home = runs / f"pod-{name}-{os.getpid()}"
    return servers.enter_context(create_server(storage.engine, home, choices=storage.choices)).pod_dsn


def _own_file(path: Path) -> Path:
    """The path of a database of SQLite. Raises ServerUnavailable where another user has put something at its names."""
    for ending in ("", "-wal", "-shm", "-journal"):
        try:
            os.close(open_regular(f"{path}{ending}", owners={os.geteuid()}))
        except FileNotFoundError:
            continue
        except OSError as error:
            why = f"expected a file of this user, but {error.strerror}"
            raise ServerUnavailable(f"{path}{ending}: {why}: choose another directory with --runs") from None
    return path
