"""Sessions with MariaDB and MySQL: the one place that connects.

Nothing is set in a session before it is known to be ours alone, and no file of options is read.
"""

import asyncio
import re
import ssl
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NoReturn

from asyncmy.connection import Connection
from asyncmy.constants.CLIENT import SSL
from asyncmy.errors import MySQLError

from loadtests.destinations import is_loopback
from loadtests.drivers.addresses.contract import DatabaseAddress, Place
from loadtests.drivers.contexts import context
from loadtests.drivers.errors import DatabaseUnreachable, PoolerError, require_cipher, tls_failure
from loadtests.drivers.hosts import hosts_of

_PROXIES: Final = re.compile(r"ProxySQL|MaxScale|MySQL Router", re.IGNORECASE)
_CLEAR_TEXT: Final = ("mysql_clear_password", "dialog", "mysql_old_password")
"""Methods of authentication that show the password to the network; a server may ask for them in mid-handshake."""

_BY_KEY: Final = "sha256_password"
"""Encrypts the password with a key that the server sends, as `caching_sha2_password` does at first."""

_CANNOT_CONNECT: Final = 2003
_OWN: Final = "SELECT CONNECTION_ID() & 4294967295, @@version_comment"
"""Not `SELECT CONNECTION_ID()`, which proxies answer themselves."""


async def connect(  # noqa: PLR0913  what a session is made of
    address: DatabaseAddress,
    name: str | None = None,
    settings: Sequence[str] = (),
    *,
    timeout_s: float,
    database: bool = True,
    autocommit: bool = True,
) -> Any:
    """A session. `settings`: statements that make them. `database`: whether that of the address is chosen.

    Raises AddressError; DatabaseUnreachable, PoolerError among it; TimeoutError; and what asyncmy does.
    """
    place = address.places[0]
    async with asyncio.timeout(address.timeout_s(timeout_s)):
        connection = await _open(address, place, name, database)
        try:
            require_cipher(cipher(connection), address.tls, place)
            await _refuse_proxy(connection, place)
            for statement in settings:
                await connection.query(statement)
            await connection.autocommit(autocommit)
        except BaseException:
            connection.close()
            raise
    return connection


async def _open(address: DatabaseAddress, place: Place, name: str | None, database: bool) -> Any:
    hosts = await hosts_of(place, address.tls, address.connect_timeout_s or 60)
    for host in hosts[:-1]:
        try:
            return await _open_at(host, address, place, name, database)
        except DatabaseUnreachable:
            raise
        except (MySQLError, OSError) as error:
            if isinstance(error, MySQLError) and error.args[:1] != (_CANNOT_CONNECT,):
                raise
    return await _open_at(hosts[-1], address, place, name, database)


async def _open_at(host: str, address: DatabaseAddress, place: Place, name: str | None, database: bool) -> Any:
    tls = None if address.tls.mode == "disable" else context(address.tls)
    connection: Any = Connection(  # type: ignore[no-untyped-call]
        host="localhost" if place.is_socket else host,
        port=place.port,
        unix_socket=place.host if place.is_socket else None,
        user=address.user,
        password=address.password.encode(),  # as it is: the driver would make Latin-1 of it
        database=(address.database or None) if database else None,
        charset="utf8mb4",
        autocommit=None,
        program_name=address.application_name or name,
        ssl=tls,
        connect_timeout=address.connect_timeout_s or 60,
    )
    _negotiate(connection, address, place)
    try:
        await connection.connect()
    except (MySQLError, OSError) as error:
        if isinstance(error.__cause__, DatabaseUnreachable):  # which the driver has wrapped
            raise error.__cause__ from None
        if (failure := tls_failure(error, address, place)) is not None:
            raise failure from error
        raise
    except RuntimeError as error:  # an authentication plugin that lacks its library
        raise DatabaseUnreachable(str(error)) from error
    return connection


def _negotiate(connection: Any, address: DatabaseAddress, place: Place) -> None:
    """Lets the server's greeting decide on TLS, which the driver would otherwise require in any case."""
    read = connection._get_server_information

    async def read_greeting() -> None:
        await read()
        if connection._ssl_context is not None and not connection.server_capabilities & SSL:
            if address.tls.required:
                raise DatabaseUnreachable(f"{place} has no TLS, which the address asks for")
            connection._ssl_context = None
            connection._client_flag &= ~SSL
        if connection._ssl_context is None and not (place.is_socket or is_loopback(place.host)):
            connection._auth_plugin_map = dict.fromkeys(_CLEAR_TEXT, partial(_refuse_clear_text, place))
            connection._server_public_key = _NoKey(place)
            if connection._auth_plugin_name == _BY_KEY:  # the driver would request the key by itself
                connection._auth_plugin_name = ""

    connection._get_server_information = read_greeting


def _refuse_clear_text(place: Place, _connection: Any) -> NoReturn:
    raise DatabaseUnreachable(
        f"{place} asks for the password in clear text, and the session is not encrypted: nothing was sent. Set "
        "ssl-mode=VERIFY_IDENTITY in the address"
    )


class _NoKey:
    """In place of a server's public key: the driver uses a stored key before it requests one.

    A man in the middle has a key as well, and can decrypt what is encrypted with it.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def __bool__(self) -> bool:
        raise DatabaseUnreachable(
            f"{self._place} asks for the password, encrypted with a key that any host could have sent, and the session "
            "is not encrypted: nothing was sent. Set ssl-mode=REQUIRED, or better VERIFY_IDENTITY, in the address"
        )


async def _refuse_proxy(connection: Any, place: Place) -> None:
    """A proxy in between invents the number that it greets with. Raises PoolerError."""
    async with connection.cursor() as cursor:
        await cursor.execute(_OWN)
        number, comment = (await cursor.fetchall())[0]
    version = f"{connection.get_server_info()} {comment or ''}"
    known = _PROXIES.search(version)
    if known or int(number) != int(connection.thread_id()) & 0xFFFFFFFF:
        raise PoolerError(place, known[0] if known else "a connection pooler", "MariaDB or MySQL")


def cipher(connection: Any) -> str | None:
    """The cipher of a session; None for one in plain text."""
    found: ssl.SSLObject | None = connection._transport.get_extra_info("ssl_object")
    return found.cipher()[0] if found is not None else None  # type: ignore[index]
