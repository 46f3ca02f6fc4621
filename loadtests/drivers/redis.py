"""Sessions with Redis: the one place that connects."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import redis
import redis.asyncio
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import NoPermissionError, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from loadtests.drivers.addresses.contract import AddressError, DatabaseAddress, Place, Tls
from loadtests.drivers.contexts import context
from loadtests.drivers.errors import DatabaseUnreachable, PoolerError, tls_failure
from loadtests.drivers.hosts import hosts_of

_RESOLVED_WITHIN_S: Final = 60.0
_STAYS: Final = MaintNotificationsConfig(enabled=False)
"""Without it the driver connects to any host that a server names in a push (MOVING), and sends the password there."""

_MODES: Final = ("standalone", "cluster", "sentinel")


class _Checked(Connection):
    """Connects to no address but those that its host may stand for."""

    tls = Tls("disable")

    async def _connect(self) -> None:
        host, timeout_s = self.host, self.socket_connect_timeout or _RESOLVED_WITHIN_S
        *others, last = await hosts_of(Place(host, int(self.port)), self.tls, timeout_s)
        connect: Any = super()._connect
        try:
            for other in others:
                self.host = other
                with suppress(OSError):
                    await connect()
                    return
            self.host = last
            await connect()
        finally:
            self.host = host  # as the address has it, in messages and in the next attempt


class _TlsConnection(_Checked, SSLConnection):
    """With a context of ours, which the driver has no argument for."""

    def __init__(self, *, tls: Tls, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.tls = tls
        self.ssl_context.context = context(tls)


def pool(kind: type[Any], address: DatabaseAddress, *, timeout_s: float, name: str | None = None, **more: Any) -> Any:
    """A pool of connections of the class `kind`; opens none. Raises AddressError."""
    place = address.places[0]
    arguments: dict[str, Any] = {
        "username": address.user or None,
        "password": address.password or None,
        "db": int(address.database),
        "socket_connect_timeout": address.timeout_s(timeout_s),
        "client_name": address.application_name or name,
        "maint_notifications_config": _STAYS,
        **more,
    }
    if place.is_socket:
        return kind(connection_class=UnixDomainSocketConnection, path=place.host, **arguments)
    arguments |= {"host": place.host, "port": place.port}
    if address.tls.mode == "disable":
        return kind(connection_class=_Checked, **arguments)
    context(address.tls)  # raises for files that are of no use
    return kind(connection_class=_TlsConnection, tls=address.tls, **arguments)


def client(address: DatabaseAddress, *, timeout_s: float, name: str | None = None, **more: Any) -> Any:
    """A client of one connection, which it opens when it is first used and closes with itself. Raises AddressError."""
    connections = pool(redis.asyncio.ConnectionPool, address, timeout_s=timeout_s, name=name, **more)
    made = redis.asyncio.Redis(
        connection_pool=connections, single_connection_client=True, decode_responses=more.get("decode_responses", False)
    )
    made.auto_close_connection_pool = True  # else `aclose` leaves the connection open
    return made


async def open_client(address: DatabaseAddress, *, timeout_s: float, name: str | None = None, **more: Any) -> Any:
    """A client whose one connection is open. Raises AddressError, DatabaseUnreachable, and what redis-py does."""
    made = client(address, timeout_s=timeout_s, name=name, **more)
    try:
        async with asyncio.timeout(address.timeout_s(timeout_s)):
            await made.initialize()
            await refuse_proxy(made, address)
    except BaseException as error:
        await made.aclose()
        raise explained(error, address) from error
    return made


async def check(address: DatabaseAddress, *, timeout_s: float) -> None:
    """Connects once and closes again. Raises what `open_client` does."""
    made = await open_client(address, timeout_s=timeout_s)
    await made.aclose()


async def refuse_proxy(made: Any, address: DatabaseAddress) -> None:
    """A proxy gives each command to another session, or does not report the server. Checks that the user may not run
    are left out: an observer needs few privileges. Raises PoolerError."""
    proxied = False
    with suppress(NoPermissionError):
        server = await made.info("server")
        proxied = "run_id" not in server or server.get("redis_mode") not in _MODES
    with suppress(NoPermissionError):
        proxied |= await made.client_id() != await made.client_id()
    if proxied:
        raise PoolerError(address.places[0], "a proxy", "Redis")


def explained(error: BaseException, address: DatabaseAddress) -> BaseException:
    """The error itself, or one that names TLS as its cause."""
    if isinstance(error, TimeoutError | redis.exceptions.TimeoutError) and address.tls.mode != "disable":
        place = address.places[0]
        return DatabaseUnreachable(f"{place} did not answer in time: it may be that it does not speak TLS on this port")
    if isinstance(error, ValueError) and not isinstance(error, AddressError):  # a line that is too long, say
        return DatabaseUnreachable(f"{address.places[0]} answers with something that is not the protocol of Redis")
    if isinstance(error, RedisError | OSError) and not isinstance(error, DatabaseUnreachable):
        return tls_failure(error, address, address.places[0]) or error
    return error


def blocking(address: DatabaseAddress, **more: Any) -> Any:
    """A client for plain threads, of a private server: TCP, no TLS."""
    place = address.places[0]
    return redis.Redis(
        host=place.host,
        port=place.port,
        username=address.user,
        password=address.password,
        maint_notifications_config=_STAYS,
        **more,
    )
