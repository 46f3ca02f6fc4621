"""Redis's addresses, by the rules of redis-py. Pure."""

from typing import Final

from loadtests.drivers.addresses import uri
from loadtests.drivers.addresses.contract import AddressError, AddressForm, DatabaseAddress, Place, Tls
from loadtests.drivers.addresses.keys import Keys

SCHEMES: Final = ("redis", "rediss", "unix")
PORT: Final = 6379

_KNOWN: Final = (
    *("db", "username", "password", "client_name", "socket_connect_timeout", "protocol"),
    *("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_check_hostname"),
)
_TLS: Final = "write rediss:// instead of redis://"
_REFUSED: Final = {
    **dict.fromkeys(("ssl", "tls", "sslmode", "ssl_mode", "use_ssl"), _TLS),
    **dict.fromkeys(("connect_timeout", "timeout", "connectTimeout"), "write socket_connect_timeout=SECONDS"),
    **dict.fromkeys(("socket_timeout", "socket_read_timeout"), "leave it out: the harness has its own"),
    **dict.fromkeys(("ssl_ca", "ssl_ca_path", "ssl_ca_data", "sslrootcert"), "write ssl_ca_certs=FILE"),
    "user": "write username, or USER@ before the host",
    "host": "write it before the ?",
    "port": "write it before the ?",
    "path": "write unix:///PATH",
    "application_name": "write client_name",
    "virtual_host": "write db",
}


def parse(text: str) -> DatabaseAddress:
    """Raises AddressError."""
    parts = uri.split(text)
    uri.require_scheme(parts, SCHEMES)
    keys = Keys(parts.query, known=_KNOWN, refused=_REFUSED)
    keys.choice("protocol", ("2",), "2")
    place = _place(parts)
    return DatabaseAddress(
        engine="redis",
        places=(place,),
        user=keys.either("username", parts.user),
        password=keys.either("password", parts.password),
        database=_database(parts, keys, place),
        tls=_tls(parts.scheme == "rediss", keys),
        connect_timeout_s=keys.seconds("socket_connect_timeout"),
        application_name=keys.text("client_name"),
    )


def _place(parts: uri.Uri) -> Place:
    if parts.scheme == "unix":
        if parts.places or not parts.path:
            raise AddressError("it names no socket: write unix:///PATH")
        return Place(f"/{parts.path}", PORT)
    if len(parts.places) > 1:
        raise AddressError("it names several hosts, of which a Redis session has one")
    if not parts.places:
        raise AddressError("it names no host")
    place = parts.places[0]
    return Place(place.host, place.port or PORT)


def _database(parts: uri.Uri, keys: Keys, place: Place) -> str:
    text = keys.either("db", "" if parts.scheme == "unix" else parts.path) or "0"
    if not (text.isascii() and text.isdigit()):
        raise AddressError(f"the database at {place} is not a number: write /0 behind the port")
    return str(int(text))


def _tls(asked: bool, keys: Keys) -> Tls:
    names = [name for name in _KNOWN if name.startswith("ssl_") and keys.text(name) is not None]
    if not asked:
        if names:
            raise AddressError(f"it holds {names[0]} and asks for no TLS: {_TLS}")
        return Tls(mode="disable")
    checked = keys.choice("ssl_cert_reqs", ("required", "optional", "none"), "required") != "none"
    by_name = keys.choice("ssl_check_hostname", ("true", "True", "1", "false", "False", "0"), "true").lower()
    certificate, key = keys.file("ssl_certfile"), keys.file("ssl_keyfile")
    if (certificate is None) != (key is None):
        raise AddressError("ssl_certfile and ssl_keyfile need each other")
    ca = keys.file("ssl_ca_certs")
    if ca and not checked:
        raise AddressError("it holds ssl_ca_certs and ssl_cert_reqs=none: leave one out")
    return Tls(
        mode="require" if not checked else "verify-full" if by_name in ("true", "1") else "verify-ca",
        ca=(ca or "system") if checked else None,
        certificate=certificate,
        key=key,
        key_password=keys.text("ssl_password") or "",
        weaker="ssl_check_hostname=false",
    )


ADDRESS: Final = AddressForm(parse, "redis://USER:PASSWORD@HOST:PORT/0", ca_key="ssl_ca_certs")
