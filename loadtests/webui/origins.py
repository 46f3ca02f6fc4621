"""Which requests may reach the web UI: by Host, Origin and Sec-Fetch-Site.

A page of another site can make a browser send requests here, from inside the operator's host. It cannot change these
three headers. Under a name of its own that stands for our address (DNS rebinding) such a page counts as ours to the
browser; only Host shows it then.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from loadtests.configuration.problems import shown
from loadtests.destinations import is_loopback

METHODS: Final = ("GET", "HEAD", "POST")

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

EVERY_INTERFACE: Final = frozenset(("", "*", "0.0.0.0", "::"))  # noqa: S104  compared, not bound
"""Values of `--web-host` that stand for all of them."""

_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+))(?::[0-9]{1,5})?")

_FROM_OURSELVES: Final = ("same-origin", "none")
"""Values of Sec-Fetch-Site: our own page, or the user, by typing the address or opening a bookmark. Other ports of this
host are `same-site`: another program's."""


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    message: str
    navigation: bool = False
    """Whether a user followed a link of another site to get here: one step more shows the page."""


class AllowedHosts:
    """The names under which the web UI answers.

    Without ports: a tunnel or a proxy may have another one.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(map(_canonical, names)))

    def __contains__(self, authority: str) -> bool:
        match = _AUTHORITY.fullmatch(authority)
        return match is not None and _canonical(match["v6"] or match["name"]) in self.names


def is_host_name(text: str) -> bool:
    """Whether the text is a host's name or address, without a port."""
    match = _AUTHORITY.fullmatch(f"[{text}]" if text.count(":") > 1 else text)
    return match is not None and text in (match["v6"], match["name"])


def hosts_of(bound: str, allowed: Iterable[str], own_addresses: Iterable[str]) -> AllowedHosts:
    """The names of a web UI that listens on `bound`; `own_addresses` are this host's."""
    if bound in EVERY_INTERFACE:
        return AllowedHosts([*LOOPBACK, *own_addresses, *allowed])
    return AllowedHosts([*(LOOPBACK if is_loopback(bound.lower()) else ()), bound, *allowed])


def refusal_of(environ: Mapping[str, str], hosts: AllowedHosts) -> Refusal | None:
    """Why this request is refused, by its WSGI environment, or None."""
    host, method = environ.get("HTTP_HOST", ""), environ.get("REQUEST_METHOD", "")
    if host not in hosts:
        return Refusal(403, _unknown_host(host, hosts))
    origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
    if origin is not None and origin.lower() not in _own_origins(environ["wsgi.url_scheme"], host.lower()):
        return Refusal(403, f"the request comes from a page of {shown(origin)}; only pages of this web UI may send any")
    if site is not None and site not in _FROM_OURSELVES:
        return Refusal(403, "the request comes from a page of another site or port", _is_navigation(environ))
    if method not in METHODS:
        return Refusal(405, f"the method {shown(method)} is not used here; expected one of {', '.join(METHODS)}")
    return None


def _own_origins(scheme: str, host: str) -> list[str]:
    """A proxy in front of us may speak TLS where we do not."""
    return [f"{name}://{host}" for name in ({"http", "https"} if scheme == "http" else {scheme})]


def _unknown_host(host: str, hosts: AllowedHosts) -> str:
    known = f"this web UI answers as {', '.join(hosts.names)}"
    match = _AUTHORITY.fullmatch(host)
    if match is None:
        return f"the request's Host is {shown(host)}; {known}"
    return f"the request's Host is {shown(host)}; {known}: to add this name, start it with --allowed-host NAME"


def _is_navigation(environ: Mapping[str, str]) -> bool:
    return (
        environ.get("REQUEST_METHOD") == "GET"
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    )


def _canonical(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()
