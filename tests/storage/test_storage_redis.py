"""The Redis storages against real trouble: a server killed, paused, full, or set to keep less than they promise."""

import asyncio
import time
from collections import defaultdict
from typing import Any

import pytest
import redis
from redis import exceptions
from storage_systems import ACCOUNT, Desk, System, sit_down
from test_storage_durability import assert_there

from loadtests.pod.storage.contract import (
    AccountCopy,
    Call,
    Done,
    OutcomeUnknown,
    StorageUnavailable,
    StoredChat,
    StoredConnection,
    StoredMessage,
    StoredSubscription,
    StoredTopic,
    Subscribed,
)
from loadtests.pod.storage.redis import driver
from loadtests.pod.storage.redis.driver import classify
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Event
from loadtests.servers.contract import DatabaseServer


async def test_nothing_acknowledged_is_lost_when_the_server_is_killed_amid_load(doomed_redis: DatabaseServer) -> None:
    async with System("redis:always", doomed_redis.pod_dsn).started() as storage:
        agent, customer = await sit_down(storage), await sit_down(storage, "customer", "Bob")
        reported: dict[str, list[str]] = defaultdict(list, connection=[agent.connection])
        tasks = [asyncio.create_task(_load(agent, customer, reported, n)) for n in range(8)]
        while len(reported["message"]) < 40:
            assert not any(task.done() for task in tasks)
            await asyncio.sleep(0.005)
        await asyncio.to_thread(doomed_redis.kill)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(end) for end in ends} <= {StorageUnavailable, OutcomeUnknown}
        with pytest.raises(StorageUnavailable, match="Redis cannot be reached"):
            await agent.subscribe("queue")
        await asyncio.to_thread(doomed_redis.start)
        await assert_there(storage, reported)
        assert isinstance(await agent.subscribe("queue", limit=1_000_000), Subscribed)


async def _load(agent: Desk, customer: Desk, reported: dict[str, list[str]], number: int) -> None:
    for n in range(10_000):
        await agent.subscribe(f"agent/topic-{number}-{n}", limit=1_000_000)
        reported["subscription"].append(f"agent/topic-{number}-{n}")
        chat, _ = await customer.offer()
        await agent.accept(chat)
        reported["chat"].append(chat)
        await customer.send(chat)
        reported["message"].append(chat)


async def test_idle_sessions_that_the_server_dropped_are_replaced_before_anything_is_sent(
    doomed_redis: DatabaseServer,
) -> None:
    async with System("redis", doomed_redis.pod_dsn).started() as storage:
        agent = await sit_down(storage)
        await asyncio.gather(*(agent.subscribe(f"agent/{n}") for n in range(12)))
        await asyncio.to_thread(doomed_redis.kill)
        await asyncio.to_thread(doomed_redis.start)
        assert await asyncio.gather(*(agent.subscribe(f"agent/{n}") for n in range(12))) == [Subscribed(0)] * 12


async def test_a_server_that_does_not_answer_leaves_the_outcome_unknown(
    doomed_redis: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "COMMAND_TIMEOUT_S", 0.3)
    system = System("redis", doomed_redis.pod_dsn)
    async with system.started() as storage:
        agent = await sit_down(storage)
        doomed_redis.pause()
        with pytest.raises(OutcomeUnknown, match="before it answered"):
            await agent.subscribe("queue")
        with pytest.raises(StorageUnavailable):
            await storage.events_after(ACCOUNT, "queue", 0, 1)
        doomed_redis.resume()
        assert await agent.subscribe("queue") == Subscribed(0)
    assert [t.outcome for t in system.transactions if t.call.operation == "subscription.create"] == [
        "unknown",
        "committed",
    ]


async def test_more_at_once_than_sessions_wait_for_one(redis_database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "POOL_SIZE", 3)
    system = System("redis", redis_database.pod_dsn)
    async with system.started() as storage:
        agent = await sit_down(storage)
        await asyncio.gather(*(agent.subscribe(f"agent/{n}", 100) for n in range(60)))
    assert 1 < len({t.session for t in system.transactions}) <= 3


async def test_scripts_that_the_server_has_forgotten_are_sent_again(redis_database: Any) -> None:
    async with System("redis", redis_database.pod_dsn).started() as storage:
        agent = await sit_down(storage)
        redis.Redis.from_url(redis_database.dsn).script_flush()
        assert await agent.subscribe("queue") == Subscribed(0)


async def test_a_cancelled_caller_leaves_no_session_in_the_middle_of_an_answer(redis_database: Any) -> None:
    async with System("redis", redis_database.pod_dsn).started() as storage:
        agent = await sit_down(storage)
        tasks = [asyncio.create_task(agent.subscribe(f"agent/{n}")) for n in range(10)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await agent.subscribe("queue") == Subscribed(0)
        assert await storage.events_after(ACCOUNT, "queue", 0, 1) == []


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("redis:always", {"appendfsync": "everysec"}, "appendfsync is everysec, it must be always"),
        ("redis:everysec", {"appendfsync": "no"}, "appendfsync is no, it must be everysec or always"),
        ("redis:everysec", {"appendonly": "no"}, "appendonly is no, it must be yes"),
        ("redis:always", {"maxmemory-policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru, it must be noeviction"),
    ],
)
async def test_a_server_that_keeps_less_than_promised_is_refused(
    doomed_redis: DatabaseServer, name: str, settings: dict[str, str], words: str
) -> None:
    for setting, value in settings.items():
        redis.Redis.from_url(doomed_redis.dsn).config_set(setting, value)
    with pytest.raises(StorageUnavailable, match=words):
        await System(name, doomed_redis.pod_dsn).open().start()


async def test_everysec_is_content_with_a_server_that_keeps_more(redis_database: Any) -> None:
    async with System("redis:everysec", redis_database.pod_dsn).started() as storage:
        assert (await storage.settings())["appendfsync"] == "always"


async def test_full_memory_is_unavailable_and_changes_nothing(doomed_redis: DatabaseServer) -> None:
    async with System("redis", doomed_redis.pod_dsn).started() as storage:
        agent = await sit_down(storage)
        administrator = redis.Redis.from_url(doomed_redis.dsn)
        administrator.config_set("maxmemory", "1")
        with pytest.raises(StorageUnavailable, match="maxmemory"):
            await agent.subscribe("queue")
        administrator.config_set("maxmemory", "0")
        assert (await storage.statistics(0)).subscriptions == 0


async def test_a_server_with_no_session_left_is_unavailable(doomed_redis: DatabaseServer) -> None:
    async with System("redis", doomed_redis.pod_dsn).started() as storage:
        agent = await sit_down(storage)
        redis.Redis.from_url(doomed_redis.dsn).config_set("maxclients", "1")
        answers = await asyncio.gather(*(agent.subscribe(f"agent/{n}") for n in range(8)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Subscribed, StorageUnavailable}


@pytest.mark.parametrize("dsn", ["redis://pod:hush@127.0.0.1:1/0", "redis://pod:hu/sh@127.0.0.1:1/0", "hush://hush"])
async def test_an_address_that_leads_nowhere_gives_nothing_of_its_password_away(dsn: str) -> None:
    with pytest.raises(StorageUnavailable, match="Redis") as refused:
        await System("redis", dsn).open().start()
    assert "hu" not in f"{refused.value} {refused.value.__cause__}"


async def test_a_copy_can_be_read_and_written_back(redis_database: Any) -> None:
    async with System("redis", redis_database.pod_dsn).started() as storage:
        agent, customer = await sit_down(storage), await sit_down(storage, "customer", "Bob")
        await agent.subscribe(QUEUE_TOPIC)
        await agent.subscribe("agent/ada")
        chat, _ = await customer.offer(subject="")
        await agent.accept(chat)
        await customer.send(chat, 'grüß "dich" ✨\n')
        await agent.close_chat(chat)
        await customer.leave()
        copy = await storage.copy_account(ACCOUNT)
        assert [len(rows) for rows in (copy.connections, copy.subscriptions, copy.chats, copy.messages)] == [2, 2, 1, 1]
        assert {(t.topic, t.head) for t in copy.topics} == {("queue", 3), ("agent/ada", 0), (chat_topic(chat), 3)}
        assert len(copy.events) == 6
        await agent.send(chat)
        await (await sit_down(storage)).subscribe("agent/eve")
        await storage.replace_account(Call("maintenance", "", ACCOUNT), copy)
        assert await storage.copy_account(ACCOUNT) == copy
        assert (await storage.statistics(0)).connections == 1
        assert list(await storage.reap_connections(Call("maintenance", "", ""), time.time_ns() + 10**12, 9)) == [
            agent.connection
        ]


async def test_times_are_kept_to_the_nanosecond(redis_database: Any) -> None:
    """Redis' scores and Lua's numbers are doubles, in which neighbouring nanoseconds of our time are the same."""
    seen = 1_764_000_000_123_456_789
    row = StoredConnection("c1", "agent", "Ada", "d", seen - 1, seen, None)
    message = StoredMessage("k1", "chat1", "c1", "hello", seen)
    chat = StoredChat("chat1", "accepted", "help", "c1", "c1", seen, seen + 1, None)
    event = Event(ACCOUNT, "queue", 1, "chat.offered", "chat1", "chat1", "Ada", "help", seen)
    rows = (row,), (StoredTopic("queue", 1),), (StoredSubscription("c1", "queue", seen),), (chat,), (message,), (event,)
    copy, call = AccountCopy(ACCOUNT, *rows), Call("maintenance", "", "")
    async with System("redis", redis_database.pod_dsn).started() as storage:
        await storage.replace_account(call, copy)
        assert await storage.copy_account(ACCOUNT) == copy
        assert list(await storage.reap_connections(call, seen, 9)) == []
        assert list(await storage.reap_connections(call, seen + 1, 9)) == ["c1"]


async def test_sweeping_takes_the_subscriptions_of_the_closed_the_missing_and_the_silent(redis_database: Any) -> None:
    call = Call("maintenance", "", ACCOUNT)
    async with System("redis", redis_database.pod_dsn).started() as storage:
        agent = await sit_down(storage)
        await agent.subscribe("queue")
        there = await storage.copy_account(ACCOUNT)
        closed = StoredConnection("c-closed", "agent", "Eve", "d", 1, 1, 2)
        silent = StoredConnection("c-silent", "agent", "Eve", "d", 1, 1, None)
        lost = [StoredSubscription(f"c-{why}", f"agent/{n}", 1) for why in ("closed", "silent", "gone") for n in (1, 2)]
        rows = [*there.connections, closed, silent], there.topics, [*there.subscriptions, *lost]
        await storage.replace_account(call, AccountCopy(ACCOUNT, *rows))
        assert (await storage.statistics(1000)).orphans == 6
        assert [await storage.sweep_orphans(call, 1000, 4) for _ in range(3)] == [4, 2, 0]
        statistics = await storage.statistics(1000)
        assert (statistics.subscriptions, statistics.orphans) == (1, 0)


async def test_two_accounts_share_no_key(redis_database: Any) -> None:
    async with System("redis", redis_database.pod_dsn).started() as storage:
        one, other = await sit_down(storage), await sit_down(storage, account="account-0002")
        await one.subscribe("queue")
        await other.subscribe("queue")
        await storage.replace_account(one.call("maintenance"), AccountCopy(ACCOUNT))
        assert isinstance(await other.subscribe("agent/x"), Subscribed)
    keys: Any = redis.Redis.from_url(redis_database.dsn).keys("{account-0001}:*")
    assert keys == []


@pytest.mark.parametrize(
    ("error", "sent", "outcome", "kind"),
    [
        (exceptions.ConnectionError("x"), False, "rolled_back", StorageUnavailable),
        (exceptions.ConnectionError("x"), True, "unknown", OutcomeUnknown),
        (exceptions.TimeoutError("x"), True, "unknown", OutcomeUnknown),
        (ConnectionResetError("x"), True, "unknown", OutcomeUnknown),
        (exceptions.BusyLoadingError("loading"), True, "rolled_back", StorageUnavailable),
        (exceptions.OutOfMemoryError("x"), True, "rolled_back", StorageUnavailable),
        (exceptions.ResponseError("MISCONF cannot persist"), True, "rolled_back", StorageUnavailable),
        (exceptions.ResponseError("BUSY a script"), True, "rolled_back", StorageUnavailable),
        (exceptions.ConnectionError("max number of clients reached"), True, "rolled_back", StorageUnavailable),
        (exceptions.ResponseError("a mistake in a script"), True, "rolled_back", type(None)),
        (asyncio.CancelledError(), True, "unknown", OutcomeUnknown),
        (ZeroDivisionError("x"), True, "rolled_back", type(None)),
    ],
)
def test_what_errors_of_redis_mean(error: BaseException, sent: bool, outcome: str, kind: type) -> None:
    found = classify(error, sent)
    assert found[0] == outcome
    assert type(found[1]) is kind


async def test_an_unknown_answer_is_no_answer(doomed_redis: DatabaseServer) -> None:
    """Killed between a message sent and its answer: a client that sends it again finds it stored once."""
    async with System("redis", doomed_redis.pod_dsn).started() as storage:
        customer = await sit_down(storage, "customer", "Bob")
        chat, _ = await customer.offer()
        sending = [asyncio.create_task(customer.send(chat, str(n), f"{n:016x}")) for n in range(30)]
        await asyncio.sleep(0)
        await asyncio.to_thread(doomed_redis.kill)
        answers = await asyncio.gather(*sending, return_exceptions=True)
        await asyncio.to_thread(doomed_redis.start)
        for n, answer in enumerate(answers):
            again = await customer.send(chat, str(n), f"{n:016x}")
            assert isinstance(again, Done)
            if isinstance(answer, Done):
                assert again == Done()
        numbers = [e.sequence for e in await storage.events_after(ACCOUNT, chat_topic(chat), 0, 100)]
        assert numbers == list(range(1, 31))
