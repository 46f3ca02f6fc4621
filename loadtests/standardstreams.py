"""Standard streams that no reader, disk, encoding or missing descriptor can turn into another exit code. A leaf.

A command calls `secure` before it opens any file. From then on:

- Descriptors 0 to 2 are open. One that was closed leads to the null device, so that no file of a run takes its number
  and gets what a library or a child prints.
- Writing never fails. After a closed pipe or a hung-up terminal the output goes to the null device. What cannot be
  written for another reason, such as a full disk, is reported once on standard error.
- Text is written in the encoding of the stream. Bytes of a path come out as they are, common symbols that the encoding
  lacks as ASCII (`≥` as `>=`), other characters as escapes.
"""

import codecs
import errno
import io
import os
import select
import stat
import sys
from pathlib import Path

_HANDLER = "loadtests"
_program = "loadtests"
"""What messages begin with."""

_ASCII = {
    **{"≥": ">=", "≤": "<=", "≈": "~", "±": "+/-", "×": "x", "µ": "u", "μ": "u", "→": "->", "←": "<-", "·": "-"},  # noqa: RUF001
    **{"…": "...", "–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " "},  # noqa: RUF001
}
_LOST: dict[int, OSError] = {}
"""By descriptor: the first error, other than a reader that is gone."""


def _encoded(error: UnicodeError) -> tuple[str | bytes, int]:
    """Error handler of encoders: the replacement of one character, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, after = error.object[error.start], error.start + 1
    if "\udc80" <= character <= "\udcff":  # how Python represents a byte of a path that it cannot decode
        return bytes([ord(character) - 0xDC00]), after
    return _ASCII.get(character) or character.encode("ascii", "backslashreplace").decode(), after


codecs.register_error(_HANDLER, _encoded)


class _Descriptor(io.FileIO):
    """A standard descriptor whose writes always succeed; the first failure redirects it to the null device."""

    def write(self, data: object) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        try:
            written = super().write(data)  # type: ignore[arg-type]
            while written is None:  # not blocking, and full
                select.select([], [self], [])
                written = super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            self._lose(error)
            return size
        return written

    def _lose(self, error: OSError) -> None:
        number, reader_gone = self.fileno(), _reader_gone(error, self.fileno())
        _redirect(number)
        if reader_gone or number in _LOST:
            return
        _LOST[number] = error
        if number == 1:
            print(f"{_program}: standard output could not be written: {error.strerror}", file=sys.stderr, flush=True)


def _reader_gone(error: OSError, number: int) -> bool:
    """Whether the cause is a closed pipe or a terminal that was hung up, rather than a full or broken disk."""
    if error.errno == errno.EIO:
        return stat.S_ISCHR(os.fstat(number).st_mode)
    return error.errno in (errno.EPIPE, errno.EBADF)


def _redirect(number: int) -> None:
    """Makes the descriptor lead to the null device."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
    os.set_inheritable(number, True)


def secure(program: str) -> None:
    """Secures all three. Streams that a caller has replaced, as tests do, are left alone; calling twice is harmless."""
    global _program  # noqa: PLW0603  a process is one command
    _program = program
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _redirect(number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  the descriptor, for good
    if sys.stdout is sys.__stdout__:
        sys.stdout = sys.__stdout__ = _secured(sys.__stdout__, 1)  # type: ignore[misc]
    if sys.stderr is sys.__stderr__:
        sys.stderr = sys.__stderr__ = _secured(sys.__stderr__, 2)  # type: ignore[misc]


def _secured(present: io.TextIOWrapper | None, number: int) -> io.TextIOWrapper:
    if present is None:
        return stream_on(number, "utf-8", by_line=number == 2)
    if isinstance(getattr(present.buffer, "raw", None), _Descriptor):
        return present
    return stream_on(number, present.encoding, present.line_buffering or present.write_through)


def stream_on(number: int, encoding: str, by_line: bool) -> io.TextIOWrapper:
    """A stream on an open descriptor, which it does not close; see above for what it does when it cannot write."""
    buffer = io.BufferedWriter(_Descriptor(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding=encoding, errors=_HANDLER, line_buffering=by_line)


def written() -> bool:
    """Whether all that was printed has been written, for commands whose only result is their standard output."""
    sys.stdout.flush()
    return 1 not in _LOST


def print_path(path: Path) -> None:
    """Prints a path on a line of its own, as its bytes in every encoding: programs read it."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and "/".encode(out.encoding) == b"/":
        out.flush()
        out.buffer.write(os.fsencode(path) + b"\n")
        out.flush()
    else:
        print(path, flush=True)
