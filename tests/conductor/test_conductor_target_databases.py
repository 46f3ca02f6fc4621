"""Databases behind a target: what is refused before a study begins, in words that quote no address."""

import asyncio
import json
from urllib.parse import quote, urlsplit

import asyncmy
import pytest
import redis

from loadtests.conductor.failures import Unavailable
from loadtests.conductor.preflight.target_databases import check_databases, databases_behind
from loadtests.probes.contract import Database

SECRET = "hunter2"
DSN = f"postgresql://watcher:{SECRET}@127.0.0.1:5432/chats"


def problems_of(named, dsns, owned=()):
    problems = []
    found = databases_behind(named, dsns, owned, problems)
    assert not any(SECRET in problem for problem in problems)
    return found, problems


def test_a_database_is_named_with_its_engine_or_by_it():
    dsns = json.dumps({"chats": DSN, "postgres": DSN})
    found, problems = problems_of(["chats:postgres", "postgres"], dsns)
    assert (found, problems) == ((Database("chats", "postgres"), Database("postgres", "postgres")), [])


@pytest.mark.parametrize(
    ("named", "dsns", "expected"),
    [
        ("chats:", None, "expected NAME:ENGINE"),
        (":postgres", None, "expected NAME:ENGINE"),
        ("chats:oracle", json.dumps({"chats": DSN}), "oracle cannot be observed; engines that can: postgres"),
        ("chats:postgres", None, 'its address is missing: set LOADTESTS_DSNS to a JSON object, such as {"chats": "…"}'),
        ("chats:postgres", DSN, "LOADTESTS_DSNS is not a JSON object"),
        ("chats:postgres", json.dumps({"chats": 7}), "its address is missing"),
        ("chats:postgres", json.dumps({"chats": f"mysql://u:{SECRET}@127.0.0.1/x"}), "is no postgresql://"),
        ("chats:postgres", json.dumps({"chats": f"postgresql://u:{SECRET}@:99999/x"}), "is no postgresql://"),
        ("chats:mariadb", json.dumps({"chats": DSN}), "is no mariadb://"),
        ("chats:redis", json.dumps({"chats": f"redis://:{SECRET}@db.example/0"}), "say --i-own db.example"),
    ],
)
def test_problems_are_reported(named, dsns, expected):
    _, problems = problems_of([named], dsns)
    assert len(problems) == 1
    assert expected in problems[0]


def test_database_on_an_owned_host_may_be_observed():
    dsns = json.dumps({"chats": f"redis://:{SECRET}@db.example/0"})
    assert problems_of(["chats:redis"], dsns, ("db.example",))[1] == []


def test_one_name_is_one_database():
    _, problems = problems_of(["chats:postgres", "chats:postgres"], json.dumps({"chats": DSN}))
    assert problems == ["--database chats: named twice"]


def as_role(dsn, role, password=SECRET):
    at = urlsplit(dsn)
    return at._replace(netloc=f"{role}:{quote(password, safe='')}@{at.hostname}:{at.port}").geturl()


def refusal(engine, dsn):
    with pytest.raises(Unavailable) as refused:
        check_databases([Database("chats", engine)], json.dumps({"chats": dsn}))
    assert SECRET not in str(refused.value)
    assert refused.value.exit_code == 69
    return str(refused.value)


@pytest.mark.server
@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ("postgres", 'password authentication failed for user "pod"'),
        ("mariadb", "Access denied for user 'pod'@'127.0.0.1' (using password: YES)"),
        ("redis", "invalid username-password pair or user is disabled"),
    ],
)
def test_wrong_password_is_reported_before_load_is_sent(engine, expected, request):
    database = request.getfixturevalue(f"{engine}_database")
    check_databases([Database("chats", engine)], json.dumps({"chats": database.pod_dsn}))
    output = refusal(engine, as_role(database.pod_dsn, "pod"))
    assert output.startswith(f"--database chats:{engine} cannot be observed: {expected}. Check its address")


@pytest.mark.server
def test_a_password_may_have_any_letters(mariadb_database):
    async def execute(statement):
        at = urlsplit(mariadb_database.dsn)
        login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}
        async with asyncmy.connect(**login) as connection, connection.cursor() as cursor:
            await cursor.execute(statement)

    asyncio.run(execute("CREATE USER watcher@'127.0.0.1' IDENTIFIED BY 'пароль€'"))
    try:
        dsn = as_role(mariadb_database.pod_dsn, "watcher", "пароль€")
        check_databases([Database("chats", "mariadb")], json.dumps({"chats": dsn}))
    finally:
        asyncio.run(execute("DROP USER watcher@'127.0.0.1'"))


@pytest.mark.server
def test_missing_privileges_are_reported(redis_database):
    with redis.Redis.from_url(redis_database.dsn) as server:
        server.acl_setuser("watcher", enabled=True, passwords=[f"+{SECRET}"], commands=["+time"])
        try:
            assert "no permissions to run the 'info' command" in refusal(
                "redis", as_role(redis_database.dsn, "watcher")
            )
        finally:
            server.acl_deluser("watcher")


@pytest.mark.parametrize("engine", ["postgresql", "mariadb", "redis"])
def test_missing_server_is_reported(engine):
    output = refusal(engine.removesuffix("ql"), f"{engine}://pod:{SECRET}@127.0.0.1:1/x")
    assert "127.0.0.1" in output


def test_every_database_that_cannot_be_observed_is_reported():
    both = [Database("one", "redis"), Database("two", "redis")]
    dsns = json.dumps(dict.fromkeys(("one", "two"), f"redis://:{SECRET}@127.0.0.1:1/0"))
    with pytest.raises(Unavailable) as refused:
        check_databases(both, dsns)
    assert [line.split()[1] for line in str(refused.value).splitlines()] == ["one:redis", "two:redis"]


def test_without_a_named_database_none_is_opened():
    check_databases([], None)
