"""The record of a private server, by which another process can end it and remove its files.

`DIRECTORY.json` beside the server's directory, locked for as long as its owner or its supervisor lives: the kernel lets
go of a lock however they end, so a record that can be locked belongs to a dead harness; no process id is needed.
What a record says is acted upon only as far as `leftovers` confirms it.
"""

import contextlib
import fcntl
import json
import os
import signal
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.supervisor import free_shared_memory, remove

KIND = "private database server"
COULD_NOT = "could not remove"
"""How the sentence about a directory begins that is still there."""

TEMPORARY = "loadtests-"
"""What the names of servers' temporary directories begin with."""

_SAME_START_S = 2.0
"""Where the kernel's own count of the start is unknown: the Unix clock that measures it may be set."""


@dataclass(frozen=True)
class Process:
    """A server's first one. `started` is seconds since the Unix epoch, `boot` and `ticks` the kernel's own account of
    it, which no setting of a clock changes; empty and None where it is unknown."""

    pid: int
    started: float
    argv: tuple[str, ...]
    boot: str = ""
    ticks: int | None = None


@dataclass(frozen=True)
class Facts:
    """`reason` says why `directory` is not the one beside the record; `inode` is the directory's, None in records of
    older versions."""

    engine: str
    directory: str
    reason: str | None = None
    process: Process | None = None
    inode: int | None = None


class Record:
    """One that is ours to write. Raises FileExistsError when another server has it, ServerUnavailable without locks."""

    def __init__(self, directory: Path, engine: str) -> None:
        self.path = directory.with_name(f"{directory.name}.json")
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        except OSError as error:
            os.close(self.descriptor)
            self.path.unlink()
            raise ServerUnavailable(f"{self.path} cannot be locked: {error.strerror}; choose another place") from None
        self._write(Facts(engine, str(directory), inode=_inode(directory)))

    def moved(self, directory: Path, reason: str) -> None:
        self._write(replace(self._facts, directory=str(directory), reason=reason, inode=_inode(directory)))

    def started(self, pid: int) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended at once: there is nothing to be found
            process = psutil.Process(pid)
            facts = Process(pid, process.create_time(), tuple(process.cmdline()), *_kernel_start(pid))
            self._write(replace(self._facts, process=facts))

    def _write(self, facts: Facts) -> None:
        self._facts = facts
        text = json.dumps({"kind": KIND, **asdict(facts)}, indent=2).encode() + b"\n"
        os.ftruncate(self.descriptor, os.pwrite(self.descriptor, text, 0))

    def close(self) -> None:
        """Removes what the supervisor left, if it was killed. Has no effect a second time."""
        if self.descriptor >= 0:
            clear(self.path, self._facts, [self.path.with_suffix(""), Path(self._facts.directory)])
            os.close(self.descriptor)
            self.descriptor = -1


def _inode(directory: Path) -> int | None:
    with contextlib.suppress(OSError):
        return directory.lstat().st_ino
    return None


def clear(path: Path | None, facts: Facts, directories: list[Path]) -> list[str]:
    """Ends the server that the facts name, removes `directories` and the record, if any. Returns sentences on that.

    Acts upon all that it is given: facts that were read from a file have been confirmed by `leftovers` before.
    """
    done = []
    if facts.process is not None and (server := still_there(facts.process)) is not None:
        with contextlib.suppress(OSError):
            _end(server)
            done.append(f"ended {facts.engine} (process {facts.process.pid})")
    for directory in dict.fromkeys(directories):
        if os.path.lexists(directory):
            with contextlib.suppress(OSError):
                free_shared_memory(directory / "data" / "postmaster.pid", directory.lstat().st_uid)
            remove(directory)
            done.append(f"{COULD_NOT if os.path.lexists(directory) else 'removed'} {directory}")
    if path is not None and not any(sentence.startswith(COULD_NOT) for sentence in done):
        remove(path)
    return done


def still_there(process: Process) -> psutil.Process | None:
    """The process if it is the one that was written down, and not another that was given its number later."""
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(process.pid)
        if (
            _same_start(found, process)
            and found.cmdline() == list(process.argv)
            and found.status() != psutil.STATUS_ZOMBIE
        ):
            return found
    return None


def _same_start(found: psutil.Process, process: Process) -> bool:
    boot, ticks = _kernel_start(process.pid)
    if process.ticks is not None and ticks is not None:
        return (boot, ticks) == (process.boot, process.ticks)
    return abs(found.create_time() - process.started) < _SAME_START_S


def _kernel_start(pid: int) -> tuple[str, int | None]:
    """Which boot of the machine it is, and the clock ticks from there to the start of a process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return boot, int(fields[19])
    except (OSError, ValueError, IndexError):
        return "", None


def _end(server: psutil.Process) -> None:
    """Kills the server and its children. By a descriptor, as its number may be given to another process meanwhile."""
    family = [server, *server.children(recursive=True)]
    if hasattr(os, "pidfd_open"):
        descriptor = os.pidfd_open(server.pid)
        try:
            if server.is_running():  # still the one that the facts were compared with, which the descriptor is now
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()  # psutil compares the start before it sends
    psutil.wait_procs(family, timeout=10)


def facts_of(text: str) -> Facts | None:
    """What a record says; None when the file is something else."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        content: dict[str, Any] = json.loads(text)
        if content.pop("kind") == KIND:
            process = content.pop("process")
            return _checked(
                Facts(**content, process=Process(**{**process, "argv": tuple(process["argv"])}) if process else None)
            )
    return None


def _checked(facts: Facts) -> Facts:
    """Raises TypeError for a value of another type than a record of ours has."""
    wanted: list[tuple[object, type | tuple[type, ...]]] = [
        (facts.engine, str), (facts.directory, str), (facts.reason, (str, type(None))),
        (facts.inode, (int, type(None))),
    ]  # fmt: skip
    if process := facts.process:
        wanted += [(process.pid, int), (process.started, (int, float)), (process.boot, str)]
        wanted += [(process.ticks, (int, type(None))), *((word, str) for word in process.argv)]
    if any(not isinstance(value, kind) or isinstance(value, bool) for value, kind in wanted):
        raise TypeError
    return facts
