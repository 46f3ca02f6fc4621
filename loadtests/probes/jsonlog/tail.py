"""Follows a log that grows, from its end: whole lines only, over rotation and truncation."""

import os
from pathlib import Path

from loadtests.regularfiles import open_regular

_READ = 1 << 20
LONGEST_LINE = 32 << 20


class Tail:
    """One file at a time. A file that is removed is read on for as long as its writer keeps it.

    `lost` counts the times that something was passed over: the file was cut, or a line was longer than any should be.
    Raises OSError when there is no such file, or it may not be read.
    """

    def __init__(self, path: Path, from_start: bool = False) -> None:
        self.path, self.lost = path, 0
        self._rest: list[bytes] = []
        self._held = 0
        self._file = os.fdopen(open_regular(path), "rb", buffering=0)  # the server names it, and may name a FIFO
        self._offset = 0 if from_start else os.fstat(self._file.fileno()).st_size

    def lines(self, most: int = 8 * _READ) -> list[bytes]:
        """Whole lines that came since; of about `most` bytes at once, the others next time."""
        if os.fstat(self._file.fileno()).st_size < self._offset:
            self._start_over()
        found: list[bytes] = []
        while most > 0 and (chunk := os.pread(self._file.fileno(), _READ, self._offset)):
            self._offset += len(chunk)
            most -= len(chunk)
            self._cut(chunk, found)
        return found

    def _start_over(self) -> None:
        self.lost += 1
        self._offset, self._rest, self._held = 0, [], 0

    def _cut(self, chunk: bytes, found: list[bytes]) -> None:
        """Adds the chunk's whole lines; keeps a cut last one, unless it grows past all bounds."""
        first, newline, others = chunk.partition(b"\n")
        self._held += len(first)
        if self._held > LONGEST_LINE:
            self.lost += bool(self._rest)
            self._rest = []
        else:
            self._rest.append(first)
        if not newline:
            return
        if self._held <= LONGEST_LINE:
            found.append(b"".join(self._rest))
        *whole, last = others.split(b"\n")
        found += whole
        self._rest, self._held = [last], len(last)

    def moved(self) -> bool:
        """Whether another file has this one's name now. Its writer is then done with this one."""
        try:
            there = self.path.stat()
        except OSError:
            return False
        mine = os.fstat(self._file.fileno())
        return (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev)

    def close(self) -> None:
        self._file.close()
