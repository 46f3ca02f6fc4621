"""Faults of the pod that are real on PostgreSQL: what the database itself says of each."""

import asyncio
import itertools

import asyncpg
import pytest
from faulty_pods import (
    AGENT,
    CUSTOMER,
    FreshDatabase,
    accept,
    accepted_chat,
    ask,
    blockers_of,
    connect,
    faulty,
    holding,
    offer,
    recorded,
    send,
    subscribe,
    until_rows,
    waiting,
)
from pods import ACCOUNT

from loadtests.pod.faults import forgotten_commit, parent_lock, schema_change
from loadtests.pod.storage.contract import Accepted, AlreadyAccepted, Call, Done, Storage

pytestmark = pytest.mark.server
OPTIMISTIC = "postgres:optimistic"


async def test_hot_counter_makes_messages_wait_for_one_row(postgres_database: FreshDatabase) -> None:
    async with faulty("hot-counter", OPTIMISTIC, postgres_database.pod_dsn) as pod:
        chat = await accepted_chat(pod.storage)
        async with holding(postgres_database.dsn, "SELECT * FROM request_counter FOR UPDATE"):
            sent = asyncio.create_task(send(pod.storage, chat))
            assert await blockers_of(postgres_database.dsn, "message.send") == {"holder"}
        assert isinstance(await sent, Done)
        assert await ask(postgres_database.dsn, "SELECT requests FROM request_counter") == [(1,)]


async def connect_again_and_again(storage: Storage) -> None:
    for number in itertools.count():
        await connect(storage, CUSTOMER, f"customer-{number}")
        await asyncio.sleep(0.02)


async def test_parent_lock_keeps_children_from_being_inserted(
    postgres_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent_lock, "_WORK_FOR_S", 1.0)
    async with faulty("parent-lock", OPTIMISTIC, postgres_database.pod_dsn) as pod:
        await send(pod.storage, await accepted_chat(pod.storage))
        connected = asyncio.create_task(connect_again_and_again(pod.storage))
        assert await blockers_of(postgres_database.dsn, "connection.create") == {"maintenance"}
        connected.cancel()


async def test_notify_is_part_of_the_transaction(postgres_database: FreshDatabase) -> None:
    received: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(postgres_database.dsn)
    async with faulty("notify", OPTIMISTIC, postgres_database.pod_dsn) as pod:
        await listener.add_listener("messages", lambda *notification: received.put_nowait(notification[-1]))
        chat, call = await accepted_chat(pod.storage), Call("message.send", "00000000000000aa", ACCOUNT)
        await pod.storage.send_message(call, CUSTOMER, chat, "hello")
        async with asyncio.timeout(10):
            assert await received.get() == call.key
    await listener.close()


@pytest.mark.parametrize(("fault", "outcome"), [("serializable", "conflict"), ("lock-order", "deadlock")])
async def test_transactions_lose_to_others(fault: str, outcome: str, postgres_database: FreshDatabase) -> None:
    async with faulty(fault, OPTIMISTIC, postgres_database.pod_dsn) as pod:
        chats = [await accepted_chat(pod.storage) for _ in range(8)]
        transactions = recorded(pod)
        async with asyncio.timeout(20):
            while not any(t.outcome == outcome for t in transactions):
                await asyncio.gather(*(send(pod.storage, chat) for chat in chats))


async def test_without_a_fault_messages_of_different_chats_never_lose(postgres_database: FreshDatabase) -> None:
    async with faulty("", OPTIMISTIC, postgres_database.pod_dsn) as pod:
        chats = [await accepted_chat(pod.storage) for _ in range(8)]
        transactions = recorded(pod)
        for _ in range(5):
            await asyncio.gather(*(send(pod.storage, chat) for chat in chats))
        assert {t.outcome for t in transactions} == {"committed"}


async def test_forgotten_commit_is_idle_and_holds_the_queue(
    postgres_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgotten_commit, "_EVERY", 1)
    idle = (
        "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = 'chat.accept@pod-1'"
    )
    async with faulty("forgotten-commit", OPTIMISTIC, postgres_database.pod_dsn) as pod:
        await accepted_chat(pod.storage)
        await until_rows(postgres_database.dsn, idle)
        offered = asyncio.create_task(offer(pod.storage))
        assert await blockers_of(postgres_database.dsn, "chat.offer") == {"chat.accept"}
        offered.cancel()


async def test_schema_change_waits_for_the_reader(
    postgres_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_change, "_READ_FOR_S", 1.0)
    monkeypatch.setattr(schema_change, "_AGAIN_S", 0.05)
    asked = "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted AND relation = 'chats'::regclass"
    async with faulty("schema-change", OPTIMISTIC, postgres_database.pod_dsn) as pod:
        await send(pod.storage, await accepted_chat(pod.storage))
        chat = await offer(pod.storage)
        await until_rows(postgres_database.dsn, asked)
        accepted = asyncio.create_task(accept(pod.storage, chat))
        assert await blockers_of(postgres_database.dsn, "chat.accept") == {"maintenance"}
        assert isinstance(await accepted, Accepted)


async def test_small_pool_has_two_sessions(postgres_database: FreshDatabase) -> None:
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'pod' AND datname = current_database()"
    async with faulty("small-pool", OPTIMISTIC, postgres_database.pod_dsn) as pod:
        chat = await accepted_chat(pod.storage)
        await asyncio.gather(*(send(pod.storage, chat) for _ in range(6)))
        assert await ask(postgres_database.dsn, sessions) == [(2,)]


@pytest.mark.parametrize(("fault", "winners"), [("blind-accept", 2), ("", 1)])
async def test_blind_accept_gives_a_chat_to_two_agents(
    fault: str, winners: int, postgres_database: FreshDatabase
) -> None:
    async with faulty(fault, OPTIMISTIC, postgres_database.pod_dsn) as pod:
        await connect(pod.storage, AGENT, "other")
        chat = await offer(pod.storage)
        async with holding(postgres_database.dsn, "SELECT * FROM chats FOR UPDATE"):
            both = [asyncio.create_task(accept(pod.storage, chat, agent)) for agent in (AGENT, "other")]
            await waiting(postgres_database.dsn, 2)
        answers = await asyncio.gather(*both)
        assert sum(isinstance(answer, Accepted) for answer in answers) == winners
        assert sum(isinstance(answer, AlreadyAccepted) for answer in answers) == 2 - winners


@pytest.mark.parametrize(("fault", "orphans"), [("kept-subscriptions", 1), ("", 0)])
async def test_kept_subscriptions_become_orphans(fault: str, orphans: int, postgres_database: FreshDatabase) -> None:
    async with faulty(fault, OPTIMISTIC, postgres_database.pod_dsn) as pod:
        await subscribe(pod.storage, AGENT)
        await pod.storage.close_connection(Call("connection.close", "", ACCOUNT), AGENT)
        assert (await pod.storage.statistics(0)).orphans == orphans


async def test_cpu_surge_computes_and_waits_for_no_lock(postgres_database: FreshDatabase) -> None:
    computing = (
        "SELECT wait_event_type FROM pg_stat_activity WHERE state = 'active' AND query LIKE '/* chat.accept */ %md5%'"
    )
    async with faulty("cpu-surge", OPTIMISTIC, postgres_database.pod_dsn) as pod:
        chats = [await offer(pod.storage) for _ in range(20)]
        accepted = asyncio.gather(*(accept(pod.storage, chat) for chat in chats))
        waits = await until_rows(postgres_database.dsn, computing)
        assert "Lock" not in [row["wait_event_type"] for row in waits]
        await accepted
