"""The session's MariaDB: durable as promised, an ordinary role for the pod, a way in for the superuser."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import pytest
from asyncmy.errors import MySQLError

SETTINGS = {
    "innodb_flush_log_at_trx_commit": "1",
    "innodb_doublewrite": "ON",
    "log_bin": "OFF",
    "bind_address": "127.0.0.1",
    "socket": "",
    "skip_name_resolve": "ON",
    "performance_schema": "ON",
    "innodb_print_all_deadlocks": "ON",
    "character_set_server": "utf8mb4",
    "max_connections": "200",
}


def login(dsn: str) -> Any:
    at = urlsplit(dsn)
    where = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}
    return asyncmy.connect(**where, db=at.path[1:])


async def _rows(dsn: str, sql: str) -> list[Any]:
    async with login(dsn) as connection, connection.cursor() as cursor:
        await cursor.execute(sql)
        return list(await cursor.fetchall())


def test_server_is_durable_and_private(mariadb_database: Any) -> None:
    settings = dict(asyncio.run(_rows(mariadb_database.dsn, "show global variables")))
    assert {name: settings[name] for name in SETTINGS} == SETTINGS


def test_only_our_two_roles_can_log_in(mariadb_server: Any) -> None:
    users = asyncio.run(_rows(mariadb_server.dsn, "select user, host from mysql.user order by user"))
    assert [user for user, _ in users] == [
        "loadtests",
        "mariadb.sys",
        "pod",
    ]  # the second is locked, views belong to it


def test_pod_role_owns_its_database_and_no_more(mariadb_database: Any) -> None:
    asyncio.run(_rows(mariadb_database.pod_dsn, "create table mine (n int)"))
    assert asyncio.run(_rows(mariadb_database.pod_dsn, "select @@innodb_flush_log_at_trx_commit")) == [(1,)]
    for forbidden in ("set global max_connections = 300", "select * from mysql.user", "show engine innodb status"):
        with pytest.raises(MySQLError, match="denied"):
            asyncio.run(_rows(mariadb_database.pod_dsn, forbidden))


def test_a_wrong_password_is_refused(mariadb_database: Any) -> None:
    head, tail = mariadb_database.pod_dsn.rsplit("@", 1)
    with pytest.raises(MySQLError, match="denied"):
        asyncio.run(_rows(f"{head}x@{tail}", "select 1"))


async def _crowd_out(pod_dsn: str, dsn: str) -> list[Any]:
    """Who is there when the pod has taken all it can get, as the superuser sees it."""
    async with AsyncExitStack() as held:
        with pytest.raises(MySQLError, match="Too many connections"):
            while True:
                await held.enter_async_context(login(pod_dsn))
        return await _rows(dsn, "select user, count(*) from information_schema.processlist group by user")


def test_the_superuser_gets_in_when_the_pod_has_every_connection(mariadb_server: Any) -> None:
    counts = asyncio.run(_crowd_out(mariadb_server.pod_dsn, mariadb_server.dsn))
    assert dict(counts) == {"loadtests": 1, "pod": 200}
