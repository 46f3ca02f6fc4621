"""A private Redis server whose append-only file is flushed before each answer, or every second: set up as production
would run it where a lost write matters, and so that its waits can be seen."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from loadtests.drivers import redis
from loadtests.drivers.addresses import parse_address
from loadtests.servers.binaries import Place, Product, named, on_path
from loadtests.servers.contract import ServerUnavailable
from loadtests.servers.home import DATA
from loadtests.servers.private import PrivateServer
from loadtests.servers.process import OWNER, POD, ServerParts
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


__all__ = ["RedisServer"]

CHOICE = "LOADTESTS_REDIS_BIN"
"""Environment variable: the directory of `redis-server`."""

_ANSWER_S = 5.0


def _places(choice: str) -> Iterator[Place]:
    return named(choice, CHOICE) if choice else on_path("redis-server")


REDIS = Product(
    name="Redis",
    choice=CHOICE,
    programs=("redis-server",),
    oldest=(6, 2),
    places=_places,
    searched="on PATH and in /usr/sbin",
    advice="install Redis 6.2 or newer (Debian: apt install redis-server)",
)


class RedisServer(PrivateServer):
    """Redis keeps no connection back for superusers: ours is opened when it starts and kept, so that it can always be
    resized. The pod may do everything but administer; it may read the configuration."""

    engine: ClassVar[str] = "redis"
    scheme: ClassVar[str] = "redis"
    database: ClassVar[str] = "0"
    product: ClassVar[Product] = REDIS
    own_content: ClassVar[frozenset[str]] = frozenset({"redis.conf"})

    def __init__(self, parts: ServerParts, size: Size) -> None:
        super().__init__(parts, size)
        self._flush = "everysec" if "everysec" in parts.choices else "always"
        self._client = redis.blocking(
            parse_address("redis", self.dsn),
            socket_timeout=_ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )

    def _initialise(self) -> None:
        self._home.make("data")
        self._configure()

    def _configure(self) -> None:
        digests = {role: hashlib.sha256(word.encode()).hexdigest() for role, word in self._passwords.items()}
        self._home.write("redis.conf", configuration(self._port, self._flush, self._size, digests))

    def _argv(self) -> list[str]:
        # Redis makes a path absolute and takes `*`, `?` and `[` in it for a pattern; this one is absolute already.
        return [self._binaries.program("redis-server"), "/proc/self/cwd/redis.conf"]

    def _ready(self) -> bool:
        """False also while it reads its file, which it says itself."""
        try:
            return bool(self._client.ping())
        except RedisError:
            return False

    @classmethod
    def files_needed(cls, connections: int) -> int:
        """Redis reserves 32 for itself, and lowers `maxclients` to the rest."""
        return connections + RESERVED + 32

    def _read_limits(self) -> dict[str, int]:
        try:
            taken = self._client.config_get("max*")
        except RedisError as error:
            raise ServerUnavailable(f"{self._title()} does not report its limits: {error}") from None
        clients, memory = (int(str(taken[name])) for name in ("maxclients", "maxmemory"))
        return {"connections": clients - RESERVED, "maxclients": clients, "maxmemory": memory}

    def _apply_size(self) -> None:
        try:
            for name, value in resizing(self._size).items():
                self._client.config_set(name, value)
        except RedisError as error:
            raise ServerUnavailable(f"{self._title()} could not be resized: {error}") from None
