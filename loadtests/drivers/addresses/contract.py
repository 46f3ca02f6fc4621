"""The meaning of an address, for any engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

TlsMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
"""As PostgreSQL names them; from `require` on, TLS or an error."""

TLS_REQUIRED: Final = frozenset({"require", "verify-ca", "verify-full"})


class AddressError(ValueError):
    """An address cannot be used. The message names keys and forms, and quotes no value: any part may be a password."""


@dataclass(frozen=True)
class Place:
    """Where a server listens: host and port, or the path of a Unix socket (of its directory for PostgreSQL)."""

    host: str
    port: int

    @property
    def is_socket(self) -> bool:
        return self.host.startswith("/")

    def __str__(self) -> str:
        if self.is_socket:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Tls:
    """How a session is encrypted, and which files prove who is who. `ca` "system": the authorities of this machine."""

    mode: TlsMode = "prefer"
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password: str = field(default="", repr=False)
    crl: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    direct: bool = False
    weaker: str = ""
    """The key and value that check the issuer, but not the name."""

    @property
    def required(self) -> bool:
        return self.mode in TLS_REQUIRED


@dataclass(frozen=True)
class DatabaseAddress:
    """One database. `options`: settings of the session that the address asks for."""

    engine: str
    places: tuple[Place, ...]
    user: str
    password: str = field(repr=False)
    database: str
    tls: Tls = Tls()
    connect_timeout_s: float | None = None
    application_name: str | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    target_session_attrs: str = "any"
    passfile: str | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that may be connected to; Unix sockets are of this machine and not among them."""
        return tuple(place.host for place in self.places if not place.is_socket)

    def timeout_s(self, default: float) -> float:
        """How long connecting may take."""
        return self.connect_timeout_s or default

    def refuse_conflicts(self, settings: Mapping[str, str], *, names_itself: bool) -> None:
        """Raises AddressError for keys of which the caller has its own. `names_itself`: names its sessions, too."""
        if twice := sorted(self.options.keys() & settings.keys()):
            raise AddressError(f"it sets {', '.join(twice)}, which the harness sets itself: leave it out")
        if names_itself and self.application_name is not None:
            raise AddressError("application_name: pods name their sessions themselves: leave it out")


@dataclass(frozen=True)
class AddressForm:
    """How an engine's addresses are written. `ca_key`: the key that names the file of a certificate authority."""

    parse: Callable[[str], DatabaseAddress]
    example: str
    ca_key: str
