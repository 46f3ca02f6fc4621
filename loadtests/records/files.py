"""Opens files of run directories that may come from anywhere: regular files of the run only, of a bounded size.

No link below the study is followed, and nothing else than a regular file is opened: a link may lead out of the study,
a FIFO never ends, a device may act when it is opened.
"""

import errno
import os
import stat
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from loadtests.sanitize import sanitize

MOST_ENTRIES: Final = 10_000
"""Entries that a directory of a study may have."""

_LONGEST_NAME = 250
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class UnreadableError(ValueError):
    """A file of a run directory that is not what it should be. The message names the file and the reason, and has
    printable characters only."""


def shown(path: Path) -> str:
    """`01-sqlite/end.json`, as messages name a file: a name may have any character but a slash."""
    return sanitize(f"{path.parent.name}/{path.name}" if path.parent.name else path.name, _LONGEST_NAME)


def open_regular(path: Path) -> FileIO:
    """The open file. Raises FileNotFoundError when there is none, UnreadableError when it is no regular file."""
    try:
        directory = _open_directory(path.parent)
        try:
            _refuse_irregular(path, os.stat(path.name, dir_fd=directory, follow_symlinks=False))
            descriptor = os.open(path.name, _FILE, dir_fd=directory)
        finally:
            os.close(directory)
        file = FileIO(descriptor, "rb")
        try:
            _refuse_irregular(path, os.fstat(descriptor))
        except UnreadableError:
            file.close()
            raise
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
    return file


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes; raises as `open_regular`."""
    with open_regular(path) as file:
        try:
            raw = bytearray()
            while len(raw) <= most and (piece := file.read(most + 1 - len(raw))):
                raw += piece
        except OSError as error:
            raise UnreadableError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
    if len(raw) > most:
        raise UnreadableError(f"{shown(path)} has more than {most:,} bytes, which is the most that it may have")
    return bytes(raw)


def entries(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Name and status of each entry of a directory, without following links; none of a directory that is not there.

    Raises UnreadableError when it is no directory, or has more than `MOST_ENTRIES`.
    """
    try:
        directory = _open_directory(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnreadableError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
    try:
        with os.scandir(directory) as found:
            for number, entry in enumerate(found):
                if number >= MOST_ENTRIES:
                    raise UnreadableError(f"{shown(path)} has more than {MOST_ENTRIES:,} entries")
                try:
                    yield entry.name, entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # a draft that has been renamed since
                    continue
    finally:
        os.close(directory)


def _open_directory(path: Path) -> int:
    try:
        return os.open(path, _DIRECTORY)
    except NotADirectoryError:  # a link too, because of O_NOFOLLOW
        kind = _KINDS.get(stat.S_IFMT(path.lstat().st_mode), "no directory")
        raise UnreadableError(f"{shown(path)} is {kind}; expected a directory of the study itself") from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UnreadableError(f"{shown(path)} is a symbolic link; expected a directory of the study itself") from None


def _refuse_irregular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        raise UnreadableError(f"{shown(path)} is {kind}; expected a regular file of the run itself")
