"""Sessions of the timeline in real databases: locks that are held for as long as requested."""

import asyncio
from urllib.parse import urlsplit

import asyncmy
import asyncpg
import pytest

from loadtests.pod.storage.contract import Call, ConnectionRow, Subscribed
from loadtests.pod.storage.factory import create_storage
from loadtests.timeline.context import ActionFailed, DatabaseHandle
from loadtests.timeline.db_sessions import HELD, holding, maintain

ACCOUNT = "account-0001"


async def _storage(database):
    storage = create_storage("postgres:pessimistic", {"postgres": database.pod_dsn}, lambda _: None, "pod-1")
    await storage.start()
    await storage.open_connection(
        Call("connection.create", "0" * 16, ACCOUNT), ConnectionRow("c1", ACCOUNT, "agent", "Ada", "token")
    )
    await storage.subscribe(Call("subscription.create", "1" * 16, ACCOUNT), "c1", "queue", 10)
    return storage


@pytest.mark.parametrize("operation", sorted(HELD))
def test_an_operation_waits_for_as_long_as_its_locks_are_held(operation, postgres_database, runner):
    async def life():
        storage = await _storage(postgres_database)
        database = DatabaseHandle("postgres", "postgres", postgres_database.dsn)
        try:
            async with holding(database, operation, [ACCOUNT]) as found:
                assert found["rows_locked"] >= 1
                assert await _locked_by(postgres_database, f"stuck {operation}") == TABLES[operation]
                call = Call("subscription.create", "2" * 16, ACCOUNT)
                waiting = asyncio.ensure_future(storage.subscribe(call, "c1", "other", 10))
                await _until_a_session_waits_for(postgres_database, f"stuck {operation}")
                assert not waiting.done()
            assert isinstance(await waiting, Subscribed)
        finally:
            await storage.stop()

    runner.run(life())


TABLES = {
    "connection.create": {"accounts"},
    "subscription.create": {"accounts", "connections"},
    "chat.offer": {"accounts", "topics"},
    "message.send": {"accounts", "chats"},
    "chat.accept": {"accounts", "chats", "topics"},
}
LOCKED = """
SELECT c.relname FROM pg_stat_activity a JOIN pg_locks l USING (pid) JOIN pg_class c ON c.oid = l.relation
WHERE a.application_name = $1 AND l.mode = 'RowShareLock' AND c.relkind = 'r'
"""


async def _locked_by(database, name):
    observer = await asyncpg.connect(database.dsn)
    try:
        return {row[0] for row in await observer.fetch(LOCKED, name)}
    finally:
        await observer.close()


BLOCKERS = """
SELECT b.application_name
FROM pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) p JOIN pg_stat_activity b ON b.pid = p
"""


async def _until_a_session_waits_for(database, name):
    observer = await asyncpg.connect(database.dsn)
    try:
        async with asyncio.timeout(10):
            while name not in {row[0] for row in await observer.fetch(BLOCKERS)}:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        await observer.close()


def test_an_account_that_is_not_there_cannot_be_held(postgres_database, runner):
    async def life():
        storage = await _storage(postgres_database)
        try:
            async with holding(
                DatabaseHandle("postgres", "postgres", postgres_database.dsn), "chat.accept", ["no-such-account"]
            ):
                pass
        finally:
            await storage.stop()

    with pytest.raises(ActionFailed, match="postgres has no row of no-such-account that could be locked"):
        runner.run(life())


def test_maintenance_runs_one_statement_after_another(postgres_database, runner):
    async def life():
        database = DatabaseHandle("postgres", "postgres", postgres_database.dsn)
        await maintain(database, "CREATE TABLE t (a int); INSERT INTO t VALUES (1); VACUUM t;")
        observer = await asyncpg.connect(postgres_database.dsn)
        try:
            return await observer.fetchval("SELECT count(*) FROM t")
        finally:
            await observer.close()

    assert runner.run(life()) == 1


def test_maintenance_that_is_cut_off_ends_on_the_server_too(postgres_database, runner):
    async def life():
        database = DatabaseHandle("postgres", "postgres", postgres_database.dsn)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await maintain(database, "SELECT pg_sleep(60)")
        observer = await asyncpg.connect(postgres_database.dsn)
        try:
            async with asyncio.timeout(10):
                while await observer.fetchval(SLEEPERS):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        finally:
            await observer.close()

    runner.run(life())


SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'timeline' AND state = 'active'"


def test_on_mariadb_locks_are_held_and_maintenance_ends_where_it_is_cut_off(mariadb_database, runner):
    async def life():
        storage = create_storage("mariadb:pessimistic", {"mariadb": mariadb_database.pod_dsn}, lambda _: None, "pod-1")
        await storage.start()
        database = DatabaseHandle("mariadb", "mariadb", mariadb_database.dsn)
        try:
            row = ConnectionRow("c1", ACCOUNT, "agent", "Ada", "token")
            await storage.open_connection(Call("connection.create", "0" * 16, ACCOUNT), row)
            async with holding(database, "chat.accept", [ACCOUNT]):
                call = Call("subscription.create", "2" * 16, ACCOUNT)
                waiting = asyncio.ensure_future(storage.subscribe(call, "c1", "other", 10))
                await asyncio.sleep(0.5)
                assert not waiting.done()
            assert isinstance(await waiting, Subscribed)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await maintain(database, "SELECT SLEEP(60)")
            observer = await asyncmy.connect(**_address(mariadb_database.dsn))
            async with asyncio.timeout(10), observer.cursor() as cursor:
                sleeping = 1
                while sleeping:
                    sleeping = await cursor.execute(
                        "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"
                    )
                    await cursor.fetchall()
            observer.close()
        finally:
            await storage.stop()

    runner.run(life())


def _address(dsn):
    at = urlsplit(dsn)
    return {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}


def test_server_refusal_is_reported_without_secrets(postgres_database, runner):
    with pytest.raises(ActionFailed, match=r'PostgreSQL: relation "nowhere" does not exist'):
        runner.run(maintain(DatabaseHandle("postgres", "postgres", postgres_database.dsn), "VACUUM nowhere"))


def test_unreachable_server_is_reported(runner):
    dsn = "postgresql://loadtests:hush@127.0.0.1:1/pod"
    with pytest.raises(ActionFailed) as raised:
        runner.run(maintain(DatabaseHandle("postgres", "postgres", dsn), "VACUUM"))
    assert "hush" not in str(raised.value)


def test_an_engine_without_sessions_is_refused(runner):
    with pytest.raises(ActionFailed, match="legacy is sqlite, which has no sessions"):
        runner.run(maintain(DatabaseHandle("legacy", "sqlite", "x"), "VACUUM"))
