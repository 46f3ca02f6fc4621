"""JSON documents of a run directory: written once, atomically, never half."""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from loadtests import readers
from loadtests.records.files import read_bytes, shown
from loadtests.records.strictjson import parse_json

MOST_BYTES: Final = 8 << 20
"""The largest document that is read."""

_NO_LINKS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL)
"""A file system without hard links: vfat, exFAT, many SMB and FUSE mounts."""

NO_FLUSH = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""A file system that cannot flush one file to disk."""


def write_document(path: Path, document: Any) -> None:
    """Writes `document` to `path` whole or not at all. Raises FileExistsError when it is there already."""
    text = json.dumps(document, indent=2, sort_keys=False, allow_nan=False)
    _write(path, f"{text}\n", _publish)


def replace_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all, in place of one that is there."""
    _write(path, text, os.replace)


def _write(path: Path, text: str, publish: Callable[[Path, Path], None]) -> None:
    """Bytes of a path that are not UTF-8 are written as escapes."""
    descriptor, draft = create_draft(path)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
            file.flush()
            flush_to_disk(file.fileno())
        publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def create_draft(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, to be renamed to it: its descriptor and its random name.

    At a predictable name another user who can write in the directory could have put a link to any file of ours.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with contextlib.suppress(OSError):  # of no use on a file system without modes
        os.fchmod(descriptor, readers.file_mode())
    return descriptor, Path(name)


def flush_to_disk(descriptor: int) -> None:
    """As `os.fsync`; without effect where the file system has no such thing."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FLUSH:
            raise


def _publish(draft: Path, path: Path) -> None:
    """Gives the draft its name. Raises FileExistsError when that is taken.

    Without hard links the name is looked up before the rename: a document has one writer.
    """
    try:
        os.link(draft, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        draft.rename(path)


def read_document(path: Path) -> Any | None:
    """The document, or None when it was never written: a missing file is a state. Raises UnreadableError."""
    try:
        raw = read_bytes(path, MOST_BYTES)
    except FileNotFoundError:
        return None
    return parse_json(raw, shown(path))
