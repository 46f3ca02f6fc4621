"""MariaDB's and MySQL's addresses. Their clients agree on no form of a URI: the keys are those of the options of
`mariadb` and `mysql`, and of PyMySQL. Pure."""

from collections.abc import Sequence
from typing import Final, cast

from loadtests.drivers.addresses import uri
from loadtests.drivers.addresses.contract import AddressError, AddressForm, DatabaseAddress, Place, Tls, TlsMode
from loadtests.drivers.addresses.keys import Keys

SCHEMES: Final = ("mariadb", "mysql")
PORT: Final = 3306

_MODES: Final = {
    "DISABLED": "disable",
    "PREFERRED": "prefer",
    "REQUIRED": "require",
    "VERIFY_CA": "verify-ca",
    "VERIFY_IDENTITY": "verify-full",
}
_SWITCH: Final = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
_KNOWN: Final = (
    *("ssl", "ssl_mode", "ssl_ca", "ssl_cert", "ssl_key", "ssl_crl"),
    *("unix_socket", "connect_timeout", "charset", "program_name"),
)
_SPELLINGS: Final = {
    "sslMode": "ssl_mode",
    **{name.replace("_", "-"): name for name in ("ssl_mode", "ssl_ca", "ssl_cert", "ssl_key", "ssl_crl")},
}
_TLS: Final = "write ssl-mode=REQUIRED, or ssl-mode=VERIFY_IDENTITY with ssl_ca=FILE"
_REFUSED: Final = {
    **dict.fromkeys(
        ("tls", "useSSL", "useSsl", "requireSSL", "sslmode", "ssl_verify_cert", "ssl-verify-server-cert"), _TLS
    ),
    **dict.fromkeys(("ssl_verify_identity", "verifyServerCertificate", "ssl_check_hostname", "tls_version"), _TLS),
    **dict.fromkeys(("ssl_capath", "serverSslCert", "sslrootcert"), "write ssl_ca=FILE"),
    **dict.fromkeys(("socket", "unixSocket", "localSocket"), "write unix_socket=PATH"),
    **dict.fromkeys(("connectTimeout", "connect-timeout", "timeout"), "write connect_timeout=SECONDS"),
    **dict.fromkeys(("user", "password"), "write it before the host"),
    **dict.fromkeys(("database", "db"), "write /DATABASE before the ?"),
    "application_name": "write program_name",
    "collation": "leave it out: the harness chooses",
    "init_command": "leave it out: the harness makes its sessions' settings itself",
    "autocommit": "leave it out: the harness chooses",
}


def parse(text: str, schemes: Sequence[str] = SCHEMES) -> DatabaseAddress:
    """The database may be missing: an observer needs none. Raises AddressError."""
    parts = uri.split(text)
    uri.require_scheme(parts, schemes)
    keys = Keys(parts.query, known=_KNOWN, refused=_REFUSED, spellings=_SPELLINGS)
    if keys.choice("charset", ("utf8mb4", "utf8"), "utf8mb4") != "utf8mb4":
        raise AddressError("charset is not utf8mb4, which is what the harness speaks")
    if not parts.user:
        raise AddressError("it names no user")
    places = _places(parts.places, keys)
    return DatabaseAddress(
        engine="mariadb",
        places=places,
        user=parts.user,
        password=parts.password,
        database=parts.path,
        tls=_tls(keys, places),
        connect_timeout_s=keys.seconds("connect_timeout"),
        application_name=keys.text("program_name"),
    )


def _places(named: Sequence[Place], keys: Keys) -> tuple[Place, ...]:
    if len(named) > 1:
        raise AddressError("it names several hosts, of which a MariaDB session has one")
    socket = keys.file("unix_socket")
    if socket is not None:
        if named and named[0].host != "localhost":
            raise AddressError("it names a host and a unix_socket: leave one out")
        return (Place(socket, PORT),)
    if not named:
        raise AddressError("it names no host; of a Unix socket write ?unix_socket=PATH")
    return (Place(named[0].host, named[0].port or PORT),)


def _tls(keys: Keys, places: Sequence[Place]) -> Tls:
    ca, certificate, key = (keys.file(name) for name in ("ssl_ca", "ssl_cert", "ssl_key"))
    if (certificate is None) != (key is None):
        raise AddressError("ssl_cert and ssl_key need each other")
    mode = _mode(keys, "prefer" if not places[0].is_socket else "disable")
    if mode == "disable" and (ca or certificate) and (keys.text("ssl") or keys.text("ssl_mode")):
        raise AddressError("it turns TLS off and names files for it: leave one out")
    if ca and keys.text("ssl_mode") is None:
        mode = "verify-full"  # as PyMySQL and the drivers that follow it do
    elif ca and mode in ("prefer", "require"):
        mode = "verify-ca"
    elif certificate and mode in ("prefer", "disable"):
        mode = "require"
    if ca is None and mode in ("verify-ca", "verify-full"):
        ca = "system"
    return Tls(
        mode=mode, ca=ca, certificate=certificate, key=key, crl=keys.file("ssl_crl"), weaker="ssl-mode=VERIFY_CA"
    )


def _mode(keys: Keys, default: TlsMode) -> TlsMode:
    switch, named = keys.text("ssl"), keys.text("ssl_mode")
    if switch is not None and named is not None:
        raise AddressError("it holds ssl and ssl-mode: leave one out")
    if switch is not None:
        return cast(TlsMode, _SWITCH[keys.choice("ssl", _SWITCH, "true")])
    if named is not None:
        return cast(TlsMode, _MODES[keys.choice("ssl_mode", _MODES, "PREFERRED")])
    return default


ADDRESS: Final = AddressForm(parse, "mariadb://USER:PASSWORD@HOST:PORT/DATABASE", ca_key="ssl_ca")
