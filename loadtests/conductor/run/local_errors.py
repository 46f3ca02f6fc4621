"""What pods, database servers and the observer ran out of on this host, from what they logged."""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from loadtests.limits.exhaustion import resource_in
from loadtests.records.hostload import read_host
from loadtests.records.probe_coverage import read_ticks
from loadtests.records.rundirectory import RunDirectory
from loadtests.regularfiles import NotRegular, open_regular
from loadtests.servers.contract import DatabaseServer

LocalErrors = Mapping[str, int]
"""By resource: `ports`, `descriptors`, `memory`, `threads`."""

_SUSPECTS: Final = (
    b"oo many open files",
    b"ut of file descriptors",
    b"annot allocate memory",
    b"ut of memory",
    b"anonymous shared memory",
    b"could not fork",
    b"new thread",
    b"create thread",
    b"pthread_create",
    b"annot assign requested address",
)
"""Words of lines that may say what had run out, without their first letters, which may be large."""

_CHUNK: Final = 1 << 24
_KILLS: Final = "out_of_memory_kills"


def server_errors(servers: Mapping[str, DatabaseServer]) -> dict[str, LocalErrors]:
    """Of private database servers, whose log files must still be there."""
    return {f"database {name}": of_server(server.directory / "log") for name, server in servers.items()}


def process_errors(pod_logs: Mapping[str, Path], directory: RunDirectory, *, observed: bool) -> dict[str, LocalErrors]:
    """Of pods by their logs; of the observer and the control group where the run was observed."""
    errors: dict[str, LocalErrors] = {f"pod {name}": of_pod(log) for name, log in pod_logs.items()}
    if observed:
        errors["observer"] = of_observer(directory)
        errors["control group"] = of_control_group(directory)
    return errors


def of_server(logs: Path) -> LocalErrors:
    """From every log file of a database server."""
    found: Counter[str] = Counter()
    for path in sorted(logs.glob("*")):
        found.update(filter(None, map(resource_in, _suspects(path))))
    return found


def of_pod(log: Path) -> LocalErrors:
    """From what a pod counted and logged. A line that was cut, as of a pod that was killed, is left out."""
    found: Counter[str] = Counter()
    for line in _lines(log):
        if '"event": "local_errors"' in line:
            with contextlib.suppress(ValueError, KeyError):
                entry = json.loads(line)
                found[entry["resource"]] += entry["count"]
    return found


def of_observer(directory: RunDirectory) -> LocalErrors:
    """From the errors of its ticks."""
    return Counter(filter(None, (resource_in(tick.error) for tick in read_ticks(directory) if tick.error)))


def of_control_group(directory: RunDirectory) -> LocalErrors:
    """From the processes that the kernel killed for want of memory, by the observer's samples: a database whose session
    was killed logs only that it restarts."""
    killed = [counters[_KILLS] for _, counters in read_host(directory) if _KILLS in counters]
    return {"memory": killed[-1] - killed[0]} if killed and killed[-1] > killed[0] else {}


def _suspects(path: Path) -> Iterator[str]:
    """Lines that may be of interest. A log of lock waits has very many others: it is searched for plain words, 16 MB
    at a time (a regular expression took minutes for 100 MB)."""
    with contextlib.suppress(NotRegular), os.fdopen(open_regular(path), "rb") as file:
        while chunk := file.read(_CHUNK):
            chunk += file.readline()
            if any(word in chunk for word in _SUSPECTS):
                lines = (line for line in chunk.split(b"\n") if any(word in line for word in _SUSPECTS))
                yield from (line.decode(errors="replace") for line in lines)


def _lines(log: Path) -> Iterator[str]:
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            yield from file
    except OSError:
        return
