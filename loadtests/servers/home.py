"""Where a server lives: the directory that was asked for, or another one where its user cannot enter that."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from loadtests.servers.accounts import Account
from loadtests.servers.errors import ServerUnavailable
from loadtests.servers.guard import Guard
from loadtests.servers.record import TEMPORARY, Record


@dataclass(frozen=True)
class Home:
    """A directory closed to everybody but the server's user, and what people should know about it."""

    directory: Path
    account: Account | None
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        return self.directory / "data"

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


def settle(guard: Guard, record: Record, directory: Path, account: Account | None) -> Home:
    """The home in `directory`, which is empty, or elsewhere. Raises ServerUnavailable when there is nowhere."""
    guard.own(record.path, directory)
    hand_over(directory, account)
    home = Home(directory, account)
    if not _usable(guard, directory):
        directory.rmdir()
        home = _elsewhere(guard, record, directory, account)
    home.make("log")
    return home


def _usable(guard: Guard, directory: Path) -> bool:
    """Whether the server's user can enter the directory and write there: tried, not computed."""
    script = 'cd -- "$1" && : > .probe && rm .probe'
    argv = ["/bin/sh", "-c", script, "sh", str(directory)]
    return bool(guard.order("run", argv=argv, input="", timeout_s=20)["code"] == 0)


def _elsewhere(guard: Guard, record: Record, wanted: Path, account: Account | None) -> Home:
    user = account.name if account else "this user"
    reason = f"{user} cannot write in {wanted}"
    directory = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{wanted.name}-"))
    record.moved(directory, reason)
    guard.own(directory)
    hand_over(directory, account)
    if not _usable(guard, directory):
        raise ServerUnavailable(f"{reason}, nor in {directory}: set TMPDIR to a directory that it can enter")
    return Home(directory, account, (f"lives in {directory}: {reason}",))
