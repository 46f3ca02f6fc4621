"""The join token of a master that only processes of its own user and host can reach: a file that they alone can read.

It makes `--master` and `--worker` on one host work without a variable. It lies in a directory that only the user may
enter, so that another user of the host neither reads it nor puts another one in its place.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from loadtests.joining import new_token

_MODE: Final = 0o700
_LONGEST: Final = 200


class LocalTokenError(OSError):
    """There is no private place for the token. The message says why."""


def directory() -> Path:
    """The user's own directory for tokens, the same for every process of the user. It need not exist."""
    user = os.getuid()
    runtime = Path(f"/run/user/{user}")
    with contextlib.suppress(OSError):
        if _is_private(runtime.lstat()):
            return runtime / "loadtests"
    return Path(f"/tmp/loadtests-{user}")  # noqa: S108  checked before each use: private, and no link


def create(port: int) -> tuple[Path, str]:
    """A new token for the master at that port, and its file. Raises LocalTokenError."""
    place, token = directory(), new_token()
    try:
        place.mkdir(mode=_MODE, exist_ok=True)
        _require_private(place)
        path, new = place / f"join-{port}", place / f"join-{port}-{os.getpid()}"
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
            file.write(token)
        new.replace(path)
    except OSError as error:
        raise LocalTokenError(f"{place}: {error.strerror or error}") from None
    return path, token


def read(port: int) -> str:
    """The token of the master at that port; empty when there is none that only this user can have written."""
    place = directory()
    with contextlib.suppress(OSError, ValueError):
        _require_private(place)
        with os.fdopen(os.open(place / f"join-{port}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid():
                return file.read(_LONGEST).strip()
    return ""


def _require_private(place: Path) -> None:
    if not _is_private(place.lstat()):
        raise LocalTokenError("it is not a directory that only its user may enter")


def _is_private(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
