"""Which users may read what the harness writes: its own user, unless LOADTESTS_READERS names more. A leaf.

Rows hold the names and texts of a load, logs and databases what a storage system was sent. So directories are 0700 and
files 0600 for every umask of the shell; `environment.clean` sets the process's umask, which children inherit.
"""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

VARIABLE: Final = "LOADTESTS_READERS"
"""Environment variable: one of READERS."""

READERS: Final[Mapping[str, int]] = {"owner": 0o077, "group": 0o027, "all": 0o022}
"""Value of the variable → umask."""

_TRAVERSE: Final = 0o011
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def umask() -> int:
    """The umask that the variable asks for; the closed one for a value that is none of READERS."""
    return READERS.get(os.environ.get(VARIABLE, ""), READERS["owner"])


def problem() -> str:
    """What is wrong with the variable's value; empty when it is one of READERS or not set."""
    value = os.environ.get(VARIABLE, "owner")
    return "" if value in READERS else f"{VARIABLE}={value!a}: expected one of {', '.join(READERS)}"


def file_mode() -> int:
    return 0o666 & ~umask()


def directory_mode() -> int:
    return 0o777 & ~umask()


def make_directory(path: Path, traversable: bool = False) -> None:
    """Makes one directory for the readers that were chosen. Raises FileExistsError, OSError.

    `traversable` lets every user pass through it, not list it, to what they own inside: a database server that root
    runs under another account.
    """
    path.mkdir(mode=0o700)
    descriptor = os.open(path, _DIRECTORY)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            _set_mode(descriptor, directory_mode() | (_TRAVERSE if traversable else 0))
    finally:
        os.close(descriptor)


def make_numbered_directory(parent: Path, name: str, traversable: bool = False) -> Path:
    """Makes a directory `name` in `parent`; where that exists, `name-2` and so on. Raises OSError."""
    for number in count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        with suppress(FileExistsError):
            make_directory(path, traversable)
            return path
    raise AssertionError


def make_directories(path: Path, traversable: bool = False) -> None:
    """Makes a directory and the missing ones above it; one that exists keeps its mode. Raises OSError."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        make_directories(path.parent, traversable)
    try:
        make_directory(path, traversable)
    except FileExistsError:
        if not path.is_dir():
            raise


def _set_mode(descriptor: int, mode: int) -> None:
    """Keeps set-group-ID, which a new directory inherits; without effect on a file system without modes."""
    with suppress(OSError):
        os.fchmod(descriptor, mode | (os.fstat(descriptor).st_mode & stat.S_ISGID))
