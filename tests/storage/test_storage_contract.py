"""The storage contract, asked of every storage system."""

import asyncio
import time

import pytest
from storage_systems import ACCOUNT, Desk, System, new_key, sit_down

from loadtests import storagenames
from loadtests.pod.storage.contract import (
    Accepted,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Resumed,
    Storage,
    StorageRefusal,
    Subscribed,
)
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.records.vocabulary import TRANSACTION_OUTCOMES

OTHER = "account-0002"


async def _chat(storage: Storage, account: str = ACCOUNT) -> tuple[Desk, Desk, str]:
    """An agent, a customer, and the chat that the customer offered."""
    agent = await sit_down(storage, "agent", "Ada", account)
    customer = await sit_down(storage, "customer", "Bob", account)
    chat, answer = await customer.offer()
    assert isinstance(answer, Done)
    assert len(answer.events) == 1
    return agent, customer, chat


async def _sequences(storage: Storage, topic: str, account: str = ACCOUNT) -> list[int]:
    return [event.sequence for event in await storage.events_after(account, topic, 0, 10_000)]


async def test_of_64_concurrent_accepts_one_wins(storage: Storage) -> None:
    customer = await sit_down(storage, "customer", "Bob")
    chat, _ = await customer.offer()
    agents = [await sit_down(storage, name=f"Agent {n}") for n in range(64)]
    answers = await asyncio.gather(*(agent.accept(chat) for agent in agents))
    winners = [agent.name for agent, answer in zip(agents, answers, strict=True) if isinstance(answer, Accepted)]
    assert len(winners) == 1
    assert answers.count(AlreadyAccepted(winners[0])) == 63
    accepted = [e for e in await storage.events_after(ACCOUNT, QUEUE_TOPIC, 0, 100) if e.kind == "chat.accepted"]
    assert [event.by for event in accepted] == winners


async def test_a_chat_from_offer_to_close(storage: Storage) -> None:
    agent, customer, chat = await _chat(storage)
    accepted = await agent.accept(chat)
    assert isinstance(accepted, Accepted)
    assert sorted((e.topic, e.kind, e.by) for e in accepted.events) == [
        (chat_topic(chat), "chat.accepted", "Ada"),
        (QUEUE_TOPIC, "chat.accepted", "Ada"),
    ]
    sent = await customer.send(chat, "where is my order?")
    assert isinstance(sent, Done)
    assert [(e.topic, e.kind, e.by, e.text) for e in sent.events] == [
        (chat_topic(chat), "message.sent", "Bob", "where is my order?")
    ]
    closed = await agent.close_chat(chat)
    assert isinstance(closed, Done)
    assert {e.topic for e in closed.events} == {chat_topic(chat), QUEUE_TOPIC}
    assert [e.kind for e in await storage.events_after(ACCOUNT, QUEUE_TOPIC, 0, 9)] == [
        "chat.offered",
        "chat.accepted",
        "chat.closed",
    ]
    assert await storage.events_after(ACCOUNT, chat_topic(chat), 0, 9) == [
        *(e for e in accepted.events if e.topic != QUEUE_TOPIC),
        *sent.events,
        *(e for e in closed.events if e.topic != QUEUE_TOPIC),
    ]


async def test_event_carries_the_key_of_its_cause_and_a_stamp_of_now(storage: Storage) -> None:
    before = time.time_ns()
    customer = await sit_down(storage, "customer", "Bob")
    chat, answer = await customer.offer(subject="my order")
    assert isinstance(answer, Done)
    (event,) = answer.events
    assert (event.key, event.chat, event.text, event.sequence, event.account) == (chat, chat, "my order", 1, ACCOUNT)
    assert before <= event.published_ns <= time.time_ns()


async def test_closed_chat_takes_neither_accept_nor_message(storage: Storage) -> None:
    agent, customer, chat = await _chat(storage)
    assert isinstance(await customer.close_chat(chat), Done)
    assert await agent.accept(chat) is StorageRefusal.CHAT_CLOSED
    assert await customer.send(chat) is StorageRefusal.CHAT_CLOSED
    assert await customer.close_chat(chat) == Done()


async def test_who_may_do_what(storage: Storage) -> None:
    agent, customer, chat = await _chat(storage)
    stranger = await sit_down(storage, "customer", "Eve")
    assert await customer.accept(chat) is StorageRefusal.FORBIDDEN
    assert await stranger.send(chat) is StorageRefusal.FORBIDDEN
    assert await stranger.close_chat(chat) is StorageRefusal.FORBIDDEN
    assert await agent.accept("f" * 16) is StorageRefusal.NO_SUCH_CHAT
    assert await agent.send("f" * 16) is StorageRefusal.NO_SUCH_CHAT
    assert await agent.close_chat("f" * 16) is StorageRefusal.NO_SUCH_CHAT


async def test_refused_operations_publish_nothing(storage: Storage) -> None:
    agent, customer, chat = await _chat(storage)
    await customer.accept(chat)
    await agent.accept("f" * 16)
    await (await sit_down(storage, "customer", "Eve")).send(chat)
    assert await _sequences(storage, QUEUE_TOPIC) == [1]
    assert await _sequences(storage, chat_topic(chat)) == []


async def test_accounts_are_isolated(storage: Storage) -> None:
    agent, _, chat = await _chat(storage)
    spy = await sit_down(storage, name="Eve", account=OTHER)
    assert await spy.accept(chat) is StorageRefusal.NO_SUCH_CHAT
    assert await spy.send(chat) is StorageRefusal.NO_SUCH_CHAT
    assert await spy.close_chat(chat) is StorageRefusal.NO_SUCH_CHAT
    assert await spy.subscribe(QUEUE_TOPIC) == Subscribed(0)
    assert await storage.events_after(OTHER, QUEUE_TOPIC, 0, 9) == []
    posing = Desk(storage, OTHER, agent.connection, "Eve")
    assert await posing.subscribe(QUEUE_TOPIC) is StorageRefusal.NO_SUCH_CONNECTION
    assert await posing.leave() is StorageRefusal.NO_SUCH_CONNECTION
    assert (await posing.offer())[1] is StorageRefusal.NO_SUCH_CONNECTION
    stolen = await storage.resume_connection(posing.call("connection.create"), agent.connection, "token", 0)
    assert stolen is StorageRefusal.NO_SUCH_CONNECTION
    assert isinstance((await spy.offer(chat))[1], Done), "the same key in another account is another chat"
    assert isinstance(await agent.accept(chat), Accepted)


async def test_sequence_has_no_gap_under_concurrency(storage: Storage) -> None:
    agents = [await sit_down(storage, name=f"Agent {n}") for n in range(8)]
    customers = [await sit_down(storage, "customer", f"Customer {n}") for n in range(8)]

    async def work(agent: Desk, customer: Desk) -> list[tuple[str, int, str]]:
        chat, offered = await customer.offer()
        answers = [offered, await agent.accept(chat)]
        answers += await asyncio.gather(customer.send(chat, "a"), agent.send(chat, "b"), customer.send(chat, "c"))
        answers.append(await agent.close_chat(chat))
        return [(e.topic, e.sequence, e.key) for answer in answers for e in answer.events]  # type: ignore[union-attr]

    published = [e for made in await asyncio.gather(*map(work, agents, customers)) for e in made]
    topics = {topic for topic, _, _ in published}
    assert len(topics) == 9
    for topic in topics:
        stored = [(topic, e.sequence, e.key) for e in await storage.events_after(ACCOUNT, topic, 0, 100)]
        assert [sequence for _, sequence, _ in stored] == list(range(1, len(stored) + 1))
        assert sorted(e for e in published if e[0] == topic) == stored


async def test_events_after_continues_where_a_client_was(storage: Storage) -> None:
    _, customer, chat = await _chat(storage)
    for n in range(5):
        await customer.send(chat, str(n))
    events = await storage.events_after(ACCOUNT, chat_topic(chat), 2, 2)
    assert [(e.sequence, e.text) for e in events] == [(3, "2"), (4, "3")]


async def test_subscribing_returns_the_last_number(storage: Storage) -> None:
    agent, customer, _ = await _chat(storage)
    await customer.offer()
    assert await agent.subscribe(QUEUE_TOPIC) == Subscribed(2)
    assert await agent.subscribe("agent/ada-1") == Subscribed(0)


async def test_subscribing_twice_is_harmless_and_unsubscribing_twice_refused(storage: Storage) -> None:
    agent = await sit_down(storage)
    assert await agent.subscribe(QUEUE_TOPIC) == await agent.subscribe(QUEUE_TOPIC) == Subscribed(0)
    assert (await storage.statistics(0)).subscriptions == 1
    assert await agent.unsubscribe(QUEUE_TOPIC) == Done()
    assert await agent.unsubscribe(QUEUE_TOPIC) is StorageRefusal.NOT_SUBSCRIBED
    assert (await storage.statistics(0)).subscriptions == 0


async def test_subscriptions_are_limited_also_when_asked_for_at_once(storage: Storage) -> None:
    if not storage.promises.no_orphans:
        pytest.skip("counts subscriptions without a lock")
    agent = await sit_down(storage)
    answers = await asyncio.gather(*(agent.subscribe(f"agent/ada-{n}", limit=3) for n in range(6)))
    assert answers.count(StorageRefusal.TOO_MANY_SUBSCRIPTIONS) == 3
    assert (await storage.statistics(0)).subscriptions == 3


async def test_closed_connection_leaves_no_subscription(storage: Storage) -> None:
    agent = await sit_down(storage)
    await agent.subscribe(QUEUE_TOPIC)
    assert await agent.leave() == Done()
    assert await agent.leave() in {Done(), StorageRefusal.NO_SUCH_CONNECTION}, "closing twice is harmless"
    assert await agent.subscribe(QUEUE_TOPIC) is StorageRefusal.NO_SUCH_CONNECTION
    assert await agent.unsubscribe(QUEUE_TOPIC) is StorageRefusal.NO_SUCH_CONNECTION
    assert (await agent.offer())[1] is StorageRefusal.NO_SUCH_CONNECTION
    statistics = await storage.statistics(time.time_ns() + 10**12)
    assert (statistics.connections, statistics.subscriptions, statistics.orphans) == (0, 0, 0)


async def test_closing_amid_subscribing_leaves_no_orphan(storage: Storage) -> None:
    if not storage.promises.no_orphans:
        pytest.skip("does not promise it")
    agents = [await sit_down(storage, name=f"Agent {n}") for n in range(8)]
    tasks = [agent.subscribe(f"agent/topic-{n}") for agent in agents for n in range(3)]
    await asyncio.gather(*tasks[:12], *(agent.leave() for agent in agents), *tasks[12:])
    statistics = await storage.statistics(0)
    assert (statistics.connections, statistics.subscriptions, statistics.orphans) == (0, 0, 0)


async def test_resume_gives_topics_and_their_numbers(storage: Storage) -> None:
    agent, customer, _ = await _chat(storage)
    await agent.subscribe(QUEUE_TOPIC)
    await customer.offer()
    call = agent.call("connection.create")
    row = ConnectionRow(agent.connection, ACCOUNT, "agent", "Ada", "token")
    assert await storage.resume_connection(call, agent.connection, "token", 0) == Resumed(row, {QUEUE_TOPIC: 2})


async def test_resume_needs_the_token_and_to_be_in_time(storage: Storage) -> None:
    agent = await sit_down(storage)
    call = agent.call("connection.create")
    later = time.time_ns() + 10**12
    assert await storage.resume_connection(call, agent.connection, "wrong", 0) is StorageRefusal.NO_SUCH_CONNECTION
    assert await storage.resume_connection(call, agent.connection, "token", later) is StorageRefusal.NO_SUCH_CONNECTION
    await storage.touch_connections([agent.connection], later + 1)
    assert isinstance(await storage.resume_connection(call, agent.connection, "token", later), Resumed)
    await agent.leave()
    assert await storage.resume_connection(call, agent.connection, "token", 0) is StorageRefusal.NO_SUCH_CONNECTION


async def test_reaping_takes_the_silent_and_their_subscriptions(storage: Storage) -> None:
    silent, alive = await sit_down(storage), await sit_down(storage, account=OTHER)
    await silent.subscribe(QUEUE_TOPIC)
    await alive.subscribe(QUEUE_TOPIC)
    later = time.time_ns() + 10**12
    await storage.touch_connections([alive.connection, "nobody"], later)
    assert (await storage.statistics(later)).orphans == 1
    assert list(await storage.reap_connections(Call("maintenance", "", ""), later, 10)) == [silent.connection]
    assert await silent.subscribe(QUEUE_TOPIC) is StorageRefusal.NO_SUCH_CONNECTION
    statistics = await storage.statistics(later)
    assert (statistics.connections, statistics.subscriptions, statistics.orphans) == (1, 1, 0)


async def test_reaping_stops_at_its_limit(storage: Storage) -> None:
    for n in range(5):
        await sit_down(storage, account=f"account-{n % 2:04}")
    later, call = time.time_ns() + 10**12, Call("maintenance", "", "")
    assert [len(await storage.reap_connections(call, later, 3)) for _ in range(3)] == [3, 2, 0]


async def test_opening_a_connection_twice_is_harmless(storage: Storage) -> None:
    row = ConnectionRow("c1", ACCOUNT, "agent", "Ada", "token")
    for _ in range(2):
        assert await storage.open_connection(Call("connection.create", new_key(), ACCOUNT), row) == Done()
    assert (await storage.statistics(0)).connections == 1


async def test_one_key_makes_one_chat_and_one_message(storage: Storage) -> None:
    agent, customer, chat = await _chat(storage)
    assert (await customer.offer(chat))[1] == Done()
    key = new_key()
    answers = await asyncio.gather(*(customer.send(chat, "once", key) for _ in range(8)))
    assert sum(len(answer.events) for answer in answers) == 1  # type: ignore[union-attr]
    assert isinstance(await agent.close_chat(chat), Done)
    assert await customer.send(chat, "once", key) == Done(), "stored before the chat was closed"
    statistics = await storage.statistics(0)
    assert (statistics.messages, len(await _sequences(storage, QUEUE_TOPIC))) == (1, 2)


async def test_accepting_again_is_harmless(storage: Storage) -> None:
    agent, _, chat = await _chat(storage)
    first, again = await agent.accept(chat), await agent.accept(chat)
    assert isinstance(first, Accepted)
    assert len(first.events) == 2
    assert again == Accepted()


async def test_statistics_count_what_lives(storage: Storage) -> None:
    agent, customer, chat = await _chat(storage)
    await customer.offer()
    await agent.accept(chat)
    await customer.send(chat)
    await agent.close_chat(chat)
    await agent.subscribe(QUEUE_TOPIC)
    await customer.leave()
    s = await storage.statistics(0)
    assert (s.connections, s.subscriptions, s.chats, s.messages, s.orphans) == (1, 1, 1, 1, 0)


async def test_every_change_emits_its_transactions(storage: Storage, system: System) -> None:
    databases = storagenames.databases(storage.name)
    if not databases:
        pytest.skip("has no transactions")
    before = time.monotonic_ns()
    agent, customer, chat = await _chat(storage)
    await agent.subscribe(QUEUE_TOPIC)
    await agent.accept(chat)
    await customer.accept(chat)
    await customer.send(chat)
    await customer.close_chat(chat)
    await agent.unsubscribe(QUEUE_TOPIC)
    await agent.leave()
    await storage.touch_connections([customer.connection], time.time_ns())
    await storage.reap_connections(Call("maintenance", "", ""), 0, 1)
    await asyncio.sleep(0)
    changes = [
        ("connection.create", "committed"),
        ("connection.create", "committed"),
        ("chat.offer", "committed"),
        ("subscription.create", "committed"),
        ("chat.accept", "committed"),
        ("chat.accept", "rolled_back"),
        ("message.send", "committed"),
        ("chat.close", "committed"),
        ("subscription.delete", "committed"),
        ("connection.close", "committed"),
        ("maintenance", "committed"),
        ("maintenance", "committed"),
    ]
    assert {t.database for t in system.transactions} == set(databases)
    for database in databases:
        emitted = [t for t in system.transactions if t.database == database]
        # What the legacy side refused is not asked of the upgraded one.
        expected = [change for change in changes if database != "upgraded" or change[1] == "committed"]
        assert [(t.call.operation, t.outcome) for t in emitted] == expected
    for t in system.transactions:
        assert before <= (t.waiting_ns or t.begun_ns) <= t.begun_ns <= t.ended_ns <= time.monotonic_ns()
        assert t.outcome in TRANSACTION_OUTCOMES
        assert t.session > 0


async def test_settings_are_read_back(storage: Storage) -> None:
    settings = await storage.settings()
    assert all(isinstance(value, str) for value in settings.values())
    assert settings["engine"] == storagenames.parse(storage.name).engine
    if storage.promises.durable:
        assert settings["version"]
    expected = {
        "memory": {},
        "dual": {"starts_on": "dual", "when_upgraded_fails": "count"},
        "sqlite": {"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"},
        "mariadb": {
            "innodb_flush_log_at_trx_commit": "1",
            "innodb_doublewrite": "ON",
            "tx_isolation": "READ-COMMITTED",
        },
        "postgres": {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "default_transaction_isolation": "read committed",
        },
        "redis": {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"},
    }[settings["engine"]]
    assert {name: settings[name] for name in expected} == expected


async def test_stopping_lets_finish_what_is_under_way(storage: Storage) -> None:
    _, customer, chat = await _chat(storage)
    sending = [asyncio.create_task(customer.send(chat, str(n))) for n in range(6)]
    await asyncio.sleep(0)
    await storage.stop()
    assert all(isinstance(answer, Done) for answer in await asyncio.gather(*sending))


async def test_another_instance_sees_what_was_committed(storage: Storage, system: System) -> None:
    if not storage.promises.durable:
        pytest.skip("does not promise durability")
    agent, _, chat = await _chat(storage)
    await agent.subscribe(QUEUE_TOPIC)
    await agent.accept(chat)
    again = system.open()
    await again.start()
    try:
        resumed = await again.resume_connection(agent.call("connection.create"), agent.connection, "token", 0)
        assert isinstance(resumed, Resumed)
        assert resumed.topics == {QUEUE_TOPIC: 2}
        late = await sit_down(again, name="Grace")
        assert await late.accept(chat) == AlreadyAccepted("Ada")
    finally:
        await again.stop()
