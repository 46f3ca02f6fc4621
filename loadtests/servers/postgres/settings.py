"""How a private PostgreSQL is set up: as production would run it, and so that its waits can be seen."""

from pathlib import Path

from loadtests.servers.private import OWNER, POD
from loadtests.servers.size import RESERVED, Size

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
