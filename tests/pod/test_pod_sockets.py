"""The pod over real sockets: what it promises to clients, and what it does to those that misbehave."""

import asyncio
from typing import NoReturn

import pytest
from pods import ACCOUNT, OTHER, SECRET, Client, new_key, running
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from loadtests.accounts import token_for
from loadtests.pod.limits import Limits
from loadtests.pod.storage.contract import OutcomeUnknown, StorageConflict, StorageUnavailable

SHORT = Limits(resume_within_s=0.3, touch_every_s=0.05, reap_every_s=0.05, greeting_within_s=0.3)


async def test_of_many_concurrent_accepts_one_wins() -> None:
    async with running() as pod:
        agents = [await Client.sit_down(pod, name=f"Agent {n}") for n in range(20)]
        customer = await Client.sit_down(pod, "customer", "Bob")
        chat = await customer.offer()
        answers = await asyncio.gather(*(agent.ask("chat.accept", chat=chat) for agent in agents))
        won = [f"Agent {n}" for n, answer in enumerate(answers) if answer["outcome"] == "ok"]
        lost = [(a["outcome"], a["error"], a["winner"]) for a in answers if a["outcome"] != "ok"]
        assert len(won) == 1
        assert lost == [("refused", "already_accepted", won[0])] * 19


async def test_subscriber_gets_all_later_events_in_order() -> None:
    async with running() as pod:
        customers = [await Client.sit_down(pod, "customer", f"Customer {n}") for n in range(5)]
        await customers[0].offer()
        agent = await Client.sit_down(pod)
        flood = asyncio.gather(*(customer.offer() for customer in customers for _ in range(1)))
        reported = (await agent.ask("subscription.create", topic="queue"))["sequence"]
        await flood
        await customers[0].offer()
        numbers = [(await agent.next_event())["sequence"] for _ in range(reported + 1, 8)]
        assert numbers == list(range(reported + 1, 8))


async def test_a_whole_conversation_reaches_both() -> None:
    async with running() as pod:
        agent, customer = await Client.sit_down(pod), await Client.sit_down(pod, "customer", "Bob")
        await agent.ask("subscription.create", topic="queue")
        chat = new_key()
        await customer.ask("subscription.create", topic=f"chat/{chat}")
        await customer.ask("chat.offer", chat, subject="help")
        assert (await agent.next_event())["kind"] == "chat.offered"
        await agent.ask("chat.accept", chat=chat)
        key = (await customer.ask("message.send", chat=chat, text="grüß dich ✨"))["key"]
        await agent.ask("chat.close", chat=chat)
        events = [await customer.next_event() for _ in range(3)]
        assert [(e["sequence"], e["kind"], e["by"], e["text"]) for e in events] == [
            (1, "chat.accepted", "Ada", ""),
            (2, "message.sent", "Bob", "grüß dich ✨"),
            (3, "chat.closed", "Ada", ""),
        ]
        assert events[1]["key"] == key
        assert (await customer.ask("message.send", chat=chat, text="too late"))["error"] == "chat_closed"


async def test_another_accounts_chat_can_be_neither_seen_nor_accepted() -> None:
    async with running() as pod:
        customer = await Client.sit_down(pod, "customer", "Bob")
        spy = await Client.sit_down(pod, name="Eve", account=OTHER)
        await spy.ask("subscription.create", topic="queue")
        chat = await customer.offer()
        await spy.ask("subscription.create", topic=f"chat/{chat}")
        assert (await spy.ask("chat.accept", chat=chat))["error"] == "no_such_chat"
        assert (await spy.ask("message.send", chat=chat, text="hello"))["error"] == "no_such_chat"
        await customer.ask("message.send", chat=chat, text="secret")
        assert (await spy.ask("heartbeat"))["outcome"] == "ok"
        assert spy.events == []


async def test_the_queue_is_for_agents() -> None:
    async with running() as pod:
        customer = await Client.sit_down(pod, "customer", "Bob")
        assert (await customer.ask("subscription.create", topic="queue"))["error"] == "forbidden"


@pytest.mark.parametrize(
    "frame",
    [
        b"garbage",
        b"\xff\xfe\xfd",
        b"[]",
        b"{}",
        b'{"type":"heartbeat"}',
        b'{"type":"heartbeat","key":"1"}',
        b'{"type":"dance","key":"0000000000000001"}',
        b'{"type":"message.send","key":"0000000000000001","chat":7,"text":"x"}',
        b'{"type":"message.send","key":"0000000000000001","chat":"0000000000000001","text":"\\u0000"}',
        b"[" * 20_000,
    ],
)
async def test_frames_that_are_no_requests_are_answered_and_the_websocket_closed(frame: bytes) -> None:
    async with running() as pod:
        client = await Client.sit_down(pod)
        await client.websocket.send(frame, text=False)
        code, answers = await client.closed()
        assert code == 1008
        assert [(a["outcome"], a["error"]) for a in answers] == [("fail", "bad_request")]
        assert answers[0]["detail"]


async def test_fields_that_are_wrong_are_answered_and_the_connection_goes_on() -> None:
    async with running(Limits(max_text_bytes=100)) as pod:
        client = await Client.sit_down(pod)
        chat = await client.offer()
        assert (await client.ask("subscription.create", topic="Queue!"))["error"] == "bad_request"
        assert (await client.ask("subscription.create", topic="chat/7"))["error"] == "bad_request"
        assert (await client.ask("chat.accept", chat="../../etc"))["error"] == "bad_request"
        assert (await client.ask("message.send", chat=chat, text="ü" * 51))["error"] == "message_too_big"
        assert (await client.ask("message.send", chat=chat, text="ü" * 50))["outcome"] == "ok"
        assert (await client.ask("subscription.delete", topic="queue"))["error"] == "not_subscribed"
        assert (await client.ask("connection.create", token="x", role="agent", name="Ada"))["error"] == "bad_request"


async def test_first_request_must_create_or_resume() -> None:
    async with running() as pod:
        client = await Client.open(pod)
        assert (await client.ask("heartbeat"))["error"] == "bad_request"
        assert (await client.closed())[0] == 1008


@pytest.mark.parametrize("token", ["", "account-0001", "account-0001.00", token_for(ACCOUNT, "another-secret"), "ü.ü"])
async def test_wrong_token_is_unauthorized(token: str) -> None:
    async with running() as pod:
        client = await Client.open(pod)
        answer = await client.ask("connection.create", token=token, role="agent", name="Eve")
        assert (answer["outcome"], answer["error"]) == ("fail", "unauthorized")
        assert (await client.closed())[0] == 1008
        assert (await pod.storage.statistics(0)).connections == 0


async def test_huge_frame_closes_with_1009() -> None:
    async with running() as pod:
        client = await Client.sit_down(pod)
        await client.websocket.send("x" * (pod.service.limits.max_message_bytes + 1))
        assert (await client.closed())[0] == 1009


async def test_more_subscriptions_than_allowed_are_refused() -> None:
    async with running(Limits(max_subscriptions=2)) as pod:
        agent = await Client.sit_down(pod)
        answers = [await agent.ask("subscription.create", topic=f"agent/{n}") for n in range(3)]
        assert [a["error"] for a in answers] == ["", "", "too_many_subscriptions"]


async def test_silent_websocket_is_closed() -> None:
    async with running(SHORT) as pod:
        assert (await (await Client.open(pod)).closed())[0] == 1008


async def test_slow_consumer_is_closed_and_delays_no_other() -> None:
    async with running(Limits(max_backlog_bytes=50_000, close_within_s=0.3)) as pod:
        slow, quick = await Client.sit_down(pod, name="Slow"), await Client.sit_down(pod, name="Quick")
        customer = await Client.sit_down(pod, "customer", "Bob")
        chat = await customer.offer()
        for agent in (slow, quick):
            await agent.ask("subscription.create", topic=f"chat/{chat}")
        slow.websocket.transport.pause_reading()
        sent = 0
        while not pod.server.slow_consumers:
            answer = await customer.ask("message.send", chat=chat, text="x" * 16_000)
            assert answer["outcome"] == "ok"
            sent += 1
            assert (await quick.next_event())["sequence"] == sent
            assert sent < 2_000, "nothing was ever held up"
        slow.websocket.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            while True:
                await slow.receive()
        assert slow.websocket.close_code in {1013, 1006}, (
            "closed with a reason, unless its buffers stayed full for too long"
        )
        assert (await quick.ask("heartbeat"))["outcome"] == "ok"


async def test_silent_connection_is_reaped_with_its_subscriptions() -> None:
    async with running(SHORT) as pod:
        agent = await Client.sit_down(pod)
        await agent.ask("subscription.create", topic="queue")
        assert (await agent.closed())[0] == 1008
        statistics = await pod.storage.statistics(0)
        assert (statistics.connections, statistics.subscriptions) == (0, 0)
        _, answer = await agent.resume(pod)
        assert answer["error"] == "no_such_connection"


async def test_who_created_nothing_is_closed_also_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stalled(*_: object) -> None:
        await asyncio.sleep(2 * SHORT.greeting_within_s)
        raise StorageUnavailable("gone")

    monkeypatch.setattr("loadtests.pod.server._HURRY_AGAIN_S", 0.05)
    async with running(SHORT) as pod:
        monkeypatch.setattr(pod.storage, "open_connection", stalled)
        client = await Client.open(pod)
        answer = await client.ask("connection.create", token=token_for(ACCOUNT, SECRET), role="agent", name="Ada")
        assert answer["error"] == "storage_unavailable"
        assert (await client.closed())[0] == 1008


async def test_heartbeats_keep_a_connection() -> None:
    limits = Limits(resume_within_s=1.5, touch_every_s=0.05, reap_every_s=0.05)
    async with running(limits) as pod:
        agent = await Client.sit_down(pod)
        for _ in range(12):
            await asyncio.sleep(limits.silent_s / 8)
            assert (await agent.ask("heartbeat"))["outcome"] == "ok"
        assert pod.service.reaped == 0


async def test_lost_websocket_can_be_resumed_and_what_was_missed_is_replayed() -> None:
    async with running() as pod:
        agent, customer = await Client.sit_down(pod), await Client.sit_down(pod, "customer", "Bob")
        await agent.ask("subscription.create", topic="queue")
        await customer.offer()
        assert (await agent.next_event())["sequence"] == 1
        agent.cut()
        for _ in range(3):
            await customer.offer()
        again, answer = await agent.resume(pod, queue=1)
        assert (answer["outcome"], answer["topics"]) == ("ok", {"queue": 4})
        assert [event["sequence"] for event in again.events] == [2, 3, 4]
        await customer.offer()
        again.events.clear()
        assert (await again.next_event())["sequence"] == 5


async def test_resume_needs_the_connections_own_token() -> None:
    async with running() as pod:
        agent = await Client.sit_down(pod)
        agent.created = {**agent.created, "resume_token": "wrong"}
        _, answer = await agent.resume(pod)
        assert (answer["outcome"], answer["error"]) == ("fail", "no_such_connection")


async def test_resuming_takes_over_from_a_websocket_that_hangs() -> None:
    async with running() as pod:
        agent, customer = await Client.sit_down(pod), await Client.sit_down(pod, "customer", "Bob")
        await agent.ask("subscription.create", topic="queue")
        again, _ = await agent.resume(pod)
        assert (await agent.closed())[0] == 1008
        await customer.offer()
        assert (await again.next_event())["sequence"] == 1


async def test_closing_leaves_nothing() -> None:
    async with running() as pod:
        agent = await Client.sit_down(pod)
        await agent.ask("subscription.create", topic="queue")
        assert (await agent.ask("connection.close"))["outcome"] == "ok"
        assert (await agent.closed())[0] == 1000
        statistics = await pod.storage.statistics(0)
        assert (statistics.connections, statistics.subscriptions, len(pod.service.topics)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("trouble", "outcome", "error"),
    [
        (StorageUnavailable("away"), "fail", "storage_unavailable"),
        (StorageConflict("given up"), "fail", "storage_conflict"),
        (OutcomeUnknown("lost"), "unknown", "cut_off"),
        (RuntimeError("a bug"), "fail", "internal"),
    ],
)
async def test_storage_errors_are_reported_as_they_are(trouble: Exception, outcome: str, error: str) -> None:
    async with running() as pod:
        agent = await Client.sit_down(pod)

        async def broken(*_: object) -> NoReturn:
            raise trouble

        pod.storage.offer_chat = pod.storage.subscribe = broken  # type: ignore[method-assign]
        for answer in (await agent.ask("chat.offer", subject="x"), await agent.ask("subscription.create", topic="a")):
            assert (answer["outcome"], answer["error"]) == (outcome, error)
        assert len(pod.service.topics) == 0, "who was not subscribed is in no topic"
        assert (await agent.ask("heartbeat"))["outcome"] == "ok"


async def test_drain_refuses_what_is_new_and_closes_with_1001() -> None:
    async with running() as pod:
        agent, newcomer = await Client.sit_down(pod), await Client.open(pod)
        pod.service.draining = True
        assert (await agent.ask("heartbeat"))["error"] == "draining"
        answer = await newcomer.ask("connection.create", token=token_for(ACCOUNT, SECRET), role="agent", name="Ada")
        assert (answer["outcome"], answer["error"]) == ("refused", "draining")
        closed, finished = await asyncio.gather(agent.closed(), pod.server.drain())
        assert (closed[0], finished) == (1001, True)


async def test_drain_lets_what_is_under_way_finish() -> None:
    async with running() as pod:
        customer = await Client.sit_down(pod, "customer", "Bob")
        offer, go = pod.storage.offer_chat, asyncio.Event()

        async def held_up(*arguments: object) -> object:
            await go.wait()
            return await offer(*arguments)  # type: ignore[arg-type]

        pod.storage.offer_chat = held_up  # type: ignore[method-assign, assignment]
        asking = asyncio.create_task(customer.ask("chat.offer", subject="help"))
        while not any(visit.under_way for visit in pod.server._visits):  # noqa: ASYNC110  there is no event
            await asyncio.sleep(0)
        draining = asyncio.create_task(pod.server.drain())
        await asyncio.sleep(0)
        go.set()
        assert (await asking)["outcome"] == "ok"
        assert await draining


async def test_a_handshake_without_the_subprotocol_is_rejected() -> None:
    async with running() as pod:
        with pytest.raises(InvalidStatus, match="400"):
            await connect(pod.url)
