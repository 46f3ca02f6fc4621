"""A private PostgreSQL server: made in a directory of its own, durable as in production, gone with its owner."""

import json
import os
import secrets
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from loadtests.servers.accounts import Account, server_account
from loadtests.servers.binaries import Binaries, copy_install, find_binaries
from loadtests.servers.errors import ServerUnavailable
from loadtests.servers.guard import Guard
from loadtests.servers.postgres_settings import CLIENTS, OWNER, POD, bootstrap, configuration, settings

__all__ = ["PostgresServer", "ServerUnavailable"]

START_S = 60.0
"""How long a start may take, the recovery after a kill included."""

STOP_S = 30.0
_TAIL_LINES = 15


@dataclass(frozen=True)
class _Home:
    """Where a server lives, and what people should know about that."""

    directory: Path
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "log"


class PostgresServer:
    """One server. Made by `create`; `start`, `stop`, `kill` as often as wanted, always on the same port; `destroy`
    at the end. A context manager that starts at its beginning and destroys at its end.

    `dsn` is the superuser's and `pod_dsn` an ordinary role's, on TCP loopback, for the database that the pod owns:
    the connections reserved for superusers stay free for the observer however many the pod opens. `notes` are
    sentences for people about where it runs.
    """

    def __init__(self, home: _Home, binaries: Binaries, guard: Guard, port: int) -> None:
        self._home, self._binaries, self._guard, self._port = home, binaries, guard, port
        self._passwords = {OWNER: secrets.token_urlsafe(24), POD: secrets.token_urlsafe(24)}
        self._pid: int | None = None
        self.notes = list(home.notes)
        if binaries.directory.is_relative_to(home.directory):
            self.notes.append(f"runs {binaries.source}, which its user cannot reach")

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Makes a server in `directory`, which must not exist or be empty; not yet started.

        Where root's server user cannot enter it, the server lives in a private temporary directory instead, named
        by the file `DIRECTORY.json` and removed with the server. Raises ServerUnavailable, FileExistsError.
        """
        binaries, account = find_binaries(), server_account()
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise FileExistsError(f"{directory} is not empty: a server needs a directory of its own")
        guard = Guard(account)
        try:
            home = _settle(guard, directory, account)
            binaries = _runnable(guard, home, binaries)
            server = cls(home, binaries, guard, guard.order("port")["port"])
            server._initialise()
        except BaseException:
            guard.release()
            raise
        return server

    @property
    def dsn(self) -> str:
        return self._dsn(OWNER)

    @property
    def pod_dsn(self) -> str:
        return self._dsn(POD)

    @property
    def pid(self) -> int:
        """The postmaster's. Raises ServerUnavailable while it does not run."""
        if self._pid is None:
            raise ServerUnavailable("the PostgreSQL server is not running")
        return self._pid

    @property
    def version(self) -> str:
        return self._binaries.version

    @property
    def running(self) -> bool:
        return self._pid is not None and self._guard.order("status")["code"] is None

    @property
    def directory(self) -> Path:
        """Where it really lives: `data` and `log` are in it."""
        return self._home.directory

    def start(self) -> None:
        """Returns when connections are served. Raises ServerUnavailable with the end of the server's log."""
        if self.running:
            raise ServerUnavailable(f"the PostgreSQL server on port {self._port} is running already")
        argv = [self._binaries.program("postgres"), "-D", str(self._home.data)]
        log, lock_file = str(self._home.log / "start.log"), str(self._home.data / "postmaster.pid")
        self._pid = self._guard.order("start", argv=argv, log=log, lock_file=lock_file)["pid"]
        end = time.monotonic() + START_S
        while not self._ready():
            if not self.running or time.monotonic() > end:
                why = "ended" if not self.running else f"was not ready after {START_S:.0f} s"
                self.kill()
                raise ServerUnavailable(f"PostgreSQL {self.version} on port {self._port} {why}:\n{self.log_tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, a checkpoint is written. Harmless when stopped."""
        gone = self._guard.order("end", signal=signal.SIGINT, timeout_s=STOP_S)["gone"]
        if not gone:
            self.kill()
            raise ServerUnavailable(f"PostgreSQL did not stop within {STOP_S:.0f} s and was killed")
        self._pid = None

    def kill(self) -> None:
        """SIGKILL to every process of the server; `start` then recovers from the log."""
        self._guard.order("end", signal=None, timeout_s=STOP_S)
        self._pid = None

    def destroy(self) -> None:
        """Ends the server and removes its files. Harmless when done before."""
        if not self._home.directory.exists():
            return
        self._guard.release()
        self._pid = None

    def log_tail(self) -> str:
        """The last lines of what the server logged."""
        lines: list[str] = []
        for path in sorted(self._home.log.glob("*")):
            lines += path.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"  {line}" for line in lines) or "  (it logged nothing)"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.destroy()

    def __repr__(self) -> str:
        return f"<PostgresServer {self.version} on 127.0.0.1:{self._port} in {self._home.directory}>"

    def _dsn(self, role: str) -> str:
        return f"postgresql://{role}:{quote(self._passwords[role], safe='')}@127.0.0.1:{self._port}/{POD}"

    def _initialise(self) -> None:
        data = str(self._home.data)
        initdb = [
            *(self._binaries.program("initdb"), "--pgdata", data, "--username", OWNER),
            *("--auth", "reject", "--encoding", "UTF8", "--locale", "C", "--data-checksums"),
        ]
        self._run(initdb, "")
        (self._home.data / "pg_hba.conf").write_text(CLIENTS)
        chosen = settings(self._binaries.major, self._port, self._home.log)
        with (self._home.data / "postgresql.conf").open("a") as file:
            file.write(configuration(chosen))
        single = [self._binaries.program("postgres"), "--single", "-D", data, "-c", "logging_collector=off"]
        self._run([*single, "-c", "log_destination=stderr", "postgres"], bootstrap(self._passwords))

    def _run(self, argv: list[str], given: str) -> None:
        result = self._guard.order("run", argv=argv, input=given, timeout_s=START_S)
        if result["code"] != 0 or "ERROR:" in result["output"]:
            said = result["output"]
            for password in self._passwords.values():
                said = said.replace(password, "…")
            raise ServerUnavailable(f"{Path(argv[0]).name} {self.version} failed ({result['code']}):\n{said}")

    def _ready(self) -> bool:
        # The eighth line is the postmaster's own word on its state; asking needs no connection.
        try:
            lines = (self._home.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(self._pid) and lines[7].strip() == "ready"


def _usable(guard: Guard, directory: Path) -> bool:
    """Whether the server's user can enter the directory and write there: tried, not computed."""
    script = 'cd -- "$1" && : > .probe && rm .probe'
    argv = ["/bin/sh", "-c", script, "sh", str(directory)]
    return bool(guard.order("run", argv=argv, input="", timeout_s=20)["code"] == 0)


def _settle(guard: Guard, directory: Path, account: Account | None) -> _Home:
    guard.own(directory)
    _hand_over(directory, account)
    home = _Home(directory)
    if not _usable(guard, directory):
        directory.rmdir()
        home = _elsewhere(guard, directory, account)
    home.log.mkdir()
    _hand_over(home.log, account)
    return home


def _elsewhere(guard: Guard, wanted: Path, account: Account | None) -> _Home:
    user = account.name if account else "this user"
    directory = Path(tempfile.mkdtemp(prefix="loadtests-postgres-"))
    record = wanted.with_name(f"{wanted.name}.json")
    guard.own(directory, record)
    reason = f"{user} cannot write in {wanted}"
    record.write_text(json.dumps({"directory": str(directory), "reason": reason}, indent=2) + "\n")
    _hand_over(directory, account)
    if not _usable(guard, directory):
        raise ServerUnavailable(f"{reason}, nor in {directory}: set TMPDIR to a directory that it can enter")
    return _Home(directory, (f"lives in {directory}: {reason}",))


def _hand_over(directory: Path, account: Account | None) -> None:
    directory.chmod(0o700)
    if account:
        os.chown(directory, account.uid, account.gid)


def _runnable(guard: Guard, home: _Home, binaries: Binaries) -> Binaries:
    """The programs, or a copy of them that the server's user can run."""
    for program in ("initdb", "postgres"):
        argv = [binaries.program(program), "--version"]
        try:
            if guard.order("run", argv=argv, input="", timeout_s=20)["code"] == 0:
                continue
        except ServerUnavailable:  # not even found, from where that user stands
            pass
        return copy_install(binaries, home.directory / "programs")
    return binaries
