"""Ephemeral ports: how many connections towards one address this host can still open."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, NamedTuple

from loadtests.limits.cgroups import ROOT, read_text

HOW: Final = "sysctl -w net.ipv4.ip_local_port_range='1024 65535'"

_LISTEN: Final = "0A"
_DEFAULT: Final = range(32768, 61000)

Address = IPv4Address | IPv6Address


class Socket(NamedTuple):
    """A TCP socket of this network namespace, one that is still closing included."""

    local_port: int
    remote: Address
    remote_port: int
    listening: bool


def port_range(root: Path = ROOT) -> range:
    """The ports that the kernel gives to connections that ask for none, IPv6 included."""
    fields = read_text(root / "proc/sys/net/ipv4/ip_local_port_range").split()
    return range(int(fields[0]), int(fields[1]) + 1) if len(fields) == 2 else _DEFAULT


def free_ports(host: str | None, port: int, root: Path = ROOT) -> int:
    """Ephemeral ports that are left for connections towards HOST:PORT; `host` None: an address that does not exist
    yet, towards which nothing is open."""
    usable = port_range(root)
    taken = set(_reserved(root))
    for socket in sockets(root):
        if socket.listening or (host is not None and socket.remote_port == port and _same(socket.remote, host)):
            taken.add(socket.local_port)
    return len(usable) - sum(number in usable for number in taken)


def sockets(root: Path = ROOT) -> Iterator[Socket]:
    for file in ("proc/net/tcp", "proc/net/tcp6"):
        for line in read_text(root / file).splitlines()[1:]:
            fields = line.split()
            remote, _, remote_port = fields[2].partition(":")
            local_port = int(fields[1].rpartition(":")[2], 16)
            yield Socket(local_port, _address(remote), int(remote_port, 16), fields[3] == _LISTEN)


def _same(remote: Address, host: str) -> bool:
    mapped = remote.ipv4_mapped if isinstance(remote, IPv6Address) else None
    return (mapped or remote) == ip_address(host)


def _address(written: str) -> Address:
    """As /proc writes it: words of 32 bits in the host's own order."""
    words = [bytes.fromhex(written[at : at + 8])[::-1] for at in range(0, len(written), 8)]
    return ip_address(b"".join(words))


def _reserved(root: Path) -> Iterator[int]:
    """`8080,9148-9150`."""
    for part in read_text(root / "proc/sys/net/ipv4/ip_local_reserved_ports").strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            yield from range(int(first), int(last or first) + 1)
