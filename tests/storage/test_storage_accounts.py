"""An account is copied, replaced and swept, on every storage system and from one to another."""

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from storage_systems import ACCOUNT, System, sit_down

from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    Call,
    Done,
    Resumed,
    Storage,
    StoredConnection,
    StoredSubscription,
    Subscribed,
)
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic

OTHER = "account-0002"
MAINTENANCE = Call("maintenance", "", "")
LATER_NS = 10**12


def _call(account: str = ACCOUNT) -> Call:
    return Call("maintenance", "", account)


async def _furnish(storage: Storage, account: str = ACCOUNT) -> None:
    """One of everything: open and closed connections, chats in every state, messages, a subscription."""
    agent = await sit_down(storage, "agent", "Ada 'the \\ \"quick\"' Ünïcode 🎈", account)
    customer = await sit_down(storage, "customer", "Bob", account)
    gone = await sit_down(storage, "customer", "Eve", account)
    for n in range(3):
        chat, _ = await customer.offer(subject=f"subject {n}\n%s $1 /* */ --")
        await agent.subscribe(chat_topic(chat))
        if n:
            await agent.accept(chat)
            await customer.send(chat, "line one\nline two \\ ' \" ; $2 %d")
        if n == 2:
            await agent.close_chat(chat)
    await agent.subscribe(QUEUE_TOPIC)
    await gone.leave()


async def test_copy_of_nothing_is_empty(storage: Storage) -> None:
    assert await storage.copy_account(ACCOUNT) == AccountCopy(ACCOUNT)


async def test_copy_holds_all_there_is_of_the_account_and_nothing_else(storage: Storage) -> None:
    await _furnish(storage)
    await _furnish(storage, OTHER)
    copy = await storage.copy_account(ACCOUNT)
    assert [(c.role, c.closed_at is None) for c in sorted(copy.connections, key=lambda c: c.opened_at)] == [
        ("agent", True),
        ("customer", True),
        ("customer", False),
    ]
    assert sorted(chat.state for chat in copy.chats) == ["accepted", "closed", "offered"]
    assert {chat.accepted_by is None for chat in copy.chats if chat.state == "offered"} == {True}
    assert len(copy.messages) == 2
    assert len(copy.subscriptions) == 4
    heads = {topic.topic: topic.head for topic in copy.topics}
    numbers = defaultdict(list)
    for event in copy.events:
        assert event.account == ACCOUNT
        numbers[event.topic].append(event.sequence)
    assert {topic: list(range(1, head + 1)) for topic, head in heads.items() if head} == dict(numbers)
    assert heads[QUEUE_TOPIC] == 6


async def test_replacing_makes_the_account_equal_to_the_copy(storage: Storage) -> None:
    await _furnish(storage)
    await _furnish(storage, OTHER)
    before, other = await storage.copy_account(ACCOUNT), await storage.copy_account(OTHER)
    await _furnish(storage)
    agent = await sit_down(storage)
    assert isinstance(await agent.accept(next(c.id for c in before.chats if c.state == "offered")), Accepted)
    assert await storage.copy_account(ACCOUNT) != before
    for _ in range(2):
        await storage.replace_account(_call(), before)
        assert await storage.copy_account(ACCOUNT) == before
    assert await storage.copy_account(OTHER) == other
    await storage.replace_account(_call(), AccountCopy(ACCOUNT))
    assert await storage.copy_account(ACCOUNT) == AccountCopy(ACCOUNT)


async def test_work_goes_on_where_the_copy_was_made(storage: Storage, tmp_path: Path) -> None:
    """From a storage of another kind: its clients resume, and numbers go on without a gap."""
    async with System("sqlite", str(tmp_path / "source.db")).started() as source:
        agent, customer = await sit_down(source), await sit_down(source, "customer", "Bob")
        await agent.subscribe(QUEUE_TOPIC)
        taken, open_chat = (await customer.offer())[0], (await customer.offer())[0]
        await agent.accept(taken)
        copy = await source.copy_account(ACCOUNT)
    await storage.replace_account(_call(), copy)
    assert await storage.copy_account(ACCOUNT) == copy
    agent, customer = replace(agent, storage=storage), replace(customer, storage=storage)
    resumed = await storage.resume_connection(agent.call("connection.create"), agent.connection, "token", 0)
    assert isinstance(resumed, Resumed)
    assert resumed.topics == {QUEUE_TOPIC: 3}
    late = await sit_down(storage, name="Grace")
    assert await late.accept(taken) == AlreadyAccepted("Ada")
    answer = await agent.accept(open_chat)
    assert isinstance(answer, Accepted)
    assert {event.topic: event.sequence for event in answer.events} == {QUEUE_TOPIC: 4, chat_topic(open_chat): 1}
    assert isinstance(await customer.send(taken), Done)
    assert await agent.leave() == Done()


async def test_an_account_goes_from_system_to_system_and_comes_back_the_same(storage: Storage, tmp_path: Path) -> None:
    await _furnish(storage)
    before = await storage.copy_account(ACCOUNT)
    async with (
        System("sqlite", str(tmp_path / "other.db")).started() as other,
        System("memory", None).started() as third,
    ):
        for to in (other, third, other, storage):
            await to.replace_account(_call(), before)
            assert await to.copy_account(ACCOUNT) == before


async def test_many_rows_are_carried_over(storage: Storage) -> None:
    account = AccountCopy(
        ACCOUNT,
        tuple(StoredConnection(f"c{n:05}", "agent", f"Agent {n}", "d" * 64, n, n, n or None) for n in range(1_200)),
    )
    await storage.replace_account(_call(), account)
    assert await storage.copy_account(ACCOUNT) == account


async def test_a_copy_is_of_one_moment(storage: Storage) -> None:
    """While chats are offered, no copy has an event without its chat, or a number that its topic has not reached."""
    customer = await sit_down(storage, "customer", "Bob")
    done = asyncio.Event()

    async def offer() -> None:
        for _ in range(60):
            await customer.offer()
        done.set()

    offering, copies = asyncio.create_task(offer()), 0
    while not done.is_set() or not copies:
        copy = await storage.copy_account(ACCOUNT)
        heads = {topic.topic: topic.head for topic in copy.topics}
        assert len(copy.chats) == len(copy.events) == heads.get(QUEUE_TOPIC, 0)
        copies += 1
        await asyncio.sleep(0)
    await offering


async def _orphan(storage: Storage, connection: StoredConnection, topics: int) -> None:
    """Subscriptions of a connection that is closed, as a storage without locks would leave them."""
    copy = await storage.copy_account(ACCOUNT)
    subscriptions = tuple(StoredSubscription(connection.id, f"agent/topic-{n}", 1) for n in range(topics))
    await storage.replace_account(
        _call(), replace(copy, connections=(*copy.connections, connection), subscriptions=subscriptions)
    )


async def test_sweeping_removes_orphans_up_to_its_limit_and_nothing_else(storage: Storage) -> None:
    agent, silent = await sit_down(storage), await sit_down(storage, account=OTHER)
    for n in range(5):
        await agent.subscribe(f"agent/topic-{n}")
    now = time.time_ns()
    closed = StoredConnection("gone", "agent", "Eve", "d" * 64, now, now, now)
    await _orphan(storage, closed, 5)
    await agent.subscribe(QUEUE_TOPIC)
    await silent.subscribe(QUEUE_TOPIC)
    assert (await storage.statistics(0)).orphans == 5
    assert [await storage.sweep_orphans(MAINTENANCE, 0, 3) for _ in range(3)] == [3, 2, 0]
    later = time.time_ns() + LATER_NS
    await storage.touch_connections([agent.connection], later)
    assert (await storage.statistics(later)).orphans == 1
    assert await storage.sweep_orphans(MAINTENANCE, later, 10) == 1
    statistics = await storage.statistics(later)
    assert (statistics.subscriptions, statistics.orphans, statistics.connections) == (1, 0, 2)
    assert await agent.subscribe(QUEUE_TOPIC) == Subscribed(0)


async def test_sweeping_while_others_work_takes_nothing_of_theirs(storage: Storage) -> None:
    agents = [await sit_down(storage, name=f"Agent {n}") for n in range(8)]

    async def work(n: int) -> None:
        for topic in range(4):
            await agents[n].subscribe(f"agent/topic-{topic}")
            await agents[n].unsubscribe(f"agent/topic-{topic}") if topic % 2 else None

    async def sweep() -> int:
        return sum([await storage.sweep_orphans(MAINTENANCE, 0, 100) for _ in range(10)])

    swept, *_ = await asyncio.gather(sweep(), *map(work, range(8)))
    statistics = await storage.statistics(0)
    assert (swept, statistics.subscriptions, statistics.orphans) == (0, 16, 0)


async def test_what_was_read_before_a_replacement_does_not_hold_after_it(storage: Storage) -> None:
    """Accepts and replacements at the same time: the chat has one winner, or is open again, never half of both."""
    if not storage.promises.no_orphans:
        pytest.skip("nothing keeps the two apart without locks: a dual storage does, by its gate")
    agent, customer = await sit_down(storage), await sit_down(storage, "customer", "Bob")
    chat, _ = await customer.offer()
    before = await storage.copy_account(ACCOUNT)
    await asyncio.gather(*(agent.accept(chat) for _ in range(4)), storage.replace_account(_call(), before))
    (now,) = (await storage.copy_account(ACCOUNT)).chats
    kinds = [event.kind for event in await storage.events_after(ACCOUNT, QUEUE_TOPIC, 0, 9)]
    assert (now.state, kinds) in (
        ("accepted", ["chat.offered", "chat.accepted"]),
        ("offered", ["chat.offered"]),
    )
