"""Transactions that no session serves hold locks: named alike by the server's log and by the sampler."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncmy
import asyncpg
import pytest
from observers import Observer, observing

from loadtests.servers.mariadb.server import MariadbServer
from loadtests.servers.postgres.server import PostgresServer

pytestmark = pytest.mark.server

HOLD_S = 0.6
SETTINGS = "ALTER SYSTEM SET max_prepared_transactions = 5"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One of its own, restarted with room for prepared transactions."""
    with PostgresServer.create(tmp_path_factory.mktemp("own") / "postgres") as server:
        asyncio.run(_execute(server.dsn, SETTINGS))
        server.stop()
        server.start()
        yield server


async def _execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def block_by_prepared(dsn: str, **identifiers: int) -> None:
    """Transactions of these identifiers hold one row each; the first row is wanted while they do."""
    await _execute(dsn, "DROP TABLE IF EXISTS t", "CREATE TABLE t (id int PRIMARY KEY, v int)")
    await _execute(dsn, "INSERT INTO t SELECT i, 0 FROM generate_series(1, 5) AS i")
    for number, identifier in enumerate(identifiers, start=1):
        update = f"UPDATE t SET v = 1 WHERE id = {number}"
        await _execute(dsn, "BEGIN", update, f"PREPARE TRANSACTION '{identifier}'")
    waiter = await asyncpg.connect(dsn, server_settings={"application_name": "chat.close@pod-1"})
    waiting = asyncio.create_task(waiter.execute("UPDATE t SET v = 2 WHERE id = 1"))
    await asyncio.sleep(HOLD_S)
    for identifier in identifiers:
        await _execute(dsn, f"COMMIT PREPARED '{identifier}'")
    await waiting
    await waiter.close()


def blockers(observer: Observer) -> list[tuple[Any, Any, Any]]:
    rows = [row for row in observer.rows("lock_waits") if row["waiter_operation"] == "chat.close"]
    assert all(row["blocker_operation"] == row["root_operation"] for row in rows)
    return [(row["blocker_session"], row["blocker_operation"], row["object"]) for row in rows]


@pytest.mark.parametrize("log_lock_waits", ["on", "off"])
def test_prepared_transaction_is_named(tmp_path: Path, postgres: PostgresServer, log_lock_waits: str) -> None:
    asyncio.run(
        _execute(postgres.dsn, f"ALTER SYSTEM SET log_lock_waits = {log_lock_waits}", "SELECT pg_reload_conf()")
    )
    with observing(tmp_path, {"postgres:postgres": postgres.dsn}) as observer:
        assert ("event" in observer.ready["lock_sources"]["postgres"]["known"]) == (log_lock_waits == "on")
        asyncio.run(block_by_prepared(postgres.pod_dsn, **{"two-phase": 1}))
        observer.until_tick(lambda tick: tick["error"] is None)
        observer.stop()
    assert blockers(observer) == [(0, "prepared transaction two-phase", "row of t")]


def test_one_of_several_prepared_transactions_is_not_guessed(tmp_path: Path, postgres: PostgresServer) -> None:
    asyncio.run(_execute(postgres.dsn, "ALTER SYSTEM SET log_lock_waits = on", "SELECT pg_reload_conf()"))
    with observing(tmp_path, {"postgres:postgres": postgres.dsn}) as observer:
        asyncio.run(block_by_prepared(postgres.pod_dsn, **{"1234567-of-a-manager": 1}))
        observer.until_tick(lambda tick: tick["error"] is None)
        observer.stop()
    assert blockers(observer) == [(0, "prepared transaction", "row of t")], "a number names no operation"


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariadbServer]:
    with MariadbServer.create(tmp_path_factory.mktemp("own") / "mariadb") as server:
        yield server


async def connected(server: MariadbServer) -> Any:
    at = urlsplit(server.pod_dsn)
    return await asyncmy.connect(
        host=at.hostname,
        port=at.port,
        user=at.username,
        password=unquote(at.password or ""),
        db=at.path[1:],
        autocommit=True,
    )


async def run(connection: Any, *statements: str) -> None:
    async with connection.cursor() as cursor:
        for statement in statements:
            await cursor.execute(statement)


async def block_by_xa(server: MariadbServer, table: str) -> None:
    """A prepared XA transaction, whose session has gone, holds the row of a table with an odd name."""
    holder, waiter = await connected(server), await connected(server)
    await run(
        holder, f"CREATE TABLE {table} (id int PRIMARY KEY, v int)", f"INSERT INTO {table} VALUES (1, 0)", "COMMIT"
    )
    await run(holder, "XA START 'x'", f"UPDATE {table} SET v = 1", "XA END 'x'", "XA PREPARE 'x'")
    holder.close()
    begin = time.monotonic()
    waiting = asyncio.create_task(run(waiter, f"/* chat.close@pod-1 */ UPDATE {table} SET v = 2"))
    await asyncio.sleep(3 * HOLD_S)
    other = await connected(server)
    await run(other, "XA COMMIT 'x'")
    await waiting
    assert time.monotonic() - begin >= 3 * HOLD_S
    with suppress(OSError):
        other.close()
        waiter.close()


def test_xa_transaction_and_odd_table_are_named(tmp_path: Path, mariadb: MariadbServer) -> None:
    with observing(tmp_path, {"mariadb:mariadb": mariadb.dsn}) as observer:
        asyncio.run(block_by_xa(mariadb, "`a.b'c``d`"))
        observer.until_tick(lambda tick: tick["error"] is None, probe="mariadb")
        observer.stop()
    assert blockers(observer) == [(0, "transaction without a session", "row of a.b'c`d")]
