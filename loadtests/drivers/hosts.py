"""Where the host of a database may be, checked when connecting and before a password is sent.

`localhost` is a loopback address. Names that were checked before a study stay in the networks where they were then
(`loadtests.destinations`). A certificate that is checked for the name needs neither.
"""

import asyncio
import socket
from collections.abc import Mapping

from loadtests.destinations import AddressRefused, is_literal, permitted
from loadtests.drivers.addresses.contract import Place, Tls
from loadtests.drivers.errors import DatabaseUnreachable

_networks: dict[str, tuple[str, ...]] = {}


def restrict(networks: Mapping[str, tuple[str, ...]]) -> None:
    """Sets, for this process, the networks in which each host may be; one that is missing may be anywhere."""
    _networks.clear()
    _networks.update(networks)


async def hosts_of(place: Place, tls: Tls, timeout_s: float) -> list[str]:
    """What to connect to, in turn: the place's host, or the addresses that its name may stand for.

    Raises DatabaseUnreachable for a name that stands for none of them, OSError for one that is not known.
    """
    networks = _networks.get(place.host, ())
    restricted = place.host == "localhost" or networks
    if not restricted or place.is_socket or tls.mode == "verify-full" or is_literal(place.host):
        return [place.host]
    async with asyncio.timeout(timeout_s):
        found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))
    try:
        allowed = permitted(place.host, tuple(addresses), networks)
    except AddressRefused as refused:
        raise DatabaseUnreachable(str(refused)) from None
    return [address for address in addresses if address in allowed]
