"""What the observer of a MariaDB may see, and what it says when that is less."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import pytest

from loadtests.probes.contract import BlindError, Database
from loadtests.probes.innodb.freshness import OLD
from loadtests.probes.innodb.servers import NO_HOLDERS, NO_PROCESS
from loadtests.probes.mariadb import MariadbProbe
from loadtests.servers.contract import Server


async def run(dsn: str, *statements: str) -> Any:
    at = urlsplit(dsn)
    login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}
    async with asyncmy.connect(**login, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            await cursor.execute(statement)
        return await cursor.fetchall()


@asynccontextmanager
async def watcher(server: Server, *grants: str) -> AsyncIterator[str]:
    """The address of somebody with these privileges only."""
    at = urlsplit(server.pod_dsn)
    grant = [f"GRANT {what} TO watcher@'127.0.0.1'" for what in grants]
    await run(server.dsn, "CREATE OR REPLACE USER watcher@'127.0.0.1' IDENTIFIED BY 'secret'", *grant)
    try:
        yield f"mariadb://watcher:secret@127.0.0.1:{at.port}/"
    finally:
        await run(server.dsn, "DROP USER watcher@'127.0.0.1'")


def to_its_end(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run_it(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run_it


def probe_of(dsn: str) -> MariadbProbe:
    return MariadbProbe(Database("mariadb", "mariadb"), dsn, time.monotonic_ns)


@to_its_end
async def test_without_process_there_are_totals_only(mariadb_server: Server) -> None:
    async with watcher(mariadb_server) as dsn:
        probe = probe_of(dsn)
        await probe.open()
        rows = [await probe.sample() for _ in range(2)]
        await probe.close()
    assert probe.source is not None
    assert (probe.source.known, probe.source.reason) == (("counter",), NO_PROCESS)
    assert {counter for _, _, _, counter, _ in rows[0]["counters"]} >= {"lock_waits", "lock_wait_ms"}
    assert rows[1] == {}  # once a second


@to_its_end
async def test_with_process_alone_holders_of_metadata_locks_are_not_told(mariadb_server: Server) -> None:
    async with watcher(mariadb_server, "PROCESS ON *.*") as dsn:
        probe = probe_of(dsn)
        await probe.open()
        rows = await probe.sample()
        await probe.close()
    assert probe.source is not None
    assert (probe.source.known, probe.source.reason) == (("sampled", "counter"), NO_HOLDERS)
    assert rows["sessions"] is not None


@to_its_end
async def test_privileges_that_were_withdrawn_are_not_seen_as_quiet(mariadb_server: Server) -> None:
    """Sessions keep theirs; the next one has fewer, and says so at every tick instead of showing nobody."""
    async with watcher(mariadb_server, "PROCESS ON *.*") as dsn:
        probe = probe_of(dsn)
        await probe.open()
        await probe.close()
        await run(mariadb_server.dsn, "REVOKE PROCESS ON *.* FROM watcher@'127.0.0.1'")
        with pytest.raises(RuntimeError, match="privileges are not what they were: only totals"):
            await probe.open()
        await probe.close()


@to_its_end
async def test_who_else_reads_the_lock_tables_blinds_the_observer_and_it_says_so(mariadb_server: Server) -> None:
    """InnoDB's copy is never made anew while somebody reads it all along."""

    async def reads() -> None:
        at = urlsplit(mariadb_server.dsn)
        login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}
        async with asyncmy.connect(**login, autocommit=True) as connection, connection.cursor() as cursor:
            while True:
                await cursor.execute("SELECT count(*) FROM information_schema.innodb_trx")
                await cursor.fetchall()
                await asyncio.sleep(0.02)

    async def holds() -> None:
        await run(mariadb_server.pod_dsn, "SET autocommit = 0", "SELECT n FROM pod.kept FOR UPDATE", "DO sleep(30)")

    await run(mariadb_server.pod_dsn, "CREATE OR REPLACE TABLE pod.kept (n int PRIMARY KEY) ENGINE = InnoDB")
    await run(mariadb_server.pod_dsn, "INSERT INTO pod.kept VALUES (1)")
    probe = probe_of(mariadb_server.dsn)
    await probe.open()
    tasks = [asyncio.create_task(reads())]
    await asyncio.sleep(0.2)
    tasks += [asyncio.create_task(holds()) for _ in range(2)]
    with pytest.raises(BlindError, match=OLD):
        for _ in range(40):
            await probe.sample()
            await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task
    await probe.close()
    await run(mariadb_server.dsn, "KILL USER pod", "DROP TABLE pod.kept")
