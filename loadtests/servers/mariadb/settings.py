"""How a private MariaDB is set up: as production would run it, and so that its waits can be seen."""

from pathlib import Path

from loadtests.servers.home import DATA
from loadtests.servers.private import OWNER, POD
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
