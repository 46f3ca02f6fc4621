"""The session's server: durable as promised, with an ordinary role for the pod."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from loadtests.servers.registry import create_server

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "data_checksums": "on",
    "server_encoding": "UTF8",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_lock_waits": "on",
    "password_encryption": "scram-sha-256",
}


async def _rows(dsn: str, sql: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()


def test_server_is_durable_and_private(postgres_database: Any) -> None:
    rows = asyncio.run(_rows(postgres_database.dsn, "select name, setting from pg_settings"))
    settings = {r["name"]: r["setting"] for r in rows}
    assert {name: settings[name] for name in SETTINGS} == SETTINGS


def test_pod_role_owns_its_database_and_no_more(postgres_database: Any) -> None:
    sql = "select current_user, current_setting('is_superuser'), pg_get_userbyid(datdba) from pg_database"
    row = asyncio.run(_rows(postgres_database.pod_dsn, f"{sql} where datname = current_database()"))[0]
    assert tuple(row) == ("pod", "off", "pod")


def test_a_wrong_password_is_refused(postgres_database: Any) -> None:
    head, tail = postgres_database.pod_dsn.rsplit("@", 1)
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(_rows(f"{head}x@{tail}", "select 1"))


async def _crowd_out(pod_dsn: str, dsn: str) -> list[Any]:
    """Who is there when the pod has taken all it can get, as the superuser sees it."""
    async with AsyncExitStack() as held:
        with pytest.raises(asyncpg.TooManyConnectionsError):
            while True:
                connection = await asyncpg.connect(pod_dsn)
                held.push_async_callback(connection.close)
        return await _rows(dsn, "select usename, count(*) from pg_stat_activity where usename is not null group by 1")


def test_the_superuser_gets_in_when_the_pod_has_every_connection(postgres_server: Any, tmp_path: Path) -> None:
    with create_server("postgres", tmp_path / "postgres", connections=10) as server:
        counts = dict(asyncio.run(_crowd_out(server.pod_dsn, server.dsn)))
    assert counts["pod"] == 10
    assert counts["loadtests"] >= 1
