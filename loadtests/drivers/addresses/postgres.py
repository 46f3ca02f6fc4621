"""PostgreSQL's addresses, by the rules of libpq. Pure.

Nothing is taken from the environment, from files below HOME or from service files: an address says everything itself.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

from loadtests.drivers.addresses import uri
from loadtests.drivers.addresses.contract import (
    TLS_REQUIRED,
    AddressError,
    AddressForm,
    DatabaseAddress,
    Place,
    Tls,
    TlsMode,
)
from loadtests.drivers.addresses.keys import Keys

SCHEMES: Final = ("postgresql", "postgres")
PORT: Final = 5432

_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SESSIONS: Final = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
_TLS_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_KNOWN: Final = (
    *("host", "port", "dbname", "user", "password", "passfile", "connect_timeout", "application_name", "options"),
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    *("target_session_attrs", "load_balance_hosts", "client_encoding", "gssencmode", "channel_binding"),
)
_REFUSED: Final = {
    "hostaddr": "name the address as the host",
    "service": "write what the service file says into the address",
    "servicefile": "write what the service file says into the address",
    "database": "write dbname, or /DATABASE before the ?",
    "username": "write user, or USER@ before the host",
    "ssl": "write sslmode=require, or sslmode=verify-full with sslrootcert",
    "tls": "write sslmode=require, or sslmode=verify-full with sslrootcert",
    "useSSL": "write sslmode=require, or sslmode=verify-full with sslrootcert",
    "ApplicationName": "write application_name",
    "connectTimeout": "write connect_timeout",
    "timeout": "write connect_timeout",
    "currentSchema": "write search_path",
    "schema": "write search_path",
    "fallback_application_name": "write application_name",
    "requiressl": "write sslmode=require",
    "sslcompression": "leave it out: sessions are not compressed",
    "sslsni": "leave it out: the name is always sent",
    "sslcrldir": "write sslcrl=FILE",
    "require_auth": "leave it out: the server chooses how to authenticate",
    "krbsrvname": "leave it out: Kerberos is not used",
    "gsslib": "leave it out: Kerberos is not used",
    "replication": "leave it out: an ordinary session is needed",
    "pgbouncer": "name the host and the port of the PostgreSQL server itself",
}


def parse(text: str) -> DatabaseAddress:
    """Raises AddressError."""
    if re.match(r"\s*\w+\s*=", text):
        raise AddressError("pairs of KEY=VALUE are not understood")
    parts = uri.split(text)
    uri.require_scheme(parts, SCHEMES)
    keys = Keys(parts.query, known=_KNOWN, refused=_REFUSED, settings=True)
    _check_fixed(keys)
    places = _places(parts.places, keys)
    user = keys.either("user", parts.user)
    if not user:
        raise AddressError("it names no user")
    password = keys.either("password", parts.password)
    passfile = keys.file("passfile")
    if password and passfile:
        raise AddressError("it holds a password and a passfile: leave one out")
    return DatabaseAddress(
        engine="postgres",
        places=places,
        user=user,
        password=password,
        database=keys.either("dbname", parts.path) or user,
        tls=_tls(keys, places),
        connect_timeout_s=keys.seconds("connect_timeout"),
        application_name=keys.text("application_name"),
        options=MappingProxyType(_settings(keys)),
        target_session_attrs=keys.choice("target_session_attrs", _SESSIONS, "any"),
        passfile=passfile,
    )


def _check_fixed(keys: Keys) -> None:
    """Keys of which one value only can be had."""
    keys.choice("load_balance_hosts", ("disable",), "disable")
    keys.choice("gssencmode", ("disable", "prefer"), "disable")
    keys.choice("channel_binding", ("disable", "prefer"), "disable")
    encoding = keys.text("client_encoding")
    if encoding is not None and encoding.lower().replace("-", "") != "utf8":
        raise AddressError("client_encoding is not UTF8, which is what the harness speaks")


def _places(named: Sequence[Place], keys: Keys) -> tuple[Place, ...]:
    hosts = keys.text("host")
    if hosts is not None:
        if any(place.host for place in named):
            raise AddressError("host is named twice: before the ? and behind it")
        named = [Place(uri.host_of_key(host), 0) for host in hosts.split(",")]
    if not named:
        raise AddressError("it names no host; of a Unix socket write ?host=/DIRECTORY")
    ports = _ports(keys.text("port"), named)
    return tuple(Place(place.host, given or place.port or PORT) for place, given in zip(named, ports, strict=True))


def _ports(text: str | None, named: Sequence[Place]) -> list[int]:
    if text is None:
        return [0] * len(named)
    if any(place.port for place in named):
        raise AddressError("port is named twice: before the ? and behind it")
    ports = [uri.port(port) for port in text.split(",")]
    if len(ports) == 1:
        return ports * len(named)
    if len(ports) != len(named):
        raise AddressError(f"it names {len(named)} hosts and {len(ports)} ports")
    return ports


def _tls(keys: Keys, places: Sequence[Place]) -> Tls:
    sockets = [place.is_socket for place in places]
    mode = cast(TlsMode, keys.choice("sslmode", _MODES, "disable" if all(sockets) else "prefer"))
    if mode in TLS_REQUIRED and any(sockets):
        raise AddressError(f"sslmode={mode}: PostgreSQL has no TLS on Unix sockets")
    ca = keys.text("sslrootcert") if keys.text("sslrootcert") == "system" else keys.file("sslrootcert")
    if mode in ("verify-ca", "verify-full") and ca is None:
        raise AddressError(
            f"sslmode={mode} needs sslrootcert=FILE, or sslrootcert=system for the authorities of this machine"
        )
    if ca is not None and mode == "require":
        mode = "verify-ca"  # as libpq does
    direct = keys.choice("sslnegotiation", ("postgres", "direct"), "postgres") == "direct"
    if direct and mode not in TLS_REQUIRED:
        raise AddressError("sslnegotiation=direct needs sslmode=require, or more")
    certificate, key = keys.file("sslcert"), keys.file("sslkey")
    if (certificate is None) != (key is None):
        raise AddressError("sslcert and sslkey need each other")
    return Tls(
        mode=mode,
        ca=ca,
        certificate=certificate,
        key=key,
        key_password=keys.text("sslpassword") or "",
        crl=keys.file("sslcrl"),
        minimum=keys.choice("ssl_min_protocol_version", _TLS_VERSIONS, "TLSv1.2"),
        maximum=keys.choice("ssl_max_protocol_version", _TLS_VERSIONS, "TLSv1.3"),
        direct=direct,
        weaker="sslmode=verify-ca",
    )


def _settings(keys: Keys) -> Mapping[str, str]:
    """Those of `options`, and keys that only the server may know."""
    options = _options(keys.text("options") or "")
    if twice := sorted(options.keys() & keys.settings.keys()):
        raise AddressError(f"{', '.join(twice)} is given twice: as a key and in options")
    return {**keys.settings, **options}


def _options(text: str) -> Mapping[str, str]:
    """`-c NAME=VALUE` and `--NAME=VALUE`, between which a backslash keeps a blank. Raises AddressError."""
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\\\s])+", text)]
    found: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word = words.pop(0)
        elif word.startswith(("--", "-c")):
            word = word[2:]
        else:
            word = ""
        name, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][\w.-]*", name):
            raise AddressError("options is not of the form -c NAME=VALUE or --NAME=VALUE")
        found[name.replace("-", "_").lower()] = value
    for name in ("application_name", "client_encoding"):
        if name in found:
            raise AddressError(f"options sets {name}: write it as a key of its own")
    return found


ADDRESS: Final = AddressForm(parse, "postgresql://USER:PASSWORD@HOST:PORT/DATABASE", ca_key="sslrootcert")
