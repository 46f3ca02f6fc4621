"""`loadtests pod`: the reference pod alone, with a database of its own unless LOADTESTS_DSN names one."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.commandline import EX_UNAVAILABLE, EX_USAGE
from loadtests.pod.__main__ import main as pod
from loadtests.pod.storage.registry import StorageNameError, parse
from loadtests.servers.errors import ServerUnavailable
from loadtests.servers.postgres import PostgresServer

DSN = "LOADTESTS_DSN"
HELP = """
databases: without LOADTESTS_DSN, sqlite is the file pod.sqlite under --runs DIR (default: runs) and stays there;
postgres is a private server under it that goes away with the pod, data and all."""


def run_pod(arguments: Sequence[str]) -> int:
    """Runs the pod until SIGTERM or Ctrl-C. Returns the exit code; the pod's own arguments are judged by the pod."""
    try:
        ours, theirs = _parser().parse_known_args(arguments)
    except argparse.ArgumentError as error:
        print(f"loadtests pod: {error}", file=sys.stderr)
        return EX_USAGE
    if ours.help:
        return _help()
    theirs = [*theirs, "--storage", ours.storage]
    engine = _engine(ours.storage)
    if os.environ.get(DSN) or engine not in ("sqlite", "postgres"):
        return pod(theirs)
    try:
        ours.runs.mkdir(parents=True, exist_ok=True)
        return _on_file(ours.runs, theirs) if engine == "sqlite" else _on_server(ours.runs, theirs)
    except (ServerUnavailable, OSError) as error:
        print(f"loadtests pod: {error}", file=sys.stderr)
        return EX_UNAVAILABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("loadtests pod", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--storage", metavar="NAME", default="memory")
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"))
    return parser


def _help() -> int:
    try:
        return pod(["--help"])
    finally:
        print(HELP)


def _engine(storage: str) -> str | None:
    try:
        return parse(storage).engine
    except StorageNameError:
        return None  # the pod says so


def _on_file(runs: Path, arguments: Sequence[str]) -> int:
    os.environ[DSN] = str(runs / "pod.sqlite")
    return pod(arguments)


def _on_server(runs: Path, arguments: Sequence[str]) -> int:
    with PostgresServer.create(runs / f"pod-postgres-{os.getpid()}") as server:
        os.environ[DSN] = server.pod_dsn
        return pod(arguments)
