"""A server's directory: the requested one, or another where its user cannot enter that one.

Root runs a server as another account, which owns the directory of the server and can replace anything in it, also while
root writes there. So the directory is ours alone until the account has to work in it, and later nothing in it is opened
by a path: each name is opened relative to the directory above it, links are refused, owners are checked, files are
written under random names and renamed, and owner and mode are set on descriptors.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.readers import make_directories
from loadtests.regularfiles import NotRegular, names_in, open_regular, read_regular
from loadtests.servers.accounts import ServerAccount
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.record import TEMPORARY, Record
from loadtests.servers.supervision import SupervisorClient

DATA = "data"
"""Of the server's files in its directory."""

LOG = "log"

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DRAFT: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_BYTES: Final = 16 << 20
"""Of a configuration or a lock file."""

_TAIL_BYTES: Final = 64 << 10
_TAIL_LINES: Final = 15
_NO_ROOM_BYTES: Final = 64 << 10
_FULL: Final = re.compile(r"No space left on device|Check free disk space|Disk is full|(?:error|errno:) 28\b")
"""What databases say of a full disk."""

_REPLACED: Final = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY)
"""What the kernel answers where something else is at the place of a file or directory of ours."""


@dataclass(frozen=True)
class Home:
    """A directory closed to all users but the server's, and notes on it for the user. Its methods raise
    ServerUnavailable where something else has been put in the place of a file or directory of the server."""

    directory: Path
    account: ServerAccount | None
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        return self.directory / DATA

    @property
    def log(self) -> Path:
        return self.directory / LOG

    def make(self, name: str) -> Path:
        """A new directory in it, the server user's own."""
        with self._opened() as home:
            os.mkdir(name, 0o700, dir_fd=home)
            made = os.open(name, _DIRECTORY, dir_fd=home)
            try:
                if os.fstat(made).st_uid != os.geteuid() or names_in(made):
                    raise ServerUnavailable(f"{self.directory / name} was replaced while it was made")
                _close(made)
                self._give(made)
            finally:
                os.close(made)
        return self.directory / name

    def write(self, name: str, content: str | bytes) -> Path:
        """A file in it that the server's user alone can read, in place of one that is there. `name` may have `/`."""
        path = self.directory / name
        with self._opened(*path.relative_to(self.directory).parts[:-1]) as directory:
            draft = f".{path.name}.{secrets.token_hex(8)}"
            descriptor = os.open(draft, _DRAFT, 0o600, dir_fd=directory)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content.encode() if isinstance(content, str) else content)
                    file.flush()
                    os.fchmod(descriptor, 0o600)
                    self._give(descriptor)
                os.rename(draft, path.name, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(draft, dir_fd=directory)
                raise
        return path

    def read(self, name: str) -> bytes:
        """A small file of the server's user. Raises FileNotFoundError."""
        path = self.directory / name
        with self._opened(*path.relative_to(self.directory).parts[:-1]) as directory:
            return read_regular(path.name, _MOST_BYTES, directory, self._owners)

    def log_ends(self) -> dict[str, str]:
        """The end of each of its log files, by name; none where the logs have been replaced."""
        ends = {}
        with contextlib.suppress(OSError, ServerUnavailable), self._opened(LOG) as logs:
            for name in names_in(logs):
                with contextlib.suppress(OSError):
                    ends[name] = self._tail(name, logs)
        return ends

    def logged(self) -> str:
        """The last lines of its logs, indented."""
        lines = [line for tail in self.log_ends().values() for line in tail.splitlines()[-_TAIL_LINES:]]
        return "\n".join(f"  {line}" for line in lines) or "  (it logged nothing)"

    def full_disk(self) -> str:
        """The sentence about a full disk; empty while there is room."""
        full = self.directory.exists() and shutil.disk_usage(self.directory).free < _NO_ROOM_BYTES
        return self._full_disk if full else ""

    def explained(self, output: str) -> str:
        """A program's output, after a cause that the user can remove."""
        return f": {self._full_disk}:\n{output}" if _FULL.search(output) or self.full_disk() else f":\n{output}"

    @property
    def _full_disk(self) -> str:
        return f"the disk under {self.directory} is full: make room, or choose another place"

    def _tail(self, name: str, directory: int) -> str:
        with os.fdopen(open_regular(name, directory, self._owners), "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _TAIL_BYTES, 0))
            return file.read(_TAIL_BYTES).decode(errors="replace")

    def hand_over(self) -> None:
        """Makes the directory the account's, which was ours alone until now. Raises OSError."""
        with self._opened() as home:
            if self.account and os.fstat(home).st_uid == os.geteuid():
                self._give(home)

    def take_back(self) -> None:
        """Makes the directory ours alone again, while the account has nothing in it. Raises OSError."""
        if self.account is None:
            return
        with self._opened() as home:
            os.fchown(home, os.geteuid(), os.getegid())
            if names_in(home):
                raise ServerUnavailable(f"{self.directory}: another process of {self._user} has written there")

    @property
    def _owners(self) -> frozenset[int]:
        """Users whose files in it are the server's or ours."""
        return frozenset({os.geteuid(), *([self.account.uid] if self.account else [])})

    @property
    def _user(self) -> str:
        return self.account.name if self.account else "this user"

    def _give(self, descriptor: int) -> None:
        if self.account:
            os.fchown(descriptor, self.account.uid, self.account.gid)

    @contextmanager
    def _opened(self, *below: str) -> Iterator[int]:
        """A descriptor of the directory, or of one below it."""
        descriptor = -1
        try:
            descriptor = self._step(str(self.directory), None)
            for name in below:
                above, descriptor = descriptor, self._step(name, descriptor)
                os.close(above)
            yield descriptor
        except OSError as error:
            if isinstance(error, NotRegular) or error.errno in _REPLACED:
                why = f"{error.strerror}: {error.filename or self.directory}"
                raise ServerUnavailable(f"the files of the server in {self.directory} were replaced ({why})") from None
            raise
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _step(self, name: str, above: int | None) -> int:
        descriptor = os.open(name, _DIRECTORY, dir_fd=above)
        if (owner := os.fstat(descriptor).st_uid) not in self._owners:
            os.close(descriptor)
            raise ServerUnavailable(f"{self.directory}: {name} belongs to user {owner}, expected {self._user}")
        return descriptor


def claim(directory: Path, passes_others: bool) -> None:
    """Makes a directory, or takes an empty one of ours. Raises FileExistsError, ServerUnavailable.

    `passes_others`: whether another user must be able to pass through the directories that are made.
    """
    make_directories(directory.parent, traversable=passes_others)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        _check_ours(directory)


def _check_ours(directory: Path) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        raise ServerUnavailable(f"{directory} is no directory: a server needs one of its own") from None
    try:
        if (owner := os.fstat(descriptor).st_uid) != os.geteuid():
            raise ServerUnavailable(f"{directory} belongs to user {owner}: a server needs a directory of our own")
        if names_in(descriptor):
            raise FileExistsError(f"{directory} is not empty: a server needs a directory of its own")
    finally:
        os.close(descriptor)


def settle(
    supervisor: SupervisorClient, record: Record, directory: Path, account: ServerAccount | None, longest: int
) -> Home:
    """The home in `directory`, which is empty, or elsewhere; ours alone until `hand_over`.

    Raises ServerUnavailable when there is nowhere. `longest` is how many bytes the path of a home may have.
    """
    supervisor.own(record.path, directory)
    reason = _unfit(supervisor, directory, account, longest)
    home = Home(directory, account)
    if reason is not None:
        directory.rmdir()
        home = _elsewhere(supervisor, record, (directory, reason), account, longest)
    home.take_back()
    home.make(LOG)
    return home


def _unfit(supervisor: SupervisorClient, directory: Path, account: ServerAccount | None, longest: int) -> str | None:
    """Why the server cannot live in the directory, which is its user's from now on where that is possible."""
    length = len(os.fsencode(directory))
    if length > longest:
        return f"the server takes paths of {longest} bytes, and {directory} has {length}"
    if not private(directory, account):
        return f"the file system of {directory} keeps no modes or owners"
    if not _usable(supervisor, directory):
        return f"{account.name if account else 'this user'} cannot write in {directory}"
    return None


def private(directory: Path, account: ServerAccount | None) -> bool:
    """Makes it the account's alone; whether it is so then. exFAT, vfat and many network shares keep no modes."""
    try:
        descriptor = os.open(directory, _DIRECTORY)
    except OSError:
        return False
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return False
        _close(descriptor)
        if account:
            os.fchown(descriptor, account.uid, account.gid)
        found = os.fstat(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return not found.st_mode & 0o077 and (account is None or found.st_uid == account.uid)


def _close(descriptor: int) -> None:
    """Takes all rights from other users; set-group-ID, which a new directory inherits, goes too."""
    os.fchmod(descriptor, stat.S_IRWXU)


def _usable(supervisor: SupervisorClient, directory: Path) -> bool:
    """Whether the server's user can enter the directory and write there: tried, not computed."""
    script = 'cd -- "$1" && : > .probe && rm .probe'
    argv = ["/bin/sh", "-c", script, "sh", str(directory)]
    return bool(supervisor.order("run", argv=argv, input="", timeout_s=20)["code"] == 0)


def _elsewhere(
    supervisor: SupervisorClient, record: Record, unfit: tuple[Path, str], account: ServerAccount | None, longest: int
) -> Home:
    wanted, reason = unfit
    try:
        directory = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{wanted.name[:60]}-"))
    except OSError as error:
        raise ServerUnavailable(f"{reason}, and there is no temporary directory: {error.strerror}") from None
    record.moved(directory, reason)
    supervisor.own(directory)
    if (why := _unfit(supervisor, directory, account, longest)) is not None:
        raise ServerUnavailable(f"{reason}; nor can it live in {directory}: {why}. Set TMPDIR to a directory that fits")
    return Home(directory, account, (f"lives in {directory}: {reason}",))
