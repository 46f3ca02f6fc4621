"""Servers whose harness and guardian were both killed: their processes are ended, their files removed."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.servers.record import clear, facts_of


def remove_leftovers(runs: Path) -> list[str]:
    """What was done, as sentences. Servers of a harness that still runs, or is just ending, are left alone."""
    return [sentence for path in _records(runs) for sentence in _removed(path)]


def _records(runs: Path) -> list[Path]:
    """Those of pods in `runs` itself, those of runs in its studies."""
    return [path for pattern in ("*.json", "*/*.json") for path in sorted(runs.glob(pattern)) if _is_record(path)]


def _is_record(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return facts_of(path.read_text(errors="replace")) is not None
    return False


def _removed(path: Path) -> Iterator[str]:
    with _locked(path) as is_dead:
        facts = facts_of(path.read_text()) if is_dead else None  # read again: nobody can write it now
        if facts is not None:
            yield from clear(path, facts)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether the record is there and nobody has it, which then stays so."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:  # gone meanwhile, or another user's
        yield False
        return
    try:
        yield _lock(descriptor) and path.exists()
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or the file system has no locks: it may be in use
        return False
    return True
