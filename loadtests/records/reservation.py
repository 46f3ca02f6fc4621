"""The highest operation number that a worker may have used: kept in a file, so that it survives the worker."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from loadtests import readers

_BYTES: Final = 16


class Reservation:
    """One writer's. Raises OSError when its file cannot be made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, readers.file_mode())

    def raise_to(self, number: int) -> None:
        """Numbers below this may be given out from now on. The first call takes the space: a full disk fails no later
        one."""
        os.pwrite(self._file, str(number).zfill(_BYTES).encode(), 0)

    def close(self) -> None:
        """The count is exact by now: nothing is reserved any more. Harmless when done before."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            with suppress(FileNotFoundError):
                self._path.unlink()


def reserved(path: Path) -> int:
    """What the writer left; 0 when it was closed or never began."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
