"""What every private server shares: a home, a supervisor, an address that stays, and a life between start and
destroy."""

import secrets
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

import psutil

from loadtests.drivers.addresses.uri import local
from loadtests.limits import descriptors
from loadtests.servers.accounts import server_account
from loadtests.servers.binaries import Binaries, Product, find
from loadtests.servers.contract import ServerUnavailable, SupervisorGone
from loadtests.servers.home import Home, claim, settle
from loadtests.servers.record import Record
from loadtests.servers.size import Size
from loadtests.servers.supervision import SupervisorClient
from loadtests.servers.supervisor import remove

OWNER = "loadtests"
"""The superuser: observer and ledger."""

POD = "pod"
"""The ordinary role that the pod connects as, and its database."""

START_S = 60.0
"""How long a start may take, the recovery after a kill included."""

STOPPED_S = 5.0
"""How long a server that is to get ready may be stopped by a signal, such as SIGSTOP: nothing lets it go on."""

STOP_S = 30.0
PAUSE_S = 10.0


@dataclass(frozen=True)
class ServerParts:
    """What a server stands on."""

    home: Home
    binaries: Binaries
    supervisor: SupervisorClient
    record: Record
    choices: Sequence[str]


CONTENT: Final = frozenset({"data", "log", "tmp", "programs"})
"""Names in the directory of every server."""


class PrivateServer(ABC):
    """A `DatabaseServer` (see contract) without the parts of its engine. Made by `create`."""

    engine: ClassVar[str]
    product: ClassVar[Product]
    scheme: ClassVar[str]
    """Of its addresses."""

    database: ClassVar[str] = POD
    """In its addresses."""

    own_content: ClassVar[frozenset[str]] = frozenset()
    """Names in its directory beside CONTENT."""

    needs_user_name: ClassVar[bool] = False
    """Whether its programs fail for a user without an entry in the password database."""

    stop_signal: ClassVar[int] = signal.SIGTERM
    """The signal that ends it in order."""

    quit_signal: ClassVar[int] = signal.SIGKILL
    """The signal that ends it at once, when its files are removed anyway."""

    longest_path: ClassVar[int] = 4000
    """Bytes that the path of its directory may have."""

    def __init__(self, parts: ServerParts, size: Size) -> None:
        self._parts, self._size = parts, size
        self._home, self._binaries, self._supervisor = parts.home, parts.binaries, parts.supervisor
        self._port = self._reserve_port()
        self._passwords = {OWNER: secrets.token_urlsafe(24), POD: secrets.token_urlsafe(24)}
        self._pid: int | None = None
        self._paused = False
        self.limits: Mapping[str, int] = {}
        """The server's limits, as it reported when it was last started or resized."""
        self.notes = list(parts.home.notes)
        if parts.binaries.directory.is_relative_to(parts.home.directory):
            self.notes.append(f"runs {parts.binaries.source}, which its user cannot reach")
        if size.cores is not None:
            self._supervisor.order("cores", count=size.cores)

    @classmethod
    def create(cls, directory: Path, size: Size | None = None, choices: Sequence[str] = ()) -> Self:
        """Makes a server in `directory`, which must not exist or be empty; not yet started.

        Where root's server user cannot enter it, its file system keeps no owners or its path is too long, the server
        lives in a private temporary directory instead, named by the file `DIRECTORY.json` and removed with the
        server. Raises ServerUnavailable, FileExistsError.
        """
        binaries, account = find(cls.product), server_account(cls.engine)
        directory = directory.absolute()
        claim(directory, passes_others=account is not None)
        record = Record(directory, cls.engine)
        supervisor = SupervisorClient(account, record.descriptor)
        try:
            home = settle(supervisor, record, directory, account, cls.longest_path)
            binaries = cls._runnable(supervisor, home, binaries)
            home.hand_over()
            server = cls(ServerParts(home, binaries, supervisor, record, choices), size or Size())
            server._initialise()
        except BaseException:
            if supervisor.release():
                record.close()
            raise
        return server

    # What is particular to an engine.

    @abstractmethod
    def _initialise(self) -> None:
        """Makes the data directory, with passwords, roles and an empty database, and the configuration."""

    @abstractmethod
    def _configure(self) -> None:
        """Writes the configuration for the size as it is now."""

    @abstractmethod
    def _argv(self) -> list[str]:
        """The server's command, started in its directory: the path of that may have characters that a configuration
        cannot express, so the command and its files name what is in it relatively."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether the running server serves connections."""

    @abstractmethod
    def _apply_size(self) -> None:
        """Brings the running server to the size that was configured."""

    @classmethod
    @abstractmethod
    def files_needed(cls, connections: int) -> int:
        """The fewest open files with which the server takes so many connections of pods."""

    @abstractmethod
    def _read_limits(self) -> dict[str, int]:
        """Reads the running server's limits: `connections` of pods, and its own settings by their names."""

    def _lock_file(self) -> str | None:
        return None

    # What all share.

    @property
    def dsn(self) -> str:
        return self._address(OWNER, self._port)

    @property
    def pod_dsn(self) -> str:
        return self._address(POD, self._port)

    def _address(self, role: str, port: int) -> str:
        return local(self.scheme, port, role, self._passwords[role], self.database)

    @property
    def pid(self) -> int:
        if self._pid is None:
            raise ServerUnavailable(f"the {self.product.name} server is not running")
        return self._pid

    @property
    def version(self) -> str:
        return self._binaries.version

    @property
    def running(self) -> bool:
        with suppress(SupervisorGone):  # which ends its server
            return self._pid is not None and self._supervisor.order("status")["code"] is None
        return False

    @property
    def directory(self) -> Path:
        """Where it really lives: `data` and `log` are in it."""
        return self._home.directory

    def start(self) -> None:
        """Returns when connections are served. Raises ServerUnavailable with the end of the server's log."""
        if self.running:
            raise ServerUnavailable(f"the {self.product.name} server on port {self._port} is running already")
        self._check_files(descriptors.limit())
        log = str(self._home.log / "start.log")
        order = {"argv": self._argv(), "log": log, "quit_signal": self.quit_signal, "lock_file": self._lock_file()}
        self._pid = self._supervisor.order("start", directory=str(self.directory), **order)["pid"]
        self._parts.record.started(self.pid)
        try:
            self._wait_until_ready()
            self._check_limits()
        except ServerUnavailable:
            self.kill()
            raise

    def _wait_until_ready(self) -> None:
        began = moving = time.monotonic()
        while not self._ready():
            now = time.monotonic()
            moving = moving if self._is_stopped() else now
            if not self.running:
                why = "ended"
            elif now > moving + STOPPED_S:
                why = "was stopped by a signal before it was ready"
            else:
                why = f"was not ready after {START_S:.0f} s" if now > began + START_S else ""
            if why:
                self.kill()  # so that all that it logs is there
                raise ServerUnavailable(f"{self._title()} {why}{self._home.explained(self._home.logged())}")
            time.sleep(0.02)

    def _is_stopped(self) -> bool:
        with suppress(psutil.Error):
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        return False

    def stop(self) -> None:
        self.resume()
        gone = self._supervisor.order("end", signal=self.stop_signal, timeout_s=STOP_S)["gone"]
        if not gone:
            self.kill()
            raise ServerUnavailable(f"{self._title()} did not stop within {STOP_S:.0f} s and was killed")
        self._pid = None

    def kill(self) -> None:
        self._supervisor.order("end", signal=None, timeout_s=STOP_S)
        self._pid, self._paused = None, False

    def pause(self) -> None:
        if not self.running:
            raise ServerUnavailable(f"the {self.product.name} server cannot be paused: it is not running")
        self._paused = True
        if not self._supervisor.order("pause", timeout_s=PAUSE_S)["paused"]:
            self.resume()
            raise ServerUnavailable(f"{self._title()} could not be paused within {PAUSE_S:.0f} s and was resumed")

    def resume(self) -> None:
        self._supervisor.order("resume")
        self._paused = False

    def resize(self, connections: int | None = None, memory_mb: int | None = None, cores: int | None = None) -> None:
        if self._paused:
            raise ServerUnavailable(f"the {self.product.name} server cannot be resized while it is paused")
        before, self._size = self._size, self._size.changed(connections, memory_mb, cores)
        try:
            self._check_files(self._open_files() if self.running else descriptors.limit())
        except ServerUnavailable:
            self._size = before
            raise
        if cores is not None:
            self._supervisor.order("cores", count=cores)
        if connections is not None or memory_mb is not None:
            self._configure()
            if self.running:
                self._apply_size()
                self._check_limits()

    def recreate(self) -> None:
        self.stop()
        remove(self._home.data)
        self._initialise()
        self.start()

    def destroy(self) -> None:
        if self._supervisor.release():
            self._parts.record.close()
        self._pid = None

    def log_tail(self) -> str:
        """The last lines of its log; also the one that it could not write, because the disk is full."""
        return self._home.logged() + (f"\n  ({why})" if (why := self._home.full_disk()) else "")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.destroy()

    def _check_files(self, available: int) -> None:
        """Raises ServerUnavailable for a size that the limit on open files does not allow."""
        asked = self._size.connections
        needed = self.files_needed(asked)
        if needed > available:
            raise ServerUnavailable(
                f"{self.product.name} {self.version}: {asked} connections need {needed} open files, and the hard limit "
                f"allows {available}: raise it ({descriptors.HOW}), or ask for fewer connections"
            )

    def _check_limits(self) -> None:
        """Reads back the server's limits. Raises ServerUnavailable when they are below the requested size."""
        self.limits = {**self._read_limits(), "open_files": self._open_files()}
        if (taken := self.limits["connections"]) < self._size.connections:
            raise ServerUnavailable(
                f"{self._title()} takes {taken} connections of the {self._size.connections} that were asked for; its "
                f"limit on open files is {self.limits['open_files']}{self._home.explained(self._home.logged())}"
            )

    def _open_files(self) -> int:
        """The running server's own limit, which it may have changed itself. Raises ServerUnavailable when it has
        ended."""
        try:
            return descriptors.limit_of(self.pid)
        except OSError:
            raise ServerUnavailable(f"{self._title()} has ended{self._home.explained(self._home.logged())}") from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.version} on 127.0.0.1:{self._port} in {self._home.directory}>"

    # For the engines.

    def _title(self) -> str:
        return f"{self.product.name} {self.version} on port {self._port}"

    def _reserve_port(self) -> int:
        """One on loopback that stays ours, also while the server is down."""
        port: int = self._supervisor.order("port")["port"]
        return port

    def _run(self, argv: list[str], given: str = "", failed: str | None = None, advice: str | None = None) -> None:
        """Runs a program as the server's user, in its directory. `failed` in its output means that it failed whichever
        its exit code; `advice` is where its output changes to advice, which is not shown."""
        result = self._supervisor.order("run", argv=argv, directory=str(self.directory), input=given, timeout_s=START_S)
        output: str = result["output"]
        if result["code"] != 0 or (failed and failed in output):
            for password in self._passwords.values():
                output = output.replace(password, "…")
            name = f"{Path(argv[0]).name} {self.version} failed ({result['code']})"
            raise ServerUnavailable(f"{name}{self._home.explained(output.partition(advice)[0] if advice else output)}")

    @classmethod
    def _runnable(cls, supervisor: SupervisorClient, home: Home, binaries: Binaries) -> Binaries:
        """The programs, if the server's user can run them. Raises ServerUnavailable."""
        server = next(iter(binaries.programs))
        if not supervisor.can_run(binaries.program(server), cls.product.ask_version):
            user = home.account.name if home.account else "this user"
            raise ServerUnavailable(f"{user} cannot run {binaries.program(server)}: allow it to, or install another")
        return binaries
