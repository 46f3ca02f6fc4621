"""`loadtests pod`: the reference pod alone, with a database of its own unless LOADTESTS_DSN names one."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.commandline import EX_UNAVAILABLE, EX_USAGE
from loadtests.pod.__main__ import main as pod
from loadtests.pod.storage.registry import StorageName, StorageNameError, parse
from loadtests.servers.errors import ServerUnavailable
from loadtests.servers.registry import SERVERS, create_server

DSN = "LOADTESTS_DSN"
HELP = """
databases: without LOADTESTS_DSN, sqlite is the file pod.sqlite under --runs DIR (default: runs) and stays there;
other engines get a private server under it that goes away with the pod, data and all."""


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
    storage = _storage(ours.storage)
    if os.environ.get(DSN) or storage is None or storage.engine not in ("sqlite", *SERVERS):
        return pod(theirs)
    try:
        ours.runs.mkdir(parents=True, exist_ok=True)
        return _on_file(ours.runs, theirs) if storage.engine == "sqlite" else _on_server(ours.runs, storage, theirs)
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


def _storage(name: str) -> StorageName | None:
    try:
        return parse(name)
    except StorageNameError:
        return None  # the pod says so


def _on_file(runs: Path, arguments: Sequence[str]) -> int:
    os.environ[DSN] = str(runs / "pod.sqlite")
    return pod(arguments)


def _on_server(runs: Path, storage: StorageName, arguments: Sequence[str]) -> int:
    home = runs / f"pod-{storage.engine}-{os.getpid()}"
    with create_server(storage.engine, home, choices=storage.choices) as server:
        os.environ[DSN] = server.pod_dsn
        return pod(arguments)
