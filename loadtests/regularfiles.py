"""Opening files at places where another user, or a program that is not trusted, may have put something else. A leaf."""

import errno
import os
import stat
from collections.abc import Container
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotRegular(OSError):
    """The name leads to something else than a regular file of a user that is expected."""


def open_regular(path: str | Path, directory: int | None = None, owners: Container[int] | None = None) -> int:
    """A descriptor for reading a regular file, relative to the open `directory` if there is one.

    Raises NotRegular for a link, FIFO, device, directory, a file with several names or of none of the `owners` (any
    when None); OSError when it cannot be opened. Never waits for a writer.
    """
    try:
        descriptor = os.open(path, _FLAGS, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotRegular(error.errno, "it is no regular file", str(path)) from None
        raise
    if reason := _fault(os.fstat(descriptor), owners):
        os.close(descriptor)
        raise NotRegular(errno.EINVAL, reason, str(path))
    return descriptor


def _fault(found: os.stat_result, owners: Container[int] | None) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "it is no regular file"
    if owners is not None and found.st_uid not in owners:
        return f"it belongs to user {found.st_uid}"
    if owners is not None and found.st_nlink != 1:
        return "it has several names (hard links)"
    return ""


def read_regular(
    path: str | Path, most: int, directory: int | None = None, owners: Container[int] | None = None
) -> bytes:
    """The first `most` bytes of a regular file; raises as `open_regular` does."""
    with os.fdopen(open_regular(path, directory, owners), "rb") as file:
        return file.read(most)


def names_in(directory: int) -> list[str]:
    """The names in an open directory, in order."""
    return sorted(os.listdir(directory))
