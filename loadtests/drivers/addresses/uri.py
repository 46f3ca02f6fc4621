"""The parts of a URI, with several hosts, Unix sockets and percent-encoding. Pure.

`urllib.parse` is not used to split: it drops tabs and newlines, takes the last of several `@`, and ends a password at a
`#`, so that two programs may read two hosts in one address.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from urllib.parse import quote, unquote

from loadtests.drivers.addresses.contract import AddressError, Place

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.:-]*?)://(.*)", re.DOTALL)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_KNOWN_SCHEME = re.compile(r"^(jdbc:)?(postg|mysql|mariadb|redis|valkey|cockroach|sqlite|maria|unix|https?$)")
_HOST = re.compile(r"[^\s/\\?#@\[\]:,%]+")
_ENCODE = (
    "percent-encode the special characters of user and password (@ is %40, / is %2F, # is %23, ? is %3F, % is %25)"
)


@dataclass(frozen=True)
class Uri:
    """`places` have port 0 where none is given. `path` is without its first slash."""

    scheme: str
    user: str
    password: str = field(repr=False)
    places: tuple[Place, ...]
    path: str
    query: tuple[tuple[str, str], ...] = field(repr=False)


def split(text: str) -> Uri:
    """The parts of an address. Raises AddressError."""
    found = _SCHEME.fullmatch(text)
    if not found:
        raise AddressError("it does not begin with SCHEME://")
    scheme, rest = found[1].lower(), found[2]
    if _FORBIDDEN.search(rest):
        raise AddressError(f"it holds a blank, a backslash or a control character: {_ENCODE}")
    if "#" in rest or _BAD_PERCENT.search(rest):
        raise AddressError(f"it holds a # or a % that is not percent-encoded: {_ENCODE}")
    authority, path, query = _cut(rest)
    if authority.count("@") > 1 or "@" in path + query:
        raise AddressError(f"it holds more than one @, or one behind its host: {_ENCODE}")
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    return Uri(scheme, _decode(user), _decode(password), places(hosts), _decode(path), _pairs(query))


def require_scheme(parts: Uri, schemes: Sequence[str]) -> None:
    """Raises AddressError for another scheme; it is named when it is sure to be one."""
    if parts.scheme not in schemes:
        named = parts.scheme if _KNOWN_SCHEME.search(parts.scheme) else "another one"
        raise AddressError(f"its scheme is {named}, not {' or '.join(schemes)}")


def _cut(rest: str) -> tuple[str, str, str]:
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    return authority, path, query


def _decode(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise AddressError("its percent-encoding is not that of UTF-8 text") from None
    if "\0" in decoded:
        raise AddressError("it holds a NUL character")
    return decoded


def _pairs(query: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z][\w.-]*", name):
            raise AddressError("its query is not of the form KEY=VALUE&KEY=VALUE")
        pairs.append((name, _decode(value)))
    return tuple(pairs)


def places(hosts: str) -> tuple[Place, ...]:
    """`HOST:PORT,HOST,[IPV6]:PORT,%2Fdirectory`. Raises AddressError."""
    return tuple(_place(part) for part in hosts.split(",")) if hosts else ()


def _place(text: str) -> Place:
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(.*))?", text, re.DOTALL)
    if not found:
        raise AddressError("a host is not of the form NAME, ADDRESS or [IPV6-ADDRESS], with :PORT behind it")
    return Place(host(found[1]), port(found[2]) if found[2] is not None else 0)


def host(text: str) -> str:
    """A name in lower case, an address, or the path of a socket. Raises AddressError."""
    if text.startswith("["):
        return _ipv6(text[1:-1])
    decoded = _decode(text)
    if decoded.startswith("/"):
        return decoded
    if not _HOST.fullmatch(decoded):
        raise AddressError("a host is empty or holds a character that no host has")
    return decoded.lower()


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(_decode(text)))
    except ValueError:
        raise AddressError("what stands in [ ] is no IPv6 address") from None


def host_of_key(text: str) -> str:
    """As `host`, of a key's value: IPv6 addresses stand without brackets."""
    try:
        return str(ip_address(text))
    except ValueError:
        return host(text.replace("%", "%25"))


def port(text: str) -> int:
    """Raises AddressError."""
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise AddressError("a port is not a number from 1 to 65535")


def build(  # noqa: PLR0913  the parts of an address
    scheme: str,
    places: Sequence[Place],
    *,
    user: str = "",
    password: str = "",
    path: str = "",
    query: Mapping[str, str] | None = None,
) -> str:
    """The address of which `split` makes these parts."""
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    hosts = ",".join(_written(place) for place in places)
    keys = "&".join(f"{name}={quote(value, safe='')}" for name, value in (query or {}).items())
    return f"{scheme}://{login}{'@' if login else ''}{hosts}/{quote(path, safe='')}{'?' if keys else ''}{keys}"


def local(scheme: str, port: int, user: str, password: str, path: str) -> str:
    """The address of a server of ours on this machine."""
    return build(scheme, [Place("127.0.0.1", port)], user=user, password=password, path=path)


def _written(place: Place) -> str:
    ipv6 = ":" in place.host and not place.is_socket
    bare = f"[{quote(place.host, safe=':')}]" if ipv6 else quote(place.host, safe="")
    return f"{bare}:{place.port}" if place.port else bare


def redirected(text: str, port: int) -> str:
    """The same address by way of another port of this machine."""
    uri = split(text)
    query = dict(uri.query)
    return build(
        uri.scheme, [Place("127.0.0.1", port)], user=uri.user, password=uri.password, path=uri.path, query=query
    )
