"""Servers that offer TLS on IPv4, IPv6 and a Unix socket, one an engine, made of the harness's private ones."""

import asyncio
import os
import shutil
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import redis
from driver_certificates import Authority, Pair

from loadtests.drivers import mariadb, postgres
from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.contract import Place
from loadtests.drivers.addresses.uri import build, split
from loadtests.servers.contract import DatabaseServer

T = TypeVar("T")

PASSWORD = "p@:/#%? ä✓Ж'\"\\"
"""Also with characters that Latin-1 lacks, which drivers may encode wrongly."""
ODD = 'odd /?#@%:"`'


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Secured:
    """`tls_port`: where TLS is spoken. `forms`: a form of asking for TLS → its query, with {ca}."""

    engine: str
    server: DatabaseServer
    authority: Authority
    socket: str
    tls_port: int
    scheme: str
    plain_scheme: str
    forms: Mapping[str, str]
    present: Callable[[Pair], None] = field(repr=False)
    """Makes the server show another certificate to sessions to come."""
    require: Callable[[bool], None] = field(repr=False)
    """Makes it refuse sessions without TLS, or take them again."""

    def dsn(self, host: str = "127.0.0.1", query: str = "", *, tls: bool = True, database: str | None = None) -> str:
        scheme, port = (self.scheme, self.tls_port) if tls else (self.plain_scheme, self.port)
        path = database if database is not None else split(self.server.dsn).path
        asked = build(scheme, [Place(host, port)], user="odd", password=PASSWORD, path=path)
        return f"{asked}?{query.replace('{ca}', quote(str(self.authority.file), safe=''))}" if query else asked

    @property
    def port(self) -> int:
        return split(self.server.dsn).places[0].port


def _owned(server: DatabaseServer, *paths: Path) -> None:
    """Gives files to the server's user."""
    owner = (server.directory / "data").stat()
    for path in paths:
        os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(0o600)


def _copied(server: DatabaseServer, pair: Pair) -> Pair:
    data = server.directory / "data"
    mine = Pair(data / "server.crt", data / "server.key")
    shutil.copy(pair.certificate, mine.certificate)
    shutil.copy(pair.key, mine.key)
    _owned(server, mine.certificate, mine.key)
    return mine


def _postgres(server: DatabaseServer, authority: Authority, sockets: Path, free_port: Callable[[], int]) -> Secured:
    mine = _copied(server, authority.issue("postgres"))
    data, databases = server.directory / "data", f'"{ODD.replace(chr(34), chr(34) * 2)}"'
    settings = {
        "listen_addresses": "127.0.0.1,::1",
        "unix_socket_directories": str(sockets),
        "ssl": "on",
        "ssl_cert_file": str(mine.certificate),
        "ssl_key_file": str(mine.key),
    }

    def require(required: bool) -> None:
        hosts = [
            f"{'hostssl' if required else 'host'} all all {net} scram-sha-256" for net in ("127.0.0.1/32", "::1/128")
        ]
        # The superuser's way in, by which tests change the server, stays as it was.
        lines = ["host all loadtests 127.0.0.1/32 scram-sha-256", *hosts, "local all all scram-sha-256"]
        (data / "pg_hba.conf").write_text("\n".join(lines) + "\n")
        run_postgres(server, "SELECT pg_reload_conf()")

    def present(pair: Pair) -> None:
        _copied(server, pair)
        run_postgres(server, "SELECT pg_reload_conf()")

    run_postgres(server, *(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()))
    literal = PASSWORD.replace("'", "''").replace("\\", "\\\\")
    run_postgres(server, f"CREATE ROLE odd SUPERUSER LOGIN PASSWORD E'{literal}'", f"CREATE DATABASE {databases}")
    server.stop()
    server.start()
    require(False)
    return Secured(
        "postgres", server, authority, str(sockets), split(server.dsn).places[0].port, "postgresql", "postgresql",
        {"require": "sslmode=require", "verify-ca": "sslmode=verify-ca&sslrootcert={ca}",
         "verify-full": "sslmode=verify-full&sslrootcert={ca}"},
        present, require,
    )  # fmt: skip


def _mariadb(server: DatabaseServer, authority: Authority, sockets: Path, free_port: Callable[[], int]) -> Secured:
    mine, configuration = _copied(server, authority.issue("mariadb")), server.directory / "my.cnf"
    lines = {
        "ssl": "1", "ssl-cert": mine.certificate, "ssl-key": mine.key,
        "bind-address": "127.0.0.1,::1", "socket": sockets / "m.sock",
    }  # fmt: skip
    kept = [
        line for line in configuration.read_text().splitlines() if not line.startswith(("socket", "bind", "skip-ssl"))
    ]
    configuration.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in lines.items())]) + "\n")
    server.stop()
    server.start()
    literal = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    run_mariadb(
        server, f"CREATE USER odd@'%' IDENTIFIED BY '{literal}'", "GRANT ALL ON *.* TO odd@'%' WITH GRANT OPTION",
        f"CREATE DATABASE `{ODD.replace('`', '``')}`",
    )  # fmt: skip

    def present(pair: Pair) -> None:
        _copied(server, pair)
        run_mariadb(server, "FLUSH SSL")

    def require(required: bool) -> None:
        run_mariadb(server, f"ALTER USER odd@'%' REQUIRE {'SSL' if required else 'NONE'}")

    return Secured(
        "mariadb", server, authority, str(sockets / "m.sock"), split(server.pod_dsn).places[0].port,
        "mariadb", "mariadb",
        {"require": "ssl=true", "verify-ca": "ssl-mode=VERIFY_CA&ssl_ca={ca}",
         "verify-full": "ssl-mode=VERIFY_IDENTITY&ssl_ca={ca}"},
        present, require,
    )  # fmt: skip


def _redis(server: DatabaseServer, authority: Authority, sockets: Path, free_port: Callable[[], int]) -> Secured:
    mine, configuration, port = _copied(server, authority.issue("redis")), server.directory / "redis.conf", free_port()
    ca = server.directory / "data" / "ca.pem"
    shutil.copy(authority.file, ca)
    _owned(server, ca)
    lines = [
        f"tls-port {port}", f"tls-cert-file {mine.certificate}", f"tls-key-file {mine.key}", f"tls-ca-cert-file {ca}",
        "tls-auth-clients no", f"unixsocket {sockets}/r.sock", "unixsocketperm 777", "bind 127.0.0.1 ::1",
    ]  # fmt: skip
    kept = [line for line in configuration.read_text().splitlines() if not line.startswith("bind")]
    configuration.write_text("\n".join([*kept, *lines]) + "\n")
    server.stop()
    server.start()

    def present(pair: Pair) -> None:
        _copied(server, pair)
        with redis.Redis.from_url(server.dsn) as client:
            client.config_set("tls-cert-file", str(mine.certificate))

    with redis.Redis.from_url(server.dsn) as client:
        client.acl_setuser(
            "odd", enabled=True, passwords=[f"+{PASSWORD}"], commands=["+@all"], keys=["*"], channels=["*"]
        )
    return Secured(
        "redis", server, authority, f"{sockets}/r.sock", port, "rediss", "redis",
        {"require": "ssl_cert_reqs=none", "verify-ca": "ssl_check_hostname=false&ssl_ca_certs={ca}",
         "verify-full": "ssl_ca_certs={ca}"},
        present, lambda required: None,
    )  # fmt: skip


MADE: Mapping[str, Callable[..., Secured]] = {"postgres": _postgres, "mariadb": _mariadb, "redis": _redis}


def run_postgres(server: DatabaseServer, *statements: str) -> None:
    async def life() -> None:
        connection = await postgres.connect(parse_address("postgres", server.dsn), "tests", timeout_s=20)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    _apart(life())


def run_mariadb(server: DatabaseServer, *statements: str) -> Sequence[Any]:
    async def life() -> Sequence[Any]:
        address = parse_address("mariadb", server.dsn)
        async with await mariadb.connect(address, timeout_s=20) as connection, connection.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)
            return await cursor.fetchall() if cursor.description else ()

    return _apart(life())


def _apart(life: Coroutine[Any, Any, T]) -> T:
    """Runs it in a thread: tests have a loop of their own already."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, life).result()
