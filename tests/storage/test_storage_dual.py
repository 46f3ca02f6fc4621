"""Two storage systems at once: what is written where, what is counted when they part, accounts that move under load."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from storage_systems import ACCOUNT, Desk, System, make_system, new_key, sit_down

from loadtests.accounts import Mode, bucket
from loadtests.pod.storage.contract import (
    Accepted,
    AlreadyAccepted,
    Call,
    Done,
    OutcomeUnknown,
    Resumed,
    StorageError,
    StorageRefusal,
    StorageUnavailable,
)
from loadtests.pod.storage.dual import moving
from loadtests.pod.storage.dual.storage import DualStorage
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Event
from loadtests.servers.contract import DatabaseServer

MAINTENANCE = Call("maintenance", "", "")


@pytest.fixture
def two_sides(redis_database: Any) -> System:
    """Redis twice: the two sides are two databases of one server."""
    legacy = redis_database.pod_dsn
    return System("dual(redis,redis)", dsns={"legacy": legacy, "upgraded": legacy.removesuffix("/0") + "/1"})


@pytest.fixture
def one_doomed(redis_database: Any, doomed_redis: DatabaseServer) -> System:
    """Redis twice: the upgraded side is a server that may be killed."""
    return System("dual(redis,redis)", dsns={"legacy": redis_database.pod_dsn, "upgraded": doomed_redis.pod_dsn})


@asynccontextmanager
async def started(system: System, starts_on: Mode = "dual") -> AsyncIterator[DualStorage]:
    storage = system.open(starts_on)
    assert isinstance(storage, DualStorage)
    await storage.start()
    try:
        yield storage
    finally:
        await storage.stop()


async def _on(storage: DualStorage, side: Any, topic: str = QUEUE_TOPIC, account: str = ACCOUNT) -> list[str]:
    return [event.kind for event in await storage.sides[side].events_after(account, topic, 0, 100)]


@pytest.mark.parametrize(
    ("starts_on", "on_legacy", "on_upgraded"), [("legacy", 1, 0), ("dual", 1, 1), ("upgraded", 0, 1)]
)
async def test_change_is_on_the_sides_of_its_mode(
    two_sides: System, starts_on: Mode, on_legacy: int, on_upgraded: int
) -> None:
    async with started(two_sides, starts_on) as storage:
        await (await sit_down(storage, "customer", "Bob")).offer()
        assert len(await _on(storage, "legacy")) == on_legacy
        assert len(await _on(storage, "upgraded")) == on_upgraded
        assert len(await storage.events_after(ACCOUNT, QUEUE_TOPIC, 0, 9)) == 1
        assert storage.progress() == {"modes": {starts_on: 1}, "divergences": {}}


async def test_what_legacy_refused_is_not_asked_of_upgraded(two_sides: System) -> None:
    async with started(two_sides) as storage:
        first, second, customer = await sit_down(storage), await sit_down(storage), await sit_down(storage, "customer")
        chat, _ = await customer.offer()
        assert isinstance(await first.accept(chat), Accepted)
        two_sides.transactions.clear()
        assert isinstance(await second.accept(chat), AlreadyAccepted)
        assert await second.unsubscribe("queue") is StorageRefusal.NOT_SUBSCRIBED
        assert {t.database for t in two_sides.transactions} == {"legacy"}
        assert storage.progress()["divergences"] == {}


async def test_reaping_closes_on_both_sides_and_sweeping_sweeps_both(two_sides: System) -> None:
    async with started(two_sides) as storage:
        silent, alive = await sit_down(storage), await sit_down(storage)
        await silent.subscribe("queue")
        later = time.time_ns() + 10**12
        await storage.touch_connections([alive.connection], later)
        assert list(await storage.reap_connections(MAINTENANCE, later, 10)) == [silent.connection]
        for side in storage.sides.values():
            statistics = await side.statistics(0)
            assert (statistics.connections, statistics.subscriptions) == (1, 0)
        await alive.subscribe("queue")
        assert await storage.sweep_orphans(MAINTENANCE, later + 1, 10) == 1
        assert [(await side.statistics(0)).subscriptions for side in storage.sides.values()] == [0, 0]


async def test_connection_reaped_on_legacy_is_closed_on_upgraded(
    two_sides: System,
) -> None:
    async with started(two_sides) as storage:
        agent = await sit_down(storage)
        await agent.subscribe("queue")
        later = time.time_ns() + 10**12
        await storage.sides["upgraded"].touch_connections([agent.connection], later + 5)
        assert list(await storage.reap_connections(MAINTENANCE, later, 10)) == [agent.connection]
        assert (await storage.sides["upgraded"].statistics(0)).connections == 0


async def test_rows_left_behind_are_reaped_without_events(two_sides: System) -> None:
    async with started(two_sides) as storage:
        agent = await sit_down(storage)
        await agent.subscribe("queue")
        await storage.move_accounts("upgraded", 100)
        later = time.time_ns() + 10**12
        await storage.touch_connections([agent.connection], later)
        assert list(await storage.reap_connections(MAINTENANCE, later, 10)) == []
        left, there = await storage.sides["legacy"].statistics(0), await storage.sides["upgraded"].statistics(0)
        assert (left.connections, left.subscriptions, there.connections, there.subscriptions) == (0, 0, 1, 1)


@pytest.mark.parametrize("policy", ["count", "fail"])
async def test_a_write_behind_its_back_is_seen(two_sides: System, policy: str) -> None:
    """The upgraded side has a message that the legacy one does not know, and a chat that was closed there."""
    two_sides.name += f":{policy}"
    async with started(two_sides) as storage:
        agent, customer = await sit_down(storage), await sit_down(storage, "customer", "Bob")
        chat, _ = await customer.offer()
        there = Desk(storage.sides["upgraded"], ACCOUNT, customer.connection, "Bob")
        await there.send(chat, "behind its back")
        with _policy(policy, "sequence_differs"):
            assert isinstance(await customer.send(chat), Done)
        await there.close_chat(chat)
        with _policy(policy, "second_refused"):
            assert isinstance(await agent.accept(chat), Accepted)
        assert storage.progress()["divergences"] == {"sequence_differs": 1, "second_refused": 1}
        legacy = await storage.sides["legacy"].events_after(ACCOUNT, chat_topic(chat), 0, 9)
        assert [e.kind for e in legacy] == ["message.sent", "chat.accepted"]
        moved = await storage.move_accounts("upgraded", 100)
        # In the chat's topic two events are others and one is too many, in the queue one is another.
        assert moved.diverged == {"messages": 1, "chats": 1, "topics": 1, "events": 4}
        assert await storage.sides["upgraded"].events_after(ACCOUNT, chat_topic(chat), 0, 9) == legacy
        assert storage.progress()["divergences"]["left_differs"] == moved.diverged.total()


@contextmanager
def _policy(policy: str, kind: str) -> Iterator[None]:
    """The answer stands, or the caller learns that it is not the whole truth."""
    if policy == "count":
        yield
        return
    with pytest.raises(OutcomeUnknown, match=rf"made on the legacy side, not on the upgraded one \({kind}\)"):
        yield


@pytest.mark.parametrize("policy", ["count", "fail"])
async def test_an_upgraded_side_killed_amid_load_is_counted_and_made_equal_when_it_takes_over(
    one_doomed: System, doomed_redis: DatabaseServer, policy: str
) -> None:
    one_doomed.name += f":{policy}"
    async with started(one_doomed) as storage:
        crowd = Crowd(storage, accounts=2, clients=16)
        async with crowd.at_work():
            await crowd.has_sent(50)
            await asyncio.to_thread(doomed_redis.kill)
            await crowd.has_failed(20) if policy == "fail" else await crowd.has_sent(100)
            await asyncio.to_thread(doomed_redis.start)
        assert {type(error) for error in crowd.failed} <= {OutcomeUnknown}
        assert bool(crowd.failed) is (policy == "fail")
        found = storage.progress()["divergences"]
        assert found.keys() & {"second_failed", "second_unknown"}
        moved = await storage.move_accounts("upgraded", 100)
        assert moved.diverged["chats"] > 0
        await crowd.assert_nothing_lost()
    assert all(kind in KINDS for kind in found)


KINDS = {"second_failed", "second_unknown", "second_refused", "answers_differ", "sequence_differs", "first_unknown"}


async def test_accounts_go_back_while_the_upgraded_side_is_dead(
    one_doomed: System, doomed_redis: DatabaseServer
) -> None:
    async with started(one_doomed) as storage:
        customer = await sit_down(storage, "customer", "Bob")
        await asyncio.to_thread(doomed_redis.kill)
        moved = await storage.move_accounts("legacy", 100)
        assert (moved.accounts, moved.copied_rows, moved.diverged) == (1, 0, {"unread": 1})
        counted = dict(storage.progress()["divergences"])
        _, answer = await customer.offer()
        assert isinstance(answer, Done)
        await storage.touch_connections([customer.connection], time.time_ns())
        assert list(await storage.reap_connections(MAINTENANCE, 0, 10)) == []
        assert storage.progress()["divergences"] == counted, "a side that serves no account cannot diverge"


async def test_a_stalled_upgraded_side_is_not_waited_for_for_ever(
    one_doomed: System, doomed_redis: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "UPGRADED_WITHIN_S", 0.2)
    async with started(one_doomed) as storage:
        customer = await sit_down(storage, "customer", "Bob")
        doomed_redis.pause()
        assert isinstance((await customer.offer())[1], Done)
        assert storage.progress()["divergences"] == {"second_unknown": 1}
        await storage.touch_connections([customer.connection], time.time_ns())
        assert storage.progress()["divergences"] == {"second_unknown": 1, "second_failed": 1}
        assert (await storage.move_accounts("legacy", 100)).diverged == {"unread": 1}
        assert isinstance((await customer.offer())[1], Done)
        doomed_redis.resume()


async def test_a_move_that_fails_leaves_the_account_where_it_was_and_goes_on_when_asked_again(
    one_doomed: System, doomed_redis: DatabaseServer
) -> None:
    async with started(one_doomed, "legacy") as storage:
        customer = await sit_down(storage, "customer", "Bob")
        await asyncio.to_thread(doomed_redis.kill)
        with pytest.raises(StorageUnavailable, match="0 accounts were moved, then account-0001 was not: Redis"):
            await storage.move_accounts("dual", 100)
        assert isinstance((await customer.offer())[1], Done)
        assert storage.progress() == {"modes": {"legacy": 1}, "divergences": {}}
        await asyncio.to_thread(doomed_redis.start)
        assert (await storage.move_accounts("dual", 100)).accounts == 1
        assert isinstance((await customer.offer())[1], Done)
        assert await _on(storage, "upgraded") == ["chat.offered"] * 2


async def test_calls_wait_while_their_account_moves_and_others_do_not(two_sides: System) -> None:
    async with started(two_sides, "legacy") as storage:
        customer, other = await sit_down(storage, "customer"), await sit_down(storage, account="account-0002")
        legacy = storage.sides["legacy"]
        copying, go_on, copy = asyncio.Event(), asyncio.Event(), legacy.copy_account

        async def slow(account: str) -> Any:
            copying.set()
            await go_on.wait()
            return await copy(account)

        legacy.copy_account = slow  # type: ignore[method-assign]
        share = bucket(ACCOUNT) + 0.01
        assert bucket(other.account) < bucket(ACCOUNT), "the other one is moved as well, but later"
        moving = asyncio.create_task(storage.move_accounts("upgraded", share))
        await copying.wait()
        offer = asyncio.create_task(customer.offer())
        assert await other.subscribe("queue")
        later = time.time_ns() + 10**12
        await storage.touch_connections([customer.connection], later)
        assert not offer.done()
        go_on.set()
        await moving
        assert isinstance((await offer)[1], Done)
        assert (await _on(storage, "legacy"), await _on(storage, "upgraded")) == ([], ["chat.offered"])
        seen = (await storage.sides["upgraded"].copy_account(ACCOUNT)).connections[0].seen_at
        assert seen > later - 10**12, "a connection that was active during the move is not silent after it"


async def test_an_account_that_was_not_seen_yet_follows_when_it_is(two_sides: System) -> None:
    async with started(two_sides, "legacy") as storage:
        agent = await sit_down(storage)
        await agent.subscribe("queue")
    async with started(two_sides, "legacy") as storage:
        await storage.move_accounts("upgraded", 100)
        assert storage.progress()["modes"] == {}
        resumed = await storage.resume_connection(agent.call("connection.create"), agent.connection, "token", 0)
        assert isinstance(resumed, Resumed)
        assert storage.progress()["modes"] == {"upgraded": 1}
        assert (await storage.statistics(0)).subscriptions == 1


async def test_a_cancelled_caller_does_not_stop_between_the_sides(two_sides: System) -> None:
    async with started(two_sides) as storage:
        customer = await sit_down(storage, "customer", "Bob")
        chat, _ = await customer.offer()
        sending = [asyncio.create_task(customer.send(chat)) for _ in range(8)]
        await asyncio.sleep(0)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        moved = await storage.move_accounts("legacy", 100)
        assert moved.diverged.keys() <= {"events"}, "at most another order"
        assert len((await storage.copy_account(ACCOUNT)).messages) == 8


async def test_shares_of_accounts(two_sides: System) -> None:
    async with started(two_sides, "legacy") as storage:
        names = [f"account-{n:04}" for n in range(1, 13)]
        for name in names:
            await sit_down(storage, account=name)
        for share in (25, 50, 100, 60, 0):
            moved = await storage.move_accounts("dual", share)
            among = sum(bucket(name) < share for name in names)
            assert storage.progress()["modes"].get("dual", 0) == among
            assert abs(among - 12 * share / 100) <= 1
            assert moved.accounts == {25: 3, 50: 3, 100: 6, 60: 5, 0: 7}[share]
        newcomer = await sit_down(storage, account="account-0099")
        await newcomer.subscribe("queue")
        assert storage.progress()["modes"] == {"legacy": 13}


class Crowd:
    """Clients of several accounts at work: each offers chats, which two agents race for, and talks in them. Keeps
    what was acknowledged."""

    def __init__(self, storage: DualStorage, accounts: int, clients: int) -> None:
        self.storage = storage
        self.accounts = [f"account-{n:04}" for n in range(1, accounts + 1)]
        self.winners: dict[tuple[str, str], str] = {}
        self.messages: list[tuple[str, str]] = []
        self.events: list[Event] = []
        self.failed: list[StorageError] = []
        self._clients = clients
        self._done = False

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        work = [asyncio.create_task(self._work(self.accounts[n % len(self.accounts)])) for n in range(self._clients)]
        try:
            yield
        finally:
            self._done = True
            await asyncio.gather(*work)

    async def has_sent(self, more: int) -> None:
        await self._grows(self.messages, more)

    async def has_failed(self, more: int) -> None:
        await self._grows(self.failed, more)

    async def _grows(self, what: Sequence[Any], more: int) -> None:
        enough = len(what) + more
        async with asyncio.timeout(60):
            while len(what) < enough:  # noqa: ASYNC110  no notification
                await asyncio.sleep(0.005)

    async def _work(self, account: str) -> None:
        people = [await sit_down(self.storage, role, account=account) for role in ("customer", "agent", "agent")]
        while not self._done:
            with self._failing():
                await self._converse(*people)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            self.failed.append(error)

    async def _converse(self, customer: Desk, *agents: Desk) -> None:
        chat, offered = await customer.offer()
        self._record(offered)
        for answer in await asyncio.gather(*(self._accept(agent, chat) for agent in agents), return_exceptions=True):
            if isinstance(answer, StorageError):
                raise answer
        for who in (customer, agents[0]):
            key = new_key()
            self._record(await who.send(chat, "hello", key))
            self.messages.append((customer.account, key))

    async def _accept(self, agent: Desk, chat: str) -> None:
        answer = await agent.accept(chat)
        if isinstance(answer, Accepted):
            assert self.winners.setdefault((agent.account, chat), agent.connection) == agent.connection
            self._record(answer)

    def _record(self, answer: Any) -> None:
        assert isinstance(answer, Done | Accepted), answer
        self.events += answer.events

    async def assert_nothing_lost(self) -> None:
        """Every acknowledged message, winner and event is there, under the acknowledged number; none is left out."""
        copies = {account: await self.storage.copy_account(account) for account in self.accounts}
        stored = {(account, m.key) for account, copy in copies.items() for m in copy.messages}
        assert set(self.messages) <= stored
        winners = {(account, c.id): c.accepted_by for account, copy in copies.items() for c in copy.chats}
        assert self.winners.items() <= winners.items()
        events = {event for copy in copies.values() for event in copy.events}
        acknowledged = {replace(event, published_ns=0) for event in self.events}
        assert acknowledged <= {replace(event, published_ns=0) for event in events}
        for copy in copies.values():
            for topic in copy.topics:
                numbers = sorted(event.sequence for event in copy.events if event.topic == topic.topic)
                assert numbers == list(range(1, topic.head + 1))


ROUTE: tuple[tuple[Mode, float], ...] = (
    ("dual", 25),
    ("dual", 100),
    ("upgraded", 50),
    ("upgraded", 100),
    ("dual", 60),
    ("dual", 100),
    ("legacy", 100),
)


@pytest.fixture(
    params=[
        "dual(memory,memory)",
        "dual(sqlite,postgres:optimistic)",
        "dual(mariadb:optimistic,redis)",
    ]
)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> System:
    return make_system(request, request.param, tmp_path)


async def test_accounts_that_move_under_load_lose_nothing(pair: System) -> None:
    await _there_and_back(pair)


async def _there_and_back(system: System) -> None:
    async with started(system, "legacy") as storage:
        crowd = Crowd(storage, accounts=4, clients=64)
        async with crowd.at_work():
            for to, share in ROUTE:
                await crowd.has_sent(100)
                await storage.move_accounts(to, share)
                expected = Counter(storage._calls.accounts.plan.mode(account) for account in crowd.accounts)
                assert storage.progress()["modes"] == expected
            await crowd.has_sent(100)
        assert crowd.failed == []
        assert storage.progress()["modes"] == {"legacy": 4}
        await crowd.assert_nothing_lost()
        await storage.move_accounts("upgraded", 100)
        await crowd.assert_nothing_lost()


async def test_neither_side_is_left_started_when_one_cannot_be(redis_database: Any) -> None:
    dsns = {"legacy": redis_database.pod_dsn, "upgraded": "redis://127.0.0.1:1/0"}
    storage = System("dual(redis,redis)", dsns=dsns).open()
    with pytest.raises(StorageUnavailable, match="upgraded: Redis cannot be reached"):
        await storage.start()
    with pytest.raises(StorageUnavailable, match="not started"):
        await sit_down(storage)
