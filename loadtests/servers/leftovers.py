"""Servers whose harness and supervisor were both killed: their processes are ended, their files removed."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.regularfiles import read_regular
from loadtests.servers.evidence import MOST_BYTES, NO_DIRECTORY, confirm, read_record, records, untrusted_place
from loadtests.servers.record import COULD_NOT, Facts, clear, facts_of

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
    with contextlib.suppress(OSError):
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
    with contextlib.suppress(OSError):
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
    with contextlib.suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    return False


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or the file system has no locks: it may be in use
        return False
    return True
