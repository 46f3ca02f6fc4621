"""Passwords go to no address but those that a host may stand for, for every answer of the resolver."""

import asyncio
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from opened import CALLERS

from loadtests.drivers import hosts
from loadtests.drivers.addresses.contract import Place, Tls
from loadtests.drivers.errors import DatabaseUnreachable

DSNS = {
    "postgres": "postgresql://u:hush@{host}:{port}/d?sslmode=disable",
    "mariadb": "mysql://u:hush@{host}:{port}/d",
    "redis": "redis://u:hush@{host}:{port}/0",
}


@pytest.fixture(autouse=True)
def unrestricted() -> Iterator[None]:
    yield
    hosts.restrict({})


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch):
    """Makes the resolver give these addresses for every name."""

    def answer(*addresses: str) -> None:
        real = socket.getaddrinfo

        def getaddrinfo(host: str, port: int, *rest: object, **more: object) -> list[tuple[object, ...]]:
            found = [host] if host[:1].isdigit() else addresses
            return [one for address in found for one in real(address, port, *rest, **more)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return answer


@pytest.mark.parametrize("engine", DSNS)
def test_localhost_elsewhere_gets_no_connection(engine: str, resolve) -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        resolve("192.0.2.7")
        dsn = DSNS[engine].format(host="localhost", port=server.getsockname()[1])
        with pytest.raises(Exception, match="which is no loopback address: nothing was sent") as refused:
            asyncio.run(CALLERS["probe"](engine, dsn))
        assert "hush" not in str(refused.value)


@pytest.mark.parametrize("engine", DSNS)
def test_a_name_that_moves_after_the_check_gets_no_connection(engine: str, resolve) -> None:
    hosts.restrict({"db.invalid": ("10.0.0.0/8",)})
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        resolve("127.0.0.1")
        dsn = DSNS[engine].format(host="db.invalid", port=server.getsockname()[1])
        with pytest.raises(Exception, match="outside of the networks in which it was"):
            asyncio.run(CALLERS["probe"](engine, dsn))
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("mode", ["disable", "prefer", "verify-ca"])
def test_localhost_is_its_loopback_addresses(mode, resolve) -> None:
    resolve("192.0.2.7", "127.0.0.1", "127.0.0.9")
    found = asyncio.run(hosts.hosts_of(Place("localhost", 5432), Tls(mode), 5))
    assert found == ["127.0.0.1", "127.0.0.9"]


@pytest.mark.parametrize(
    ("place", "tls"),
    [
        (Place("localhost", 5432), Tls("verify-full")),
        (Place("192.0.2.7", 5432), Tls()),
        (Place("/run/postgresql", 5432), Tls()),
        (Place("db.example.com", 5432), Tls()),
    ],
)
def test_other_hosts_are_left_to_the_driver(place: Place, tls: Tls, resolve) -> None:
    resolve("192.0.2.8")
    assert asyncio.run(hosts.hosts_of(place, tls, 5)) == [place.host]


def test_a_refused_address_is_a_database_that_cannot_be_reached(resolve) -> None:
    resolve("192.0.2.7")
    with pytest.raises(DatabaseUnreachable):
        asyncio.run(hosts.hosts_of(Place("localhost", 5432), Tls(), 5))


@pytest.mark.server
@pytest.mark.parametrize("engine", DSNS)
def test_localhost_is_reached_at_its_second_address(engine: str, resolve, request: pytest.FixtureRequest) -> None:
    """`localhost` is ::1 first on many hosts, where servers may not listen."""
    dsn = urlsplit(request.getfixturevalue(f"{engine}_database").dsn)
    assert dsn.hostname == "127.0.0.1"
    resolve("127.0.0.9", "127.0.0.1")
    named = urlunsplit(dsn._replace(netloc=dsn.netloc.replace("127.0.0.1", "localhost")))
    asyncio.run(CALLERS["probe"](engine, named))
