"""A private MariaDB server: durable as in production, and set up so that its waits can be seen."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from loadtests.drivers.addresses import parse_address
from loadtests.servers.binaries import Place, Product, named, on_path
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.home import DATA
from loadtests.servers.private import PrivateServer
from loadtests.servers.process import OWNER, POD, ServerParts
from loadtests.servers.size import RESERVED, Size, memory_here_mb

_MB = 2**20
_KEPT_BY_OTHERS = (
    "accounts_size",
    "digests_size",
    "events_stages_history_long_size",
    "events_stages_history_size",
    "events_statements_history_long_size",
    "events_statements_history_size",
    "events_transactions_history_long_size",
    "events_transactions_history_size",
    "events_waits_history_long_size",
    "events_waits_history_size",
    "hosts_size",
    "max_cond_instances",
    "max_digest_length",
    "max_file_instances",
    "max_index_stat",
    "max_memory_classes",
    "max_mutex_instances",
    "max_prepared_statements_instances",
    "max_program_instances",
    "max_rwlock_instances",
    "max_socket_instances",
    "max_sql_text_length",
    "max_stage_classes",
    "max_statement_classes",
    "max_table_handles",
    "max_table_instances",
    "max_table_lock_stat",
    "users_size",
)


def resizing(size: Size) -> dict[str, int]:
    """The settings that a size is, which a running server can change."""
    return {"max_connections": size.connections, "innodb_buffer_pool_size": (size.memory_mb or 128) * _MB}


def configuration(basedir: Path, ports: tuple[int, int], size: Size) -> str:
    """`my.cnf`: of the two ports the second is the superuser's."""
    port, extra_port = ports
    chosen: dict[str, object] = {
        "basedir": quoted(basedir),
        "datadir": f"./{DATA}",
        "tmpdir": "../tmp",  # as seen from the data; not the machine's, where a killed server's files would stay
        "pid-file": "./mariadbd.pid",
        "socket": "",  # none: paths in a study are too long for sockets
        "bind-address": "127.0.0.1",
        "port": port,
        "extra_port": extra_port,
        "extra_max_connections": RESERVED,
        "skip-name-resolve": 1,
        "skip-ssl": 1,  # newer versions offer it by themselves: what storages cost must not depend on the version
        **resizing(size),
        # 10.11.12 and newer grow no further than this, which only reserves addresses; older ones do not know it.
        "loose_innodb_buffer_pool_size_max": memory_here_mb() * _MB,
        "innodb_flush_log_at_trx_commit": 1,
        "innodb_doublewrite": 1,
        "skip-log-bin": 1,  # nothing is replicated; what a commit survives is InnoDB's log alone, so no sync_binlog
        "innodb_print_all_deadlocks": 1,
        **_metadata_locks(),
        "character-set-server": "utf8mb4",
        "collation-server": "utf8mb4_general_ci",  # as Debian sets it: tables that need another one name it
        "default-time-zone": "+00:00",  # independent of TZ: no hour occurs twice
        "lc-messages": "en_US",
        "local_infile": 0,
    }
    return "[mariadbd]\n" + "".join(f"{name}={value}\n" for name, value in chosen.items())


def quoted(value: object) -> str:
    """A value as an option file has it: a space would end it, `#` begin a comment, `\\` an escape."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _metadata_locks() -> dict[str, int | str]:
    """Waits for rows are in INNODB_TRX and INNODB_LOCK_WAITS, which cost only who reads them. Those for tables and for
    user-level locks are in performance_schema alone: on, with the one instrument that lists them, and no room for what
    the others would keep. Measured beside none at all: 9 MB, 2 µs of processor time where a point select alone takes
    58, and no difference in transactions a second."""
    return {
        "performance_schema": 1,
        "performance_schema_instrument": "'%=OFF'",
        "performance-schema-instrument": "'wait/lock/metadata/sql/mdl=ON'",  # spelt otherwise: another line of the file
        **{f"loose_performance_schema_{kept}": 0 for kept in _KEPT_BY_OTHERS},  # loose: not every version has them all
    }


def bootstrap(passwords: dict[str, str]) -> str:
    """SQL for `--bootstrap`, one statement a line: our two roles instead of the installation's, the pod's database."""
    lines = [
        "delete from mysql.global_priv where user <> 'mariadb.sys'",
        "delete from mysql.proxies_priv",
        "flush privileges",
        f"create user {OWNER}@'127.0.0.1' identified by '{passwords[OWNER]}'",
        f"grant all on *.* to {OWNER}@'127.0.0.1' with grant option",
        f"create user {POD}@'127.0.0.1' identified by '{passwords[POD]}'",
        f"create database {POD}",
        f"grant all on {POD}.* to {POD}@'127.0.0.1'",
    ]
    return "".join(f"{line};\n" for line in lines)


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
    scheme: ClassVar[str] = "mariadb"
    product: ClassVar[Product] = MARIADB
    own_content: ClassVar[frozenset[str]] = frozenset({"my.cnf", "mariadbd.pid"})
    longest_path: ClassVar[int] = 440  # of 512 for any of its files

    def __init__(self, parts: ServerParts, size: Size) -> None:
        super().__init__(parts, size)
        self._extra_port = self._reserve_port()

    @property
    def dsn(self) -> str:
        return self._address(OWNER, self._extra_port)

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
