"""Which addresses a host may stand for, checked when connecting: between the check of a name and its use the resolver
may answer something else, and tokens and passwords would go there. A leaf, pure.

- `localhost` is a loopback address, also where the resolver answers something else.
- A name of `--i-own` that is reached in plain text stays in the kind of network where it was when the study was
  checked: loopback, a private network, or that public address. `--i-own NETWORK` adds networks. With TLS the
  certificate proves the name, and addresses may change.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")

_PRIVATE: Final = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
    *("fc00::/7", "fe80::/10"),
)


class AddressRefused(Exception):
    """A name stands for no address that it may stand for; nothing was sent."""


def is_loopback(host: str) -> bool:
    """By address, and `localhost` by name: other names may change what they stand for."""
    try:
        return _address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_owned(host: str, owned: Iterable[str]) -> bool:
    """Whether `--i-own` names the host, or a network that its address is in."""
    return any(host.lower() == one.lower() or _contains(one, host) for one in owned)


def networks_of(addresses: Iterable[str], owned: Iterable[str] = ()) -> tuple[str, ...]:
    """The networks in which a name that stands for these addresses now may stand for others later, and those of
    `--i-own`."""
    found = [network for address in addresses for network in _kind(address)]
    return tuple(dict.fromkeys([*found, *(one for one in owned if "/" in one and _network(one))]))


@lru_cache(maxsize=1024)
def permitted(host: str, addresses: tuple[str, ...], networks: tuple[str, ...] = ()) -> frozenset[str]:
    """Those of the addresses that `host` may stand for; all of them where `networks` is empty. Raises AddressRefused
    when none is left."""
    local = host == "localhost"
    within = LOOPBACK if local else networks
    if not within or is_literal(host):
        return frozenset(addresses)
    allowed = frozenset(a for a in addresses if any(_contains(network, a) for network in within))
    if allowed or not addresses:
        return allowed
    raise AddressRefused(_refusal(host, addresses, within, local))


def is_literal(host: str) -> bool:
    """Whether the host is an address, for which no resolver is asked."""
    with suppress(ValueError):
        return bool(_address(host))
    return False


def _refusal(host: str, addresses: Sequence[str], within: Sequence[str], local: bool) -> str:
    found = f"{host} resolves to {', '.join(addresses[:4])}"
    if local:
        return f"{found}, which is no loopback address: nothing was sent. Correct the resolver or the hosts file"
    return (
        f"{found}, outside of the networks in which it was when the study was checked ({', '.join(within)}): nothing "
        f"was sent. If the address is yours, add --i-own {addresses[0]}/{_address(addresses[0]).max_prefixlen}"
    )


def _address(text: str) -> IPv4Address | IPv6Address:
    """Raises ValueError. An IPv4 address within IPv6 is that IPv4 address."""
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> IPv4Network | IPv6Network | None:
    with suppress(ValueError):
        return ip_network(text, strict=False)
    return None


def _contains(network: str, host: str) -> bool:
    within = _network(network)
    with suppress(ValueError):
        return within is not None and _address(host) in within
    return False


def _kind(address: str) -> Sequence[str]:
    """Loopback, the private network, or the address alone."""
    if is_loopback(address):
        return LOOPBACK
    with suppress(ValueError):
        plain = _address(address)
        return [n for n in _PRIVATE if plain in ip_network(n)] or [f"{plain}/{plain.max_prefixlen}"]
    return ()
