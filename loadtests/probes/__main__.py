"""`python -m loadtests.probes`: the observer as a process. Started before the load, ended by SIGTERM."""

from loadtests import environment

if __name__ == "__main__":  # before any library is imported
    environment.clean()

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from loadtests.commandline import EX_UNAVAILABLE, EX_USAGE, Parser
from loadtests.drivers.hosts import restrict
from loadtests.limits.descriptors import raise_soft_limit
from loadtests.probes.contract import Clock, Database, Probe
from loadtests.probes.databases import DSNS, database_probes, offsets, sources, why_not
from loadtests.probes.loop import TableRecorder, Watch, run
from loadtests.probes.resources import ResourcesProbe, Watched
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import BATCH_INTERVAL_S


def _watched(text: str) -> Watched:
    try:
        return Watched.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _database(text: str) -> Database:
    try:
        return Database.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _networks(text: str) -> dict[str, tuple[str, ...]]:
    return {host: tuple(networks) for host, networks in json.loads(text).items()}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m loadtests.probes", usage=argparse.SUPPRESS, description=__doc__, allow_abbrev=False)
    parser.add_argument("--database", action="append", default=[], type=_database, metavar="NAME:ENGINE")
    parser.add_argument("--run-directory", required=True, type=Path, help="where the tables are written")
    parser.add_argument("--origin-ns", required=True, type=int, help="CLOCK_MONOTONIC at the run's time 0")
    parser.add_argument("--watch", action="append", default=[], type=_watched, metavar="ROLE:NAME:PID")
    parser.add_argument("--networks", default={}, type=_networks, metavar="JSON", help="host → where it may be")
    parser.add_argument("--ready-fd", type=int, help="descriptor for the ready line")
    return parser.parse_args(argv)


def _database_probes(databases: Sequence[Database], clock: Clock) -> list[Probe]:
    try:
        return database_probes(databases, os.environ.get(DSNS), clock)
    except ValueError as error:
        sys.stderr.write(f"the observer cannot observe its databases: {error}\n")
        raise SystemExit(EX_USAGE) from None


def _ready(descriptor: int | None, databases: Sequence[Database], probes: Sequence[Probe]) -> None:
    if descriptor is None:
        return
    line = {
        "probes": [p.name for p in probes],
        "database_offsets": offsets(databases, probes),
        "lock_sources": sources(databases, probes),
    }
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(line) + "\n")


def _listen(loop: asyncio.AbstractEventLoop, resources: ResourcesProbe) -> None:
    """Adds what standard input names. A thread, because standard input may be anything, /dev/null included."""

    def listen() -> None:
        # Unbuffered: a buffer's lock, held by this thread at the end, would abort the interpreter.
        for line in open(0, "rb", buffering=0, closefd=False):  # noqa: SIM115
            try:
                one = Watched.parse(json.loads(line)["watch"])
            except (ValueError, KeyError, TypeError) as error:
                sys.stderr.write(f'expected {{"watch": "ROLE:NAME:PID"}} on standard input: {error}\n')
                continue
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(resources.watch, one)

    threading.Thread(target=listen, daemon=True, name="standard input").start()


async def _flush(recorder: TableRecorder, stop: asyncio.Event) -> None:
    while not stop.is_set():
        recorder.flush()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), BATCH_INTERVAL_S)


async def _open(watches: Sequence[Watch]) -> None:
    for watch in watches:
        try:
            await watch.open()
        except Exception as error:
            sys.stderr.write(f"the observer cannot see {watch.probe.name}: {why_not(error)}\n")
            raise SystemExit(EX_UNAVAILABLE) from None


async def _observe(arguments: argparse.Namespace) -> None:
    def clock() -> int:
        return time.monotonic_ns() - arguments.origin_ns  # type: ignore[no-any-return]

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    resources = ResourcesProbe(clock, [*arguments.watch, Watched("observer", "observer", os.getpid())])
    probes: list[Probe] = [*_database_probes(arguments.database, clock), resources]
    watches = [Watch(probe, clock) for probe in probes]
    recorder = TableRecorder(RunDirectory(arguments.run_directory))
    try:
        await _open(watches)
        _listen(loop, resources)
        gc.freeze()  # imported objects stay: collecting garbage among them was 7 % of the observer's CPU time
        _ready(arguments.ready_fd, arguments.database, probes)
        async with asyncio.TaskGroup() as tasks:
            for watch in watches:
                tasks.create_task(run(watch, clock, recorder, stop))
            tasks.create_task(_flush(recorder, stop))
    finally:
        recorder.close()


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _arguments(argv)
    restrict(arguments.networks)
    raise_soft_limit()
    try:
        uvloop.run(_observe(arguments))
    except* OSError as problems:
        first: BaseException = problems
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        sys.stderr.write(f"the observer cannot write its tables: {first}\n")
        raise SystemExit(EX_UNAVAILABLE) from None


if __name__ == "__main__":
    main()
