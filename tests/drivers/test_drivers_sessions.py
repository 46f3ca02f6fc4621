"""Sessions as addresses ask for them, on real servers with TLS, Unix sockets and IPv6; one suite for every engine."""

import asyncio
import json
import time

import pytest
import redis
from driver_certificates import Authority
from opened import CALLERS, is_encrypted, session
from secured_servers import ODD, PASSWORD, Secured, free_port

from loadtests.conductor.failures import Unavailable
from loadtests.conductor.preflight.target_databases import check_databases
from loadtests.drivers.addresses.contract import Place
from loadtests.drivers.addresses.uri import build, split
from loadtests.drivers.errors import DatabaseUnreachable
from loadtests.probes.contract import Database
from loadtests.servers.contract import DatabaseServer

pytestmark = pytest.mark.server


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
async def test_tls_that_is_asked_for_is_used(secured: Secured, mode: str, host: str) -> None:
    assert await is_encrypted(secured.engine, secured.dsn(host, secured.forms[mode]), secured.tls_port)


async def test_tls_is_not_used_when_it_is_turned_off(secured: Secured) -> None:
    off = {"postgres": "sslmode=disable", "mariadb": "ssl-mode=DISABLED", "redis": ""}[secured.engine]
    assert not await is_encrypted(secured.engine, secured.dsn(query=off, tls=False), secured.tls_port)


@pytest.mark.parametrize("caller", CALLERS)
async def test_every_caller_speaks_tls(secured: Secured, caller: str) -> None:
    database = split(secured.server.dsn).path
    secured.require(True)
    try:
        await CALLERS[caller](secured.engine, secured.dsn(query=secured.forms["verify-full"], database=database))
    finally:
        secured.require(False)


@pytest.mark.parametrize("caller", CALLERS)
async def test_every_caller_sends_a_non_ascii_password(secured: Secured, caller: str) -> None:
    """The user has no other password: a session proves that it came as it is."""
    assert not PASSWORD.isascii()
    database = split(secured.server.dsn).path
    await CALLERS[caller](secured.engine, secured.dsn(tls=False, database=database))


async def test_server_that_requires_tls_needs_no_key(secured: Secured) -> None:
    if secured.engine == "redis":
        pytest.skip("Redis has a port of its own for TLS")
    secured.require(True)
    try:
        assert await is_encrypted(secured.engine, secured.dsn(), secured.tls_port)
    finally:
        secured.require(False)


async def test_odd_user_password_and_database_are_honoured(secured: Secured) -> None:
    if secured.engine == "redis":
        pytest.skip("databases of Redis are numbers")
    async with session(secured.engine, secured.dsn(database=ODD)) as made:
        if secured.engine == "postgres":
            assert await made.fetchval("SELECT current_database()") == ODD
        else:
            async with made.cursor() as cursor:
                await cursor.execute("SELECT DATABASE()")
                assert (await cursor.fetchone())[0] == ODD


async def test_unix_socket_is_honoured(secured: Secured) -> None:
    place = Place(secured.socket, secured.port)
    login = split(secured.dsn())
    if secured.engine == "redis":
        dsn = build("unix", [], user=login.user, password=login.password, path=secured.socket[1:], query={"db": "1"})
    else:
        dsn = build(secured.scheme, [place], user=login.user, password=login.password, path=login.path)
    async with session(secured.engine, dsn) as made:
        if secured.engine == "postgres":
            assert await made.fetchval("SELECT inet_client_port()") is None
        elif secured.engine == "mariadb":
            assert made._transport.get_extra_info("peername") == secured.socket
        else:
            assert b"db=1 " in await made.execute_command("CLIENT", "INFO")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("unknown", "is of an unknown issuer"),
        ("self-signed", "is self-signed"),
        ("expired", "has expired"),
        ("other-name", "is for another name"),
    ],
)
async def test_certificate_that_is_not_accepted_is_explained(secured: Secured, kind: str, words: str, tmp_path) -> None:
    issuer = Authority(tmp_path, "another") if kind == "unknown" else secured.authority
    name = {"hosts": ("db.example",)} if kind == "other-name" else {}
    days = -1 if kind == "expired" else 9
    secured.present(issuer.issue(kind, days=days, self_signed=kind == "self-signed", **name))
    try:
        with pytest.raises(DatabaseUnreachable, match=words) as failed:
            async with session(secured.engine, secured.dsn(query=secured.forms["verify-full"])):
                pass
        cure = {"postgres": "sslrootcert", "mariadb": "ssl_ca", "redis": "ssl_ca_certs"}[secured.engine]
        assert (cure in str(failed.value)) == (kind in ("unknown", "self-signed"))
        if kind == "other-name":
            assert await is_encrypted(secured.engine, secured.dsn(query=secured.forms["verify-ca"]), secured.tls_port)
    finally:
        secured.present(secured.authority.issue("again"))


@pytest.fixture(params=["postgres", "mariadb", "redis"])
def plain_server(request: pytest.FixtureRequest) -> DatabaseServer:
    server: DatabaseServer = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.mark.parametrize("caller", CALLERS)
async def test_tls_is_an_error_where_there_is_none(plain_server: DatabaseServer, caller: str) -> None:
    server, engine = plain_server, plain_server.engine
    query = {"postgres": "sslmode=require", "mariadb": "ssl=true", "redis": "ssl_cert_reqs=none"}[engine]
    dsn = f"{server.dsn}?{query}".replace("redis://", "rediss://")
    if caller in ("timeline", "calibration") and engine == "redis":
        pytest.skip(f"{caller} opens no session here")
    with pytest.raises(Exception, match=r"no TLS|does not speak TLS|closed the connection during the TLS") as failed:
        await CALLERS[caller](engine, dsn)
    assert split(server.dsn).password not in str(failed.value)


@pytest.mark.parametrize(
    ("engine", "query"),
    [
        ("postgres", "sslmode=verify-full&sslrootcert=/no/where"),
        ("mariadb", "ssl_ca=/no/where"),
        ("redis", "ssl_ca_certs=/no/where"),
    ],
)
def test_missing_authority_is_refused_by_name(engine: str, query: str) -> None:
    dsn = f"{engine.replace('postgres', 'postgresql').replace('redis', 'rediss')}://u:p@127.0.0.1:1/0?{query}"
    with pytest.raises(Unavailable, match="certificate authority, /no/where, cannot be read"):
        check_databases([Database("chats", engine)], json.dumps({"chats": dsn}))


@pytest.mark.parametrize(
    ("mode", "required", "encrypted"), [("allow", False, False), ("allow", True, True), ("prefer", False, True)]
)
async def test_mode_that_asks_for_nothing_takes_what_there_is(
    secured_postgres: Secured, mode: str, required: bool, encrypted: bool
) -> None:
    secured_postgres.require(required)
    try:
        dsn = secured_postgres.dsn(query=f"sslmode={mode}")
        assert await is_encrypted("postgres", dsn, secured_postgres.tls_port) == encrypted
    finally:
        secured_postgres.require(False)


@pytest.fixture
def secured_postgres(secured: Secured) -> Secured:
    if secured.engine != "postgres":
        pytest.skip("a rule of libpq")
    return secured


async def test_prefer_takes_plain_text_where_there_is_no_tls(postgres_server: DatabaseServer) -> None:
    assert not await is_encrypted("postgres", f"{postgres_server.dsn}?sslmode=prefer", 0)


async def test_hosts_are_tried_in_order(postgres_server: DatabaseServer) -> None:
    login = split(postgres_server.dsn)
    places = [Place("127.0.0.1", free_port()), login.places[0]]
    dsn = build("postgresql", places, user=login.user, password=login.password, path=login.path)
    for role in ("primary", "read-write", "prefer-standby", "any"):
        async with session("postgres", f"{dsn}?target_session_attrs={role}") as made:
            assert await made.fetchval("SELECT inet_server_port()") == places[1].port
    with pytest.raises(DatabaseUnreachable, match=f"{places[0]}: Connection refused; {places[1]} is not standby"):
        async with session("postgres", f"{dsn}?target_session_attrs=standby"):
            pass


async def test_settings_of_an_address_are_made(postgres_server: DatabaseServer) -> None:
    query = "application_name=mine&work_mem=1MB&options=-c%20search_path%3D%22a%20b%22%2C%20public"
    async with session(
        "postgres", f"{postgres_server.dsn}?{query.replace('%20b', '%5C%20b').replace('%2C%20', '%2C%5C%20')}"
    ) as made:
        assert await made.fetchval("SHOW application_name") == "mine"
        assert await made.fetchval("SHOW work_mem") == "1MB"
        assert await made.fetchval("SHOW search_path") == '"a b", public'
    with pytest.raises(DatabaseUnreachable, match='unrecognized configuration parameter "no_such_setting"'):
        async with session("postgres", f"{postgres_server.dsn}?no_such_setting=1"):
            pass


@pytest.mark.parametrize(
    ("engine", "form"),
    [
        ("postgres", "postgresql://u:p@127.0.0.1:{}/d?connect_timeout=1"),
        ("mariadb", "mariadb://u:p@127.0.0.1:{}/d?connect_timeout=1"),
        ("redis", "redis://u:p@127.0.0.1:{}/0?socket_connect_timeout=1"),
    ],
)
async def test_time_to_connect_is_that_of_the_address(engine: str, form: str) -> None:
    """A server that accepts and sends nothing; the caller's own time is 20 s."""

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    begun = time.monotonic()
    with pytest.raises((TimeoutError, redis.exceptions.TimeoutError)):
        async with session(engine, form.format(server.sockets[0].getsockname()[1])):
            pass
    assert time.monotonic() - begun < 15
    server.close()
