"""Which process of this host serves an address that we did not start: its processor time is not foreign load."""

import ipaddress
import os
import socket
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import Any

import psutil

from loadtests.conductor.choices import Target
from loadtests.conductor.target import address_of
from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.contract import Place


@dataclass(frozen=True)
class Served:
    """A pod or database that is served on this host: by which process, if that is known."""

    role: str
    name: str
    place: Place
    pid: int | None


def served_here(target: Target, pod: str, dsns: Mapping[str, str]) -> list[Served]:
    """The target, and those of its databases, that are on this host. A process below one before it is of that one."""
    places = [("pod", pod, Place(*address_of(target.url)))]
    for database in target.databases:
        address = parse_address(database.engine, dsns[database.name])
        places += [("database", database.name, place) for place in address.places]
    found: list[Served] = []
    for role, name, place in places:
        if place.is_socket or _is_here(place.host):
            pid = _server_of(place.host, place.port)
            if pid is None or not {one.pid for one in found}.intersection(_line(pid)):
                found.append(Served(role, name, place, pid))
    return found


def _is_here(host: str) -> bool:
    """Whether `host` is this machine: loopback, or an address of one of its interfaces."""
    return any(_is_own(address) for address in _addresses(host))


def _server_of(host: str, port: int) -> int | None:
    """The process that accepts connections there, with all that serves them below it.

    None when there is no such process here, when it belongs to a user whose descriptors this one may not read, or when
    its tree holds this process as well. Several that listen side by side are served by what started them.
    """
    if host.startswith("/"):
        paths = (host, f"{host}/.s.PGSQL.{port}")
        return _root(_listening("unix", lambda connection: connection.laddr in paths))
    addresses = {*_addresses(host), "0.0.0.0", "::"}  # noqa: S104  compared, not bound
    return _root(_listening("tcp", lambda connection: _listens_at(connection, addresses, port)))


def _addresses(host: str) -> Iterator[str]:
    with suppress(OSError):
        for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            yield str(info[4][0])


def _is_own(address: str) -> bool:
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return True
    return any(address == own.address for its in psutil.net_if_addrs().values() for own in its)


def _listens_at(connection: Any, addresses: Container[str], port: int) -> bool:
    """`connection`: one of psutil."""
    if connection.status != psutil.CONN_LISTEN or connection.laddr.port != port:
        return False
    return connection.laddr.ip.removeprefix("::ffff:") in addresses


def _listening(kind: str, matches: Callable[[Any], bool]) -> Iterator[int]:
    """One for each listening socket: of processes that share it what started them. None where the kernel does not
    list its sockets, as in hardened containers."""
    try:
        connections = psutil.net_connections(kind)
    except (OSError, RuntimeError, psutil.Error):
        return
    for connection in connections:
        if connection.pid and matches(connection):
            *above, pid = _line(connection.pid)
            while above and _shares(above[-1], kind, matches):
                pid = above.pop()
            yield pid


def _shares(parent: int, kind: str, matches: Callable[[Any], bool]) -> bool:
    """Whether `parent` listens itself or has several children that do: psutil names one process of a socket."""
    with suppress(psutil.Error):
        process = psutil.Process(parent)
        return (
            _listens(process, kind, matches) or sum(_listens(child, kind, matches) for child in process.children()) > 1
        )
    return False


def _listens(process: psutil.Process, kind: str, matches: Callable[[Any], bool]) -> bool:
    with suppress(psutil.Error):
        return any(map(matches, process.net_connections(kind)))
    return False


def _root(pids: Iterable[int]) -> int | None:
    """What they have in common and is neither the system's first process nor above this one."""
    lines = [_line(pid) for pid in set(pids)]
    if not lines:
        return None
    common = reduce(lambda one, other: [pid for pid in one if pid in other], lines)
    found = common[-1] if common else None
    return None if found in (None, 1, *_line(os.getpid())) else found


def _line(pid: int) -> list[int]:
    """The first process, and so on down to `pid`."""
    with suppress(psutil.Error):
        return [*(parent.pid for parent in reversed(psutil.Process(pid).parents())), pid]
    return [pid]
