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
from loadtests.probes.innodb.lock_sample import OLD
from loadtests.probes.innodb.probe import NO_HOLDERS, NO_PROCESS, MariadbProbe
from loadtests.records.tables import LOCK_WAITS_TABLE
from loadtests.servers.contract import DatabaseServer

PERIOD_NS = 200_000_000


async def run(dsn: str, *statements: str) -> Any:
    at = urlsplit(dsn)
    login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}
    async with asyncmy.connect(**login, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            await cursor.execute(statement)
        return await cursor.fetchall()


@asynccontextmanager
async def watcher(server: DatabaseServer, *grants: str) -> AsyncIterator[str]:
    """The address of a user with these privileges only."""
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
async def test_without_process_there_are_totals_only(mariadb_server: DatabaseServer) -> None:
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
async def test_with_process_alone_holders_of_metadata_are_unknown(mariadb_server: DatabaseServer) -> None:
    async with watcher(mariadb_server, "PROCESS ON *.*") as dsn:
        probe = probe_of(dsn)
        await probe.open()
        rows = await probe.sample()
        await probe.close()
    assert probe.source is not None
    assert (probe.source.known, probe.source.reason) == (("sampled", "counter"), NO_HOLDERS)
    assert rows["sessions"] is not None


@to_its_end
async def test_privileges_that_were_withdrawn_are_not_seen_as_quiet(mariadb_server: DatabaseServer) -> None:
    """Sessions keep theirs; the next one has fewer, and an error at every tick instead of no rows."""
    async with watcher(mariadb_server, "PROCESS ON *.*") as dsn:
        probe = probe_of(dsn)
        await probe.open()
        await probe.close()
        await run(mariadb_server.dsn, "REVOKE PROCESS ON *.* FROM watcher@'127.0.0.1'")
        with pytest.raises(RuntimeError, match="privileges are not what they were: only totals"):
            await probe.open()
        await probe.close()


READ = "SELECT count(*) FROM information_schema.innodb_trx"


@asynccontextmanager
async def session(dsn: str) -> AsyncIterator[Callable[..., Coroutine[Any, Any, Any]]]:
    """What runs statements in one session."""
    at = urlsplit(dsn)
    login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}
    async with asyncmy.connect(**login, autocommit=True) as connection, connection.cursor() as cursor:

        async def run_here(*statements: str) -> Any:
            for statement in statements:
                await cursor.execute(statement)
            return await cursor.fetchall()

        yield run_here


@asynccontextmanager
async def read_all_along(dsn: str) -> AsyncIterator[None]:
    """By another client, so that InnoDB never renews its copy."""

    async def reads() -> None:
        async with session(dsn) as run_here:
            while True:
                await run_here(READ)
                begun.set()
                await asyncio.sleep(0.02)

    begun = asyncio.Event()
    task = asyncio.create_task(reads())
    await begun.wait()
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def sample_once(probe: MariadbProbe) -> dict[str, Any] | None:
    """The rows of one sample; None when it failed."""
    try:
        return dict(await probe.sample())
    except BlindError as error:
        assert str(error) == OLD
        return None


def lock_waiters(rows: dict[str, Any]) -> int:
    return sum(sessions for *_, wait_class, _, sessions in rows.get("sessions", ()) if wait_class == "lock")


def commits_of(rows: dict[str, Any]) -> int:
    return sum(value for *_, name, value in rows["counters"] if name == "commits")


@to_its_end
async def test_a_wait_is_not_seen_in_an_old_copy_of_the_lock_tables(mariadb_server: DatabaseServer) -> None:
    """It ends while another client makes InnoDB keep its copy, which shows it still: samples fail, and none of them
    counts. The totals go on, and sampling adds nothing to them."""
    dsn = mariadb_server.pod_dsn
    await run(dsn, "CREATE OR REPLACE TABLE pod.kept (n int PRIMARY KEY) ENGINE = InnoDB")
    await run(dsn, "INSERT INTO pod.kept VALUES (1)")
    probe = probe_of(mariadb_server.dsn)
    await probe.open()
    first = await sample_once(probe)
    async with session(dsn) as holder, session(dsn) as waiter:
        await holder("BEGIN", "SELECT n FROM pod.kept FOR UPDATE")
        waiting = asyncio.create_task(waiter("BEGIN", "SELECT n FROM pod.kept FOR UPDATE"))
        seen = [await sample_once(probe) for _ in range(4)]
        async with read_all_along(mariadb_server.dsn):
            seen += [
                await sample_once(probe) for _ in range(2)
            ]  # the first one may be answered from a copy made just before
            released_ns = time.monotonic_ns()
            await holder("ROLLBACK")
            await waiting
            blind = [await sample_once(probe) for _ in range(8)]
        await asyncio.sleep(0.2)
        rows = [await sample_once(probe) for _ in range(5)]
        await waiter("ROLLBACK")
    await probe.close()
    await run(dsn, "DROP TABLE pod.kept")
    assert blind == [None] * 8
    assert [lock_waiters(each or {}) for each in rows] == [0] * 5
    (wait,) = [wait for each in rows if each for wait in each.get("lock_waits", ())]
    columns = dict(zip((column.name for column in LOCK_WAITS_TABLE.columns), wait, strict=True))
    assert columns["hits"] == sum(lock_waiters(each) for each in seen if each) >= 3
    assert columns["ended_ns"] < released_ns + PERIOD_NS
    commits = [commits_of(each) for each in (first, *rows) if each and "counters" in each]
    assert len(commits) >= 2
    assert len(set(commits)) == 1


@to_its_end
async def test_occasional_readers_of_lock_tables_fail_no_tick(mariadb_server: DatabaseServer) -> None:
    probe = probe_of(mariadb_server.dsn)
    await probe.open()
    async with session(mariadb_server.dsn) as other_reader:
        for _ in range(3):
            assert await sample_once(probe) is not None
            await asyncio.sleep(0.15)
            await other_reader(READ)
            assert await sample_once(probe) is not None
    await probe.close()
