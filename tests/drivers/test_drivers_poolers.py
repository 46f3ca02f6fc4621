"""A pooler in place of the server is refused before anything is set in a session that others share."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from availability import unavailable
from opened import CALLERS, session
from secured_servers import free_port

from loadtests.conductor.failures import Unavailable
from loadtests.conductor.preflight.target_databases import check_databases
from loadtests.drivers.addresses.uri import redirected, split
from loadtests.drivers.errors import PoolerError
from loadtests.probes.contract import Database
from loadtests.servers.contract import DatabaseServer

STATE = """
SELECT name, setting FROM pg_settings WHERE name NOT IN ('transaction_isolation')
UNION ALL SELECT 'prepared ' || name, statement FROM pg_prepared_statements
UNION ALL SELECT 'advisory lock', count(*)::text FROM pg_locks WHERE locktype = 'advisory'
UNION ALL SELECT 'temporary schema', pg_my_temp_schema()::text
ORDER BY 1, 2
"""


def program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or ""


@contextlib.contextmanager
def running(argv: list[str], port: int, log: Path) -> Iterator[None]:
    account = {"user": pwd.getpwnam("nobody").pw_uid, "extra_groups": []} if os.getuid() == 0 else {}
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, cwd="/", **account)
    try:
        assert asyncio.run(listens(port, process)), log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


async def listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    async with asyncio.timeout(30):
        while process.poll() is None:
            with contextlib.suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                return True
            await asyncio.sleep(0.02)
    return False


@pytest.fixture(params=["transaction", "session", "statement"])
def bouncer(request: pytest.FixtureRequest, postgres_server: DatabaseServer, tmp_path: Path) -> Iterator[str]:
    """The DSN of a PgBouncer with one session of the server, which takes every setting that a client begins with."""
    if not program("pgbouncer"):
        unavailable("pgbouncer is not installed (Debian: apt install pgbouncer)")
    port, parts = free_port(), split(postgres_server.dsn)
    place = Path(os.path.realpath(tmp_path))
    for directory in (place, *place.parents[:-2]):
        if directory.owner() == pwd.getpwuid(os.getuid()).pw_name:
            directory.chmod(0o755)
    (place / "users").write_text(f'"{parts.user}" "{parts.password}"\n')
    (place / "ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={parts.places[0].port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = plain\nauth_file = {place}/users\npool_mode = {request.param}\n"
        "unix_socket_dir =\ndefault_pool_size = 1\nserver_tls_sslmode = disable\n"
        "ignore_startup_parameters = jit,extra_float_digits,statement_timeout,lock_timeout\n"
    )
    with running([program("pgbouncer"), str(place / "ini")], port, place / "log"):
        yield redirected(postgres_server.dsn, port)


async def state(dsn: str) -> list[tuple[str, str]]:
    """Of the one session of the server behind a pooler, in words of a client of it."""
    connection = await asyncpg.connect(dsn, statement_cache_size=0)
    try:
        return [tuple(row) for row in await connection.fetch(STATE) if row["name"] != "application_name"]
    finally:
        await connection.close()


@pytest.mark.server
@pytest.mark.parametrize("caller", CALLERS)
async def test_pooler_is_refused_and_its_sessions_stay_as_they_were(bouncer: str, caller: str) -> None:
    before = await state(bouncer)
    with pytest.raises(Exception, match="is not PostgreSQL itself but a connection pooler") as refused:
        await CALLERS[caller]("postgres", bouncer)
    assert "name the host and the port of the PostgreSQL server" in str(refused.value)
    assert await state(bouncer) == before


@pytest.mark.server
def test_check_before_a_study_refuses_a_pooler_and_cuts_nothing_off(bouncer: str) -> None:
    async def cut_off() -> int:
        connection = await asyncpg.connect(bouncer, statement_cache_size=0)
        try:
            await connection.execute("SELECT pg_sleep(0.2)")
        except asyncpg.QueryCanceledError:
            return 1
        finally:
            await connection.close()
        return 0

    with pytest.raises(Unavailable, match="name the host and the port of the PostgreSQL server"):
        check_databases([Database("chats", "postgres")], json.dumps({"chats": bouncer}))
    assert asyncio.run(cut_off()) == 0


@contextlib.asynccontextmanager
async def forwarding(port: int, change: Callable[[bytes], bytes] = lambda first: first) -> AsyncIterator[int]:
    async def pipe(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(change(data))
                change = bytes
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, back, bytes), pipe(there, writer, change))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@pytest.mark.server
@pytest.mark.parametrize("engine", ["postgres", "mariadb", "redis"])
async def test_forwarded_port_is_no_pooler(forwarded: DatabaseServer) -> None:
    """As of a container: the server sees another port than the client has."""
    async with forwarding(split(forwarded.dsn).places[0].port) as port:
        await CALLERS["probe"](forwarded.engine, redirected(forwarded.dsn, port))


@pytest.fixture
def forwarded(request: pytest.FixtureRequest, engine: str) -> DatabaseServer:
    server: DatabaseServer = request.getfixturevalue(f"{engine}_server")
    return server


def _other_number(greeting: bytes) -> bytes:
    """A MySQL greeting with another session's number: behind the version, which ends with NUL."""
    at = greeting.index(b"\0", 5) + 1
    return greeting[:at] + bytes([greeting[at] ^ 0xFF]) + greeting[at + 1 :]


def _named(greeting: bytes) -> bytes:
    """A greeting of a server that calls itself MaxScale, of the same length."""
    at = greeting.index(b"-MariaDB")
    return greeting[:at] + b"MaxScale" + greeting[at + 8 :]


@pytest.mark.server
@pytest.mark.parametrize(("change", "words"), [(_other_number, "a connection pooler"), (_named, "MaxScale")])
@pytest.mark.parametrize("caller", CALLERS)
async def test_mariadb_proxy_is_refused(mariadb_server: DatabaseServer, caller: str, change, words: str) -> None:
    async with forwarding(split(mariadb_server.dsn).places[0].port, change) as port:
        with pytest.raises(Exception, match=f"is not MariaDB or MySQL itself but {words}"):
            await CALLERS[caller]("mariadb", redirected(mariadb_server.dsn, port))


async def word(reader: asyncio.StreamReader) -> bytes:
    """The next word of a Redis command, in capitals."""
    return (await reader.readexactly(int((await reader.readline())[1:]) + 2))[:-2].upper()


async def test_redis_proxy_is_refused() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        numbers = iter(range(1, 100))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while (head := await reader.readline()).startswith(b"*"):
                words = [await word(reader) for _ in range(int(head[1:]))]
                if words[0] == b"INFO":
                    info = b"# Proxy\r\nVersion:1.0\r\nName:Predixy\r\n"
                    writer.write(b"$%d\r\n%s\r\n" % (len(info), info))
                else:
                    writer.write(b":%d\r\n" % next(numbers) if words[:2] == [b"CLIENT", b"ID"] else b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        dsn = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        with pytest.raises(PoolerError, match="is not Redis itself but a proxy"):
            async with session("redis", dsn):
                pass
