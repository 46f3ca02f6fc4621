"""Sessions with PostgreSQL: the one place that connects.

Every argument is given, so that the driver reads neither `PG*` variables nor files below HOME. Nothing is set in a
session before it is known to be ours alone: behind a pooler in transaction mode a setting stays in the server's session
and meets its other clients. A passfile is read by the rules of libpq.
"""

import re
import ssl
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg

from loadtests.drivers.addresses.contract import AddressError, DatabaseAddress, Place, Tls
from loadtests.drivers.contexts import context
from loadtests.drivers.errors import DatabaseUnreachable, PoolerError, none_of, require_cipher, tls_failure, unreachable
from loadtests.drivers.hosts import hosts_of

_FIELDS = 5


def password_of(address: DatabaseAddress, place: Place) -> str:
    """That of the first line which fits host, port, database and user. Raises AddressError, which quotes no line."""
    assert address.passfile is not None
    host = "localhost" if place.is_socket else place.host
    wanted = (host, str(place.port), address.database, address.user)
    for line in _lines(Path(address.passfile)):
        *fields, password = line
        if all(field in ("*", value) for field, value in zip(fields, wanted, strict=True)):
            return password
    raise AddressError(f"the passfile {address.passfile} has no line for {place} and this database and user")


def _lines(path: Path) -> list[list[str]]:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise AddressError(f"the passfile {path} can be read by others: set its mode to 0600")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AddressError(f"the passfile {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AddressError(f"the passfile {path} is not UTF-8 text") from None
    lines = [_fields(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [line for line in lines if len(line) == _FIELDS]


def _fields(line: str) -> list[str]:
    """Between colons; a backslash keeps a colon or a backslash."""
    found = re.findall(r"(?:^|:)((?:\\.|[^\\:])*)", line)
    return [re.sub(r"\\(.)", r"\1", field) for field in found]


_ANSWER_S: Final = 5.0
_NOT_TAKEN: Final = (
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.CantChangeRuntimeParamError,
)
_NO_PASSFILE: Final = "/dev/null/no-passfile"
_ROLES: Final[Mapping[str, str]] = {
    "primary": "NOT pg_catalog.pg_is_in_recovery()",
    "standby": "pg_catalog.pg_is_in_recovery()",
    "read-write": "NOT pg_catalog.pg_is_in_recovery()"
    " AND pg_catalog.current_setting('default_transaction_read_only') = 'off'",
    "read-only": "(pg_catalog.pg_is_in_recovery()"
    " OR pg_catalog.current_setting('default_transaction_read_only') = 'on')",
}
"""`target_session_attrs` → a condition that is true in a session that fits."""


async def connect(
    address: DatabaseAddress,
    name: str,
    settings: Mapping[str, str] | None = None,
    *,
    timeout_s: float,
    names_itself: bool = False,
    **driver: Any,
) -> Any:
    """A session with the first host that serves as `address` asks. `name`: its application_name, unless the address
    has one. `driver`: what asyncpg is given besides, for a pool.

    Raises AddressError; DatabaseUnreachable, PoolerError among it; TimeoutError; and what asyncpg does.
    """
    settings = settings or {}
    address.refuse_conflicts(settings, names_itself=names_itself)
    chosen = {"application_name": address.application_name or name, **address.options, **settings}
    failures: list[tuple[Place, BaseException]] = []
    wanted = address.target_session_attrs
    for role in ("standby", "any") if wanted == "prefer-standby" else (wanted,):
        failures = []
        for place in address.places:
            try:
                connection = await _open(address, place, address.timeout_s(timeout_s), driver)
                return await _settled(connection, place, address.tls, chosen, role)
            except PoolerError:
                raise
            except (OSError, asyncpg.CannotConnectNowError) as error:  # TimeoutError is one
                failures.append((place, error))
    raise none_of(failures)


async def pool(
    address: DatabaseAddress, name: str, settings: Mapping[str, str], *, sizes: tuple[int, int], timeout_s: float
) -> Any:
    """A pool of `connect`'s sessions, at least and at most as many as `sizes`, whose transactions name themselves.

    Raises what `connect` raises.
    """

    async def open_session(_dsn: None = None, **driver: Any) -> Any:
        return await connect(address, name, settings, timeout_s=timeout_s, names_itself=True, **driver)

    # Sessions and their prepared statements are kept for good: replacing them during a run would look like a wait.
    return await asyncpg.create_pool(
        connect=open_session,
        min_size=sizes[0],
        max_size=sizes[1],
        max_queries=sys.maxsize,
        max_inactive_connection_lifetime=0,
        max_cached_statement_lifetime=0,
        reset=_keep_settings,
    )


async def _keep_settings(_connection: Any) -> None:
    """Every setting made in a session is local to its transaction."""


async def _settled(connection: Any, place: Place, tls: Tls, settings: Mapping[str, str], role: str) -> Any:
    """The session with its settings. Raises PoolerError, DatabaseUnreachable for a server in another role."""
    try:
        require_cipher(cipher(connection), tls, place)
        await _set(connection, place, settings)
        if role != "any":
            await _check_role(connection, place, role)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _open(address: DatabaseAddress, place: Place, timeout_s: float, driver: Mapping[str, Any]) -> Any:
    """A session without a setting. By TLS or not in the order of the address's mode, as libpq does."""
    attempts = list(_attempts(address.tls, place))
    password = password_of(address, place) if address.passfile else address.password
    try:
        hosts = await hosts_of(place, address.tls, timeout_s)
    except OSError as error:
        raise unreachable(error, place) from error
    for last, tls in ((tls is attempts[-1], tls) for tls in attempts):
        try:
            return await asyncpg.connect(
                host=hosts if len(hosts) > 1 else hosts[0],
                port=place.port,
                user=address.user,
                password=password,
                passfile=_NO_PASSFILE,
                database=address.database,
                ssl=tls,
                direct_tls=address.tls.direct,
                target_session_attrs="any",
                krbsrvname="postgres",
                gsslib="gssapi",
                timeout=timeout_s,
                **driver,
            )
        except (OSError, asyncpg.InvalidAuthorizationSpecificationError) as error:
            if not last and _other_may_do(error):
                continue
            if isinstance(error, OSError):
                raise _explained(error, address, place) from error
            raise
    raise AssertionError("an address has one way to connect at least")


def _attempts(tls: Tls, place: Place) -> Iterator[ssl.SSLContext | bool]:
    if place.is_socket or tls.mode == "disable":
        yield False
        return
    encrypted = context(tls, protocol="postgresql")
    if tls.mode == "allow":
        yield False
    yield encrypted
    if tls.mode == "prefer":
        yield False


def _other_may_do(error: BaseException) -> bool:
    """Whether the server refused this way of connecting, rather than being away or refusing the user."""
    if isinstance(error, asyncpg.InvalidPasswordError | ConnectionRefusedError | TimeoutError):
        return False
    return isinstance(error, ssl.SSLError | ConnectionError | asyncpg.InvalidAuthorizationSpecificationError)


def _explained(error: OSError, address: DatabaseAddress, place: Place) -> OSError:
    if (failure := tls_failure(error, address, place)) is not None:
        return failure
    if "rejected SSL upgrade" in str(error):
        return DatabaseUnreachable(f"{place} has no TLS, which the address asks for (sslmode={address.tls.mode})")
    return unreachable(error, place)


async def _set(connection: Any, place: Place, settings: Mapping[str, str]) -> None:
    """Makes the settings, in one statement that makes none in a session that is not the one that was opened.

    A pooler invents the process id that it gives at the start; Pgpool-II passes the server's on, from another port.
    Raises PoolerError, DatabaseUnreachable.
    """
    calls = ", ".join(f"pg_catalog.set_config({_quoted(n)}, {_quoted(v)}, false)" for n, v in settings.items())
    own = f"pg_catalog.pg_backend_pid() = {connection.get_server_pid()}"
    port = f"coalesce(pg_catalog.inet_client_port(), -1) IN (-1, {_own_port(connection)})"
    try:
        if await _found(connection, f"{calls} WHERE {own} AND {port}"):
            return
        if not await _found(connection, f"1 WHERE {own}"):
            raise PoolerError(place, "a connection pooler", "PostgreSQL")
        if await _is_pgpool(connection):
            raise PoolerError(place, "Pgpool-II", "PostgreSQL")
        if not await _found(connection, f"{calls} WHERE {own}"):  # through a forwarded port, such as a container's
            raise PoolerError(place, "a connection pooler", "PostgreSQL")
    except _NOT_TAKEN as error:
        raise DatabaseUnreachable(f"{place} does not take a setting that the address names: {error}") from error


async def _found(connection: Any, columns: str) -> bool:
    """Whether a SELECT has a row. By the simple protocol: nothing is prepared, and it is one round trip."""
    return bool(await connection.execute(f"SELECT {columns}", timeout=_ANSWER_S) == "SELECT 1")


def _own_port(connection: Any) -> int:
    name = connection._transport.get_extra_info("sockname")
    return int(name[1]) if isinstance(name, tuple) else -1


async def _is_pgpool(connection: Any) -> bool:
    """It answers this one itself; PostgreSQL has no such setting, and logs that."""
    try:
        await connection.execute("SHOW pool_version", timeout=_ANSWER_S)
    except asyncpg.PostgresError:
        return False
    return True


async def _check_role(connection: Any, place: Place, role: str) -> None:
    """Raises DatabaseUnreachable."""
    if not await _found(connection, f"1 WHERE {_ROLES[role]}"):
        raise DatabaseUnreachable(f"{place} is not {role}, which target_session_attrs asks for")


def _quoted(text: str) -> str:
    """A literal that is valid with either value of standard_conforming_strings."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f" E'{escaped}'" if "\\" in text else f"'{escaped}'"


def cipher(connection: Any) -> str | None:
    """The cipher of a session; None for one in plain text."""
    found = connection._transport.get_extra_info("ssl_object")
    return found.cipher()[0] if found is not None else None
