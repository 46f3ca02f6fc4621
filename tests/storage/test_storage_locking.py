"""What no locks cost, and another locking taking over while the pod works."""

import asyncio
import random
import time

import asyncpg
import pytest
from mariadb_admin import Admin
from storage_lives import Account, check
from storage_systems import ACCOUNT, System, sit_down

from loadtests.ledger.stored import sql
from loadtests.pod.storage.contract import (
    Accepted,
    AlreadyAccepted,
    Call,
    Done,
    Relockable,
    Storage,
    StorageConflict,
    Subscribed,
)
from loadtests.pod.storage.sql import foreign_keys
from loadtests.protocols.contract import QUEUE_TOPIC

MAINTENANCE = Call("maintenance", "", "")
ORDER = ("none", "optimistic", "none", "pessimistic", "optimistic", "pessimistic")
KEYS_POSTGRES = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"
KEYS_MARIADB = "SELECT count(*) FROM information_schema.referential_constraints WHERE constraint_schema = %s"
LOST_SUBSCRIPTION = """
INSERT INTO subscriptions (connection, topic, account, subscribed_at) VALUES ('missing', 'nothing', 'nowhere', 1)
"""


async def test_closing_amid_subscribing_leaves_orphans_where_nothing_locks(storage: Storage) -> None:
    if storage.promises.no_orphans:
        pytest.skip("promises that it does not")
    async with asyncio.timeout(60):
        while not (await storage.statistics(0)).orphans:
            agents = [await sit_down(storage, name=f"Agent {n}") for n in range(8)]
            tasks = [agent.subscribe(f"agent/topic-{n}") for agent in agents for n in range(3)]
            await asyncio.gather(*tasks[:12], *(agent.leave() for agent in agents), *tasks[12:])
    left = await storage.statistics(0)
    assert left.subscriptions == left.orphans, "all clients have left"
    assert await storage.sweep_orphans(MAINTENANCE, 0, 1_000) == left.orphans
    assert (await storage.statistics(0)).subscriptions == 0


async def test_the_ledger_sees_the_orphan_of_a_connection_closed_amid_its_subscription(postgres_database) -> None:  # type: ignore[no-untyped-def]
    system = System("postgres:none", postgres_database.pod_dsn)
    blocker = await asyncpg.connect(postgres_database.dsn)
    async with system.started() as storage:
        agent = await sit_down(storage)
        async with blocker.transaction():
            # The subscription, decided on while the connection was open, waits for the name of its topic.
            await blocker.execute("INSERT INTO topics VALUES ($1, 'agent/ada')", ACCOUNT)
            subscribing = asyncio.create_task(agent.subscribe("agent/ada"))
            await _waiting(postgres_database.dsn, "subscription.create@pod-1")
            assert await agent.leave() == Done()
        assert await subscribing == Subscribed(0)
        assert (await storage.statistics(0)).orphans == 1
        (orphan,) = await blocker.fetch(sql("orphans", 0))
        assert (orphan["connection"], orphan["topic"], orphan["why"]) == (agent.connection, "agent/ada", "closed")
        assert await storage.sweep_orphans(MAINTENANCE, 0, 10) == 1
        assert await blocker.fetch(sql("orphans", 0)) == []
    await blocker.close()


async def _waiting(dsn: str, name: str) -> None:
    """Until the server says that the session of that name waits for a lock."""
    found = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'"
    observer = await asyncpg.connect(dsn)
    async with asyncio.timeout(30):
        while not await observer.fetchval(found, name):  # noqa: ASYNC110  the server sends no notification
            await asyncio.sleep(0.01)
    await observer.close()


async def test_locking_is_switched_under_load_and_every_promise_is_kept(storage: Storage) -> None:
    if not isinstance(storage, Relockable):
        pytest.skip("has one locking only")
    accounts = [Account(f"account-{n:04}", random.Random(n)) for n in range(3)]
    over = asyncio.Event()

    async def work(account: Account, number: int) -> None:
        agent = await sit_down(storage, "agent", f"Agent {number}", account.name)
        while not over.is_set():
            chat, answer = await agent.offer()
            account.publish(answer)
            account.offered[chat] = asyncio.Event()
            for each in list(account.offered)[-3:]:
                await account.take(agent, each)

    async with asyncio.TaskGroup() as clients:
        for n in range(12):
            clients.create_task(work(accounts[n % 3], n))
        for locking in ORDER:
            before = sum(len(account.messages) for account in accounts)
            await storage.switch_locking(locking)
            assert (await storage.settings())["locking"] == locking
            assert storage.promises.no_orphans is (locking != "none")
            while sum(len(account.messages) for account in accounts) < before + 20:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        over.set()
    for account in accounts:
        check(account, await storage.copy_account(account.name))


async def test_foreign_keys_go_and_come_back_for_rows_to_come_postgres(postgres_database) -> None:  # type: ignore[no-untyped-def]
    owner = await asyncpg.connect(postgres_database.dsn)
    async with System("postgres", postgres_database.pod_dsn).started() as storage:
        assert isinstance(storage, Relockable)
        assert await owner.fetchval(KEYS_POSTGRES) == 10
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await owner.execute(LOST_SUBSCRIPTION)
        await storage.switch_locking("none")
        assert await owner.fetchval(KEYS_POSTGRES) == 0
        await owner.execute(LOST_SUBSCRIPTION)
        await storage.switch_locking("optimistic")
        assert await owner.fetchval(KEYS_POSTGRES) == 10
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await owner.execute(LOST_SUBSCRIPTION.replace("nothing", "nothing else"))
        assert await storage.sweep_orphans(MAINTENANCE, 0, 10) == 1
    async with System("postgres:none", postgres_database.pod_dsn).started():
        assert await owner.fetchval(KEYS_POSTGRES) == 0
    await owner.close()


async def test_foreign_keys_go_and_come_back_for_rows_to_come_mariadb(
    mariadb_database,  # type: ignore[no-untyped-def]
) -> None:
    admin = Admin(mariadb_database.dsn)

    async def keys() -> int:
        ((count,),) = await admin.execute(KEYS_MARIADB, admin.database)
        return int(count)

    async with System("mariadb", mariadb_database.pod_dsn).started() as storage:
        assert isinstance(storage, Relockable)
        assert await keys() == 10
        with pytest.raises(Exception, match="foreign key constraint fails"):
            await admin.execute(LOST_SUBSCRIPTION)
        await storage.switch_locking("none")
        assert await keys() == 0
        await admin.execute(LOST_SUBSCRIPTION)
        await storage.switch_locking("optimistic")
        assert await keys() == 10
        with pytest.raises(Exception, match="foreign key constraint fails"):
            await admin.execute(LOST_SUBSCRIPTION.replace("nothing", "nothing else"))
        assert await storage.sweep_orphans(MAINTENANCE, 0, 10) == 1
    async with System("mariadb:none", mariadb_database.pod_dsn).started():
        assert await keys() == 0


async def test_what_has_begun_keeps_its_locking(postgres_database) -> None:  # type: ignore[no-untyped-def]
    """An accept that waits for its account's row goes on waiting; one that begins after the switch does not ask."""
    system = System("postgres:pessimistic", postgres_database.pod_dsn)
    blocker = await asyncpg.connect(postgres_database.dsn)
    async with system.started() as storage:
        assert isinstance(storage, Relockable)
        early, late = await sit_down(storage, name="Ada"), await sit_down(storage, name="Grace")
        chat, _ = await (await sit_down(storage, "customer", "Bob")).offer()
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT 1 FROM accounts WHERE account = $1 FOR UPDATE", ACCOUNT)
        waiting = asyncio.create_task(early.accept(chat))
        await _waiting(postgres_database.dsn, "chat.accept@pod-1")
        switching = asyncio.create_task(storage.switch_locking("none"))
        await asyncio.sleep(0)
        assert isinstance(await late.accept(chat), Accepted)
        assert not waiting.done()
        await transaction.rollback()
        assert await waiting == AlreadyAccepted("Grace")
        await switching
    await blocker.close()


async def test_table_that_is_never_free_is_reported(
    postgres_database,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(foreign_keys, "ATTEMPTS", 2)
    monkeypatch.setattr(foreign_keys, "PAUSE_S", 0.01)
    blocker = await asyncpg.connect(postgres_database.dsn)
    async with System("postgres", postgres_database.pod_dsn).started() as storage:
        assert isinstance(storage, Relockable)
        agent = await sit_down(storage)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE connections IN ACCESS SHARE MODE")
            began = time.monotonic()
            with pytest.raises(StorageConflict, match=r"dropped from connections.*2 attempts.*lock timeout"):
                await storage.switch_locking("none")
            assert time.monotonic() - began >= 2, "it waited for its turn each time"
            assert await agent.subscribe(QUEUE_TOPIC) == Subscribed(0)
        await storage.switch_locking("none")
    await blocker.close()


async def test_table_that_is_never_free_is_reported_mariadb(
    mariadb_database,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(foreign_keys, "ATTEMPTS", 2)
    monkeypatch.setattr(foreign_keys, "PAUSE_S", 0.01)
    async with System("mariadb", mariadb_database.pod_dsn).started() as storage:
        assert isinstance(storage, Relockable)
        agent = await sit_down(storage)
        async with Admin(mariadb_database.dsn).holding("SELECT * FROM connections"):
            with pytest.raises(StorageConflict, match=r"dropped from connections.*2 attempts.*Lock wait timeout"):
                await storage.switch_locking("none")
            assert await agent.subscribe(QUEUE_TOPIC) == Subscribed(0)
        await storage.switch_locking("none")
        await storage.switch_locking("pessimistic")


async def test_unknown_locking_is_refused(storage: Storage) -> None:
    if not isinstance(storage, Relockable):
        pytest.skip("has one locking only")
    with pytest.raises(ValueError, match="expected one of pessimistic, optimistic, none"):
        await storage.switch_locking("optimist")
