"""Where a server lives: the directory that was asked for, or another one where its user cannot enter that."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from loadtests.servers.accounts import Account
from loadtests.servers.errors import ServerUnavailable
from loadtests.servers.guard import Guard
from loadtests.servers.record import TEMPORARY, Record

DATA = "data"
"""Of the server's files in its directory."""


@dataclass(frozen=True)
class Home:
    """A directory closed to everybody but the server's user, and what people should know about it."""

    directory: Path
    account: Account | None
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        return self.directory / DATA

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def make(self, name: str) -> Path:
        """A directory in it, the server user's own."""
        directory = self.directory / name
        directory.mkdir()
        hand_over(directory, self.account)
        return directory

    def write(self, name: str, text: str) -> Path:
        """A file in it that the server's user alone can read."""
        path = self.directory / name
        path.touch(0o600)
        path.write_text(text, encoding="utf-8")
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)
        return path


def hand_over(directory: Path, account: Account | None) -> None:
    directory.chmod(0o700)
    if account:
        os.chown(directory, account.uid, account.gid)


def settle(guard: Guard, record: Record, directory: Path, account: Account | None, longest: int) -> Home:
    """The home in `directory`, which is empty, or elsewhere. Raises ServerUnavailable when there is nowhere.

    `longest` is how many bytes the path of a home may have.
    """
    guard.own(record.path, directory)
    reason = _unfit(guard, directory, account, longest)
    home = Home(directory, account)
    if reason is not None:
        directory.rmdir()
        home = _elsewhere(guard, record, (directory, reason), account, longest)
    home.make("log")
    return home


def _unfit(guard: Guard, directory: Path, account: Account | None, longest: int) -> str | None:
    """Why the server cannot live in the directory, which is its user's from now on where that is possible."""
    length = len(os.fsencode(directory))
    if length > longest:
        return f"the server takes paths of {longest} bytes, and {directory} has {length}"
    if not private(directory, account):
        return f"the file system of {directory} keeps no modes or owners"
    if not _usable(guard, directory):
        return f"{account.name if account else 'this user'} cannot write in {directory}"
    return None


def private(directory: Path, account: Account | None) -> bool:
    """Makes it the account's alone; whether it is so then. exFAT, vfat and many network shares keep no modes."""
    try:
        hand_over(directory, account)
        found = directory.stat()
    except OSError:
        return False
    return not found.st_mode & 0o077 and (account is None or found.st_uid == account.uid)


def _usable(guard: Guard, directory: Path) -> bool:
    """Whether the server's user can enter the directory and write there: tried, not computed."""
    script = 'cd -- "$1" && : > .probe && rm .probe'
    argv = ["/bin/sh", "-c", script, "sh", str(directory)]
    return bool(guard.order("run", argv=argv, input="", timeout_s=20)["code"] == 0)


def _elsewhere(guard: Guard, record: Record, unfit: tuple[Path, str], account: Account | None, longest: int) -> Home:
    wanted, reason = unfit
    try:
        directory = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{wanted.name[:60]}-"))
    except OSError as error:
        raise ServerUnavailable(f"{reason}, and there is no temporary directory: {error.strerror}") from None
    record.moved(directory, reason)
    guard.own(directory)
    if (why := _unfit(guard, directory, account, longest)) is not None:
        raise ServerUnavailable(f"{reason}; nor can it live in {directory}: {why}. Set TMPDIR to a directory that fits")
    return Home(directory, account, (f"lives in {directory}: {reason}",))
