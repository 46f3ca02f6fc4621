"""Servers whose harness and supervisor were both killed: their processes are ended, their files removed.

Records may be forged: written by another user into a directory of runs that others can write in, or come with a study
from elsewhere. So a record counts only where no other user can have put it, and of its content only what this host
confirms: a directory with the content of a server's, and a process that runs the engine's program in that directory.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil

from loadtests.engines import has
from loadtests.regularfiles import open_regular, read_regular
from loadtests.servers.accounts import possible_users
from loadtests.servers.record import COULD_NOT, TEMPORARY, Facts, Process, clear, facts_of, still_there
from loadtests.servers.registry import content, product

MOST_BYTES: Final = 256 << 10
"""Of a record. Ours have less than 2 KB, longer ones a long path."""

NO_DIRECTORY: Final = "it is no directory"


def read_record(path: Path) -> Facts | None:
    """What the record says; None where the file is something else. Raises OSError where it is not believed."""
    with os.fdopen(open_regular(path, owners={os.geteuid()}), "rb") as file:
        facts = facts_of(file.read(MOST_BYTES).decode(errors="replace"))
        if facts is not None and os.fstat(file.fileno()).st_mode & 0o022:
            raise OSError(errno.EPERM, "other users can write to it", str(path))
    return facts


def untrusted_place(directory: Path) -> str:
    """Why a record in the directory is not believed; empty where no other user can have put it there."""
    found = directory.stat()
    if found.st_uid not in (os.geteuid(), 0):
        return f"{directory} belongs to user {found.st_uid}"
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        return f"other users can write in {directory}"
    return ""


@dataclass(frozen=True)
class Confirmed:
    """What of a record this host confirms."""

    stranger: str
    """Why the process that it names is not the server; empty when it is, or is not there any more."""

    directories: list[Path]
    """Those to remove."""

    refused: dict[Path, str]
    """Directories that it names and that are not a server's, and why."""


def confirm(path: Path, facts: Facts) -> Confirmed:
    beside, named, users = path.with_suffix(""), Path(facts.directory), possible_users(facts.engine)
    result = Confirmed("", [], {})
    for directory in dict.fromkeys([beside, *([named] if named.name.startswith(TEMPORARY) else [])]):
        if _exists(directory):
            reason = _fault(directory, facts, users)
            if directory != beside:
                reason = reason or _fault_elsewhere(directory, facts)
            if reason:
                result.refused[directory] = reason
            else:
                result.directories.append(directory)
    if facts.process is None:
        return result
    return replace(result, stranger=_stranger(facts.process, facts.engine, users, (beside, named)))


def _exists(directory: Path) -> bool:
    with suppress(ValueError):  # a NUL, or half a character
        return os.path.lexists(directory)
    return False


def _fault(directory: Path, facts: Facts, users: frozenset[int]) -> str:
    """Why the directory is not that of a server of ours; empty when it is."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return NO_DIRECTORY
    if found.st_uid not in users:
        return f"it belongs to user {found.st_uid}"
    recorded = facts.reason is None or directory == Path(facts.directory)
    if facts.inode is not None and recorded and found.st_ino != facts.inode:
        return "it is another directory than the record's"
    if strange := sorted({path.name for path in directory.iterdir() if path.name[0] != "."} - content(facts.engine)):
        return f"{strange[0]} is in it, which no server has"
    return ""


def _fault_elsewhere(directory: Path, facts: Facts) -> str:
    """Why the directory cannot be the temporary one of a server; empty when it can."""
    if not directory.is_absolute() or ".." in directory.parts:
        return "it is no temporary directory of a server"
    if facts.inode is None or facts.reason is None:
        return "the record does not identify it"
    if directory.lstat().st_mode & 0o077:
        return "other users can enter it"
    return ""


def _stranger(process: Process, engine: str, users: frozenset[int], homes: tuple[Path, ...]) -> str:
    """Why the process is not to be ended; empty when it is the server, or is not there any more."""
    if not 1 < process.pid < 2**31:
        return "no such number"
    if (found := still_there(process)) is None:
        return ""
    with suppress(psutil.Error):
        if not has(engine, "server") or not process.argv or Path(process.argv[0]).name not in product(engine).programs:
            return f"{process.argv[:1]} is no program of {engine}"
        if found.uids().real not in users:
            return f"it belongs to user {found.uids().real}"
        with suppress(psutil.AccessDenied):  # root without the right to trace: the rest has to do
            return "" if any(_is_below(found.cwd(), home) for home in homes) else f"it runs in {found.cwd()}"
    return ""


def _is_below(directory: str, home: Path) -> bool:
    """Whether a server of that home works in the directory, which may have been removed since."""
    with suppress(ValueError, OSError):
        return Path(directory.removesuffix(" (deleted)")).is_relative_to(home.parent.resolve() / home.name)
    return False


def records(runs: Path) -> Iterator[Path]:
    """Files that may be records: of pods in `runs` itself, of runs in its studies. Links are not followed."""
    for place in (runs, *_directories(runs)):
        with suppress(OSError):
            found = sorted(path for path in place.iterdir() if path.suffix == ".json")
            yield from (path for path in found if path.stem.strip("."))  # `...json` would be beside `..`


def _directories(runs: Path) -> list[Path]:
    with suppress(OSError), os.scandir(runs) as entries:
        return sorted(runs / entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    return []


LEFT_ALONE = "left alone"
"""How the sentence about a record begins that is not believed, or not in everything."""


def remove_leftovers(runs: Path) -> list[str]:
    """What was done, as sentences. Servers of a harness that still runs, or is just ending, are left alone."""
    return [sentence for path in records(runs) for sentence in _removed(path)]


def _removed(path: Path) -> Iterator[str]:
    try:
        facts = read_record(path)
        reason = untrusted_place(path.parent) if facts is not None else ""
    except OSError as error:
        facts, reason = None, ""
        if _claims_to_be_one(path):
            reason = error.strerror or str(error)
    if reason:
        yield f"{LEFT_ALONE}: {path} is not the record of a server of ours: {reason}"
    elif facts is not None:
        yield from _removed_server(path)


def _claims_to_be_one(path: Path) -> bool:
    """Whether a file that is not believed is a record by its content: other files of other users are none of ours."""
    with suppress(OSError):
        return facts_of(read_regular(path, MOST_BYTES).decode(errors="replace")) is not None
    return False


def _removed_server(path: Path) -> Iterator[str]:
    with _locked(path) as is_dead:
        facts = _read(path) if is_dead else None  # again: no other process can write it now
        if facts is None:
            return
        found = confirm(path, facts)
        if found.stranger:
            yield f"{LEFT_ALONE}: {path} is not the record of a server of ours: {found.stranger}"
            return
        yield from clear(None if found.refused else path, facts, found.directories)
        yield from (_refusal(path, directory, reason) for directory, reason in found.refused.items())


def _refusal(path: Path, directory: Path, reason: str) -> str:
    if directory != path.with_suffix(""):
        return f"{LEFT_ALONE}: {directory}, which {path} names: {reason}"
    why = "" if reason == NO_DIRECTORY else f": {reason}; remove it and {path.name} by hand"
    return f"{COULD_NOT} {directory}{why}"


def _read(path: Path) -> Facts | None:
    with suppress(OSError):
        return read_record(path)
    return None


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether the record is there and no other process has it, which then stays so."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # gone meanwhile, or another user's
        yield False
        return
    try:
        yield _lock(descriptor) and _is_at(path, descriptor)
    finally:
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the name still leads to the open file."""
    with suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    return False


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or the file system has no locks: it may be in use
        return False
    return True
