"""The disk under a run directory: noticing that it is full while there is still room to record it."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

NEARLY_FULL_BYTES = 512 * 1024
_RESERVE_BYTES = 256 * 1024
_FULL = ("No space left on device", "Disk quota exceeded")


class Reserve:
    """Room set aside at the start of a run for the documents of its end. Raises OSError when there is none.

    A file without a name: the kernel frees its room when this process ends, however it ends.
    """

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  open for as long as the run lasts
        try:
            self._file.write(b"\1" * _RESERVE_BYTES)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            self.release()  # half a reserve would take the room that end.json needs
            raise

    def release(self) -> None:
        """Harmless when released before."""
        with contextlib.suppress(OSError):  # what could not be written is still buffered
            self._file.close()


def nearly_full(directory: Path) -> bool:
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize < NEARLY_FULL_BYTES


def means_full(error: BaseException | str) -> bool:
    """Whether an error, or the message of another process, is about a full disk."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(words in str(error) for words in _FULL)


def full_message(directory: Path) -> str:
    return f"the disk under {directory} is full: make room, or choose another place with --runs"
