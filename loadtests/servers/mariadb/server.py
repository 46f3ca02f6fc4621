"""A private MariaDB server, durable as in production."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.uri import local
from loadtests.servers.binaries import Place, Product, named, on_path
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.mariadb.settings import bootstrap, configuration, resizing
from loadtests.servers.private import OWNER, POD, PrivateServer, ServerParts
from loadtests.servers.size import RESERVED, Size

__all__ = ["MariadbServer"]

CHOICE = "LOADTESTS_MARIADB_BIN"
"""Environment variable: the directory of `mariadbd`; `mariadb-install-db` is searched for beside it as well."""

FILES_BESIDES = 100
"""Open files of the server beside its connections: 42 at rest, and a few for each table."""

_RESIZED_WITHIN_S = 30.0
_ANSWER_S = 5.0


def _places(choice: str) -> Iterator[Place]:
    return named(choice, CHOICE, "bin", "sbin", "scripts") if choice else on_path("mariadbd")


MARIADB = Product(
    name="MariaDB",
    choice=CHOICE,
    programs=("mariadbd", "mariadb-install-db"),
    oldest=(10, 6),
    places=_places,
    searched="on PATH and in /usr/sbin",
    advice="install MariaDB 10.6 or newer (Debian: apt install mariadb-server-core mariadb-client-core)",
    ask_version=("--no-defaults", "--version"),  # a broken my.cnf of the machine or of HOME is no concern of ours
)


class MariadbServer(PrivateServer):
    """The superuser has a separate port, whose connections the pod cannot use."""

    engine: ClassVar[str] = "mariadb"
    product: ClassVar[Product] = MARIADB
    own_content: ClassVar[frozenset[str]] = frozenset({"my.cnf", "mariadbd.pid"})
    longest_path: ClassVar[int] = 440  # of 512 for any of its files

    def __init__(self, parts: ServerParts, size: Size) -> None:
        super().__init__(parts, size)
        self._extra_port = self._reserve_port()

    @property
    def dsn(self) -> str:
        return self._dsn(OWNER, self._extra_port)

    @property
    def pod_dsn(self) -> str:
        return self._dsn(POD, self._port)

    def _dsn(self, role: str, port: int) -> str:
        return local("mariadb", port, role, self._passwords[role], POD)

    def _initialise(self) -> None:
        (self._home.directory / "tmp").exists() or self._home.make("tmp")
        self._configure()
        install = [self._binaries.program("mariadb-install-db"), self._defaults()]
        install += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        self._run(install, advice="Installation of system tables failed!")
        self._run([*self._argv(), "--bootstrap"], bootstrap(self._passwords))

    def _defaults(self) -> str:
        return "--defaults-file=./my.cnf"

    def _configure(self) -> None:
        basedir = Path(self._binaries.program("mariadb-install-db")).resolve().parents[1]  # where `share` is
        self._home.write("my.cnf", configuration(basedir, (self._port, self._extra_port), self._size))

    def _argv(self) -> list[str]:
        return [self._binaries.program("mariadbd"), self._defaults()]

    def _ready(self) -> bool:
        try:
            return bool(self._ask(["select 1"]))
        except ServerUnavailable:
            return False

    def _apply_size(self) -> None:
        """Live. The buffer pool may take its time; InnoDB says how large it really is."""
        wanted = resizing(self._size)
        self._ask([f"set global {name} = {value}" for name, value in wanted.items()] + ["select 1"])
        end = time.monotonic() + _RESIZED_WITHIN_S
        while (is_now := self._ask(["select @@innodb_buffer_pool_size"])) != wanted["innodb_buffer_pool_size"]:
            if time.monotonic() > end:
                raise ServerUnavailable(
                    f"{self._title()} was not resized within {_RESIZED_WITHIN_S:.0f} s: {is_now} bytes"
                )
            time.sleep(0.1)

    @classmethod
    def files_needed(cls, connections: int) -> int:
        """One for each connection, and those of InnoDB, logs and tables: a MariaDB with fewer starts, says that it
        takes all connections, and never serves some of them (measured with 1024: 982 of 2000 connections)."""
        return connections + RESERVED + FILES_BESIDES

    def _read_limits(self) -> dict[str, int]:
        names = ("max_connections", "extra_max_connections", "open_files_limit", "table_open_cache")
        taken = {name: int(self._ask([f"select @@{name}"])) for name in names}
        by_files = taken["open_files_limit"] - RESERVED - FILES_BESIDES
        return {"connections": min(taken["max_connections"], by_files), **taken}

    def _ask(self, statements: Sequence[str]) -> Any:
        """The first value of the last answer."""
        return asyncio.run(self._asked(statements))

    async def _asked(self, statements: Sequence[str]) -> Any:
        from asyncmy.errors import MySQLError

        from loadtests.drivers import mariadb

        address = parse_address("mariadb", self.dsn)
        try:
            async with (
                asyncio.timeout(_ANSWER_S),
                await mariadb.connect(address, timeout_s=_ANSWER_S, database=False, autocommit=False) as connection,
                connection.cursor() as cursor,
            ):
                for statement in statements:
                    await cursor.execute(statement)
                return (await cursor.fetchone())[0]
        except (MySQLError, OSError, TimeoutError) as error:
            raise ServerUnavailable(f"{self._title()} rejected the command: {error!r}") from None
