"""Clients that go away for good, those that are only lost, and what a departure in mid-subscribe leaves where nothing
locks."""

import asyncio
from typing import Any

import pytest
from pods import CONTROL, SECRET, Client, running

from loadtests.pod.application import PodApplication, Secrets, Settings
from loadtests.pod.storage.contract import StorageUnavailable

GOING_AWAY = 1001


async def _holds(pod: PodApplication, connections: int, subscriptions: int) -> None:
    """Returns when the storage holds so many."""
    async with asyncio.timeout(10):
        while True:
            held = await pod.storage.statistics(0)
            if (held.connections, held.subscriptions) == (connections, subscriptions):
                return
            await asyncio.sleep(0.02)


async def test_who_goes_away_is_closed_at_once() -> None:
    async with running() as pod:
        client = await Client.sit_down(pod)
        await client.ask("subscription.create", topic="queue")
        await client.websocket.close(GOING_AWAY)
        await _holds(pod, 0, 0)
        assert not pod.service.sessions
        assert len(pod.service.topics) == 0


@pytest.mark.parametrize("code", [1000, 4000])
async def test_who_closes_otherwise_may_resume(code: int) -> None:
    async with running() as pod:
        client = await Client.sit_down(pod)
        await client.ask("subscription.create", topic="queue")
        await client.websocket.close(code)
        _, answer = await client.resume(pod)
        assert answer["outcome"] == "ok"


async def test_who_is_cut_off_may_resume() -> None:
    async with running() as pod:
        client = await Client.sit_down(pod)
        client.cut()
        _, answer = await client.resume(pod)
        assert answer["outcome"] == "ok"


async def test_draining_pod_leaves_connections_resumable() -> None:
    async with running() as pod:
        await Client.sit_down(pod)
        await pod.server.stop()
        assert (await pod.storage.statistics(0)).connections == 1


async def test_a_departure_that_cannot_be_stored_is_left_to_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as pod:

        async def away(*_: object) -> None:
            raise StorageUnavailable("away")

        monkeypatch.setattr(pod.storage, "close_connection", away)
        client = await Client.sit_down(pod)
        await client.websocket.close(GOING_AWAY)
        while pod.service.sessions:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert (await pod.storage.statistics(0)).connections == 1


@pytest.mark.parametrize(("storage", "orphans"), [("postgres:none", True), ("postgres:pessimistic", False)])
async def test_only_without_locks_a_departure_in_mid_subscribe_leaves_orphans(
    storage: str, orphans: bool, postgres_database: Any
) -> None:
    pod = PodApplication(Settings(storage, "pod-1"), Secrets(SECRET, CONTROL, {"postgres": postgres_database.pod_dsn}))
    await pod.start()
    try:
        for _ in range(20):
            await _subscribe_and_go(pod)
        assert ((await pod.storage.statistics(0)).orphans > 0) == orphans
    finally:
        await pod.stop()


async def _subscribe_and_go(pod: PodApplication) -> None:
    """Five clients go away while their subscriptions are being made; returns when they are gone."""
    clients = [await Client.sit_down(pod, name=f"Agent {n}") for n in range(5)]
    for client in clients:
        await client.send("subscription.create", topic="queue")
    await asyncio.gather(*(client.websocket.close(GOING_AWAY) for client in clients))
    async with asyncio.timeout(20):
        while pod.server.websockets or (await pod.storage.statistics(0)).connections:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
