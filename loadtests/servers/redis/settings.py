"""How a private Redis is set up: as production would run it where a lost write matters, and so that it can be seen."""

from collections.abc import Mapping

from loadtests.servers.home import DATA
from loadtests.servers.private import OWNER, POD
from loadtests.servers.size import RESERVED, Size

_POD_MAY = "+@all -@admin +config|get +client|setname +client|getname +client|id"
"""Redis 6 counts all of CLIENT as administration, where drivers name themselves by it."""


def resizing(size: Size) -> dict[str, str]:
    """The settings that a size is, which a running server can change. No memory named: no limit, as Redis has it."""
    return {"maxclients": str(size.connections + RESERVED), "maxmemory": f"{size.memory_mb or 0}mb"}


def configuration(port: int, flush: str, size: Size, digests: Mapping[str, str]) -> str:
    """`redis.conf`. `digests`: SHA-256 of each role's password, so that no file holds one."""
    chosen = {
        "bind": "127.0.0.1",
        "port": str(port),
        "protected-mode": "yes",
        "dir": DATA,
        "save": '""',  # the append-only file is all that is kept
        "appendonly": "yes",
        "appendfsync": flush,
        **resizing(size),
        "maxmemory-policy": "noeviction",  # a full one refuses writes; it never forgets
        "latency-monitor-threshold": "10",  # ms
        "slowlog-log-slower-than": "10000",  # µs
        "slowlog-max-len": "1024",
        "set-proc-title": "no",  # its command line stays the one that `loadtests clean` recognises
    }
    # The default user may do everything, though it can never log in: a starting Redis replays its file as that user,
    # and silently leaves out the transactions that it may not do, which every script is (redis/redis#14541).
    users = (
        "user default off ~* &* +@all\n"
        f"user {OWNER} on #{digests[OWNER]} ~* &* +@all\n"
        f"user {POD} on #{digests[POD]} ~* &* {_POD_MAY}\n"
    )
    return "".join(f"{name} {value}\n" for name, value in chosen.items()) + users
