"""What every private server shares: an address that stays, a size, and a life between create and destroy."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from loadtests.drivers.addresses.uri import local
from loadtests.limits import descriptors
from loadtests.servers.accounts import server_account
from loadtests.servers.binaries import Binaries, find
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.home import Home, claim, settle
from loadtests.servers.process import OWNER, POD, ServerParts, ServerProcess
from loadtests.servers.record import Record
from loadtests.servers.size import Size
from loadtests.servers.supervision import SupervisorClient
from loadtests.servers.supervisor import remove

CONTENT: Final = frozenset({"data", "log", "tmp", "programs"})
"""Names in the directory of every server."""


class PrivateServer(ServerProcess):
    """A `DatabaseServer` (see contract) without the parts of its engine. Made by `create`."""

    engine: ClassVar[str]
    scheme: ClassVar[str]
    """Of its addresses."""

    database: ClassVar[str] = POD
    """In its addresses."""

    own_content: ClassVar[frozenset[str]] = frozenset()
    """Names in its directory beside CONTENT."""

    needs_user_name: ClassVar[bool] = False
    """Whether its programs fail for a user without an entry in the password database."""

    longest_path: ClassVar[int] = 4000
    """Bytes that the path of its directory may have."""

    def __init__(self, parts: ServerParts, size: Size) -> None:
        super().__init__(parts)
        self._size = size
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
    def _apply_size(self) -> None:
        """Brings the running server to the size that was configured."""

    @classmethod
    @abstractmethod
    def files_needed(cls, connections: int) -> int:
        """The fewest open files with which the server takes so many connections of pods."""

    @abstractmethod
    def _read_limits(self) -> dict[str, int]:
        """Reads the running server's limits: `connections` of pods, and its own settings by their names."""

    # What all share.

    @property
    def dsn(self) -> str:
        return self._address(OWNER, self._port)

    @property
    def pod_dsn(self) -> str:
        return self._address(POD, self._port)

    def _address(self, role: str, port: int) -> str:
        return local(self.scheme, port, role, self._passwords[role], self.database)

    def start(self) -> None:
        """Returns when connections are served. Raises ServerUnavailable with the end of the server's log."""
        if self.running:
            raise ServerUnavailable(f"the {self.product.name} server on port {self._port} is running already")
        self._check_files(descriptors.limit())
        self._launch()
        try:
            self._check_limits()
        except ServerUnavailable:
            self.kill()
            raise

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

    @classmethod
    def _runnable(cls, supervisor: SupervisorClient, home: Home, binaries: Binaries) -> Binaries:
        """The programs, if the server's user can run them. Raises ServerUnavailable."""
        server = next(iter(binaries.programs))
        if not supervisor.can_run(binaries.program(server), cls.product.ask_version):
            user = home.account.name if home.account else "this user"
            raise ServerUnavailable(f"{user} cannot run {binaries.program(server)}: allow it to, or install another")
        return binaries
