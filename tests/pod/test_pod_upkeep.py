"""What the pod does by itself, and what it does when two WebSockets mean the same connection."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pods import SECRET, Client, running

from loadtests.pod.application import _repeat
from loadtests.pod.limits import Limits
from loadtests.pod.service import Service
from loadtests.pod.storage.contract import StorageUnavailable
from loadtests.pod.storage.postgres.driver import PostgresDriver
from loadtests.protocols.messaging_pod import MessagingPodServer


async def test_upkeep_continues_after_an_error() -> None:
    runs: list[int] = []
    again = asyncio.Event()

    async def job() -> None:
        runs.append(len(runs))
        if len(runs) == 1:
            raise RuntimeError("unexpected")
        again.set()

    upkeep = asyncio.create_task(_repeat(0.01, job))
    async with asyncio.timeout(5):
        await again.wait()
    upkeep.cancel()


class Recovering:
    """A storage whose touch takes until it is let go."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.going = asyncio.Event()

    async def events_after(self, *_: Any) -> Sequence[Any]:
        return []

    async def touch_connections(self, connections: Sequence[str], at_ns: int) -> None:
        self.calls.append("touch")
        await self.going.wait()
        self.calls.append("touched")

    async def reap_connections(self, *_: Any) -> Sequence[str]:
        self.calls.append("reap")
        return []


async def test_reaping_waits_for_the_touch_under_way() -> None:
    storage = Recovering()
    service = Service(storage, SECRET, Limits(), MessagingPodServer())  # type: ignore[arg-type]
    service._active.add("alive")
    touch, reap = asyncio.create_task(service.touch()), asyncio.create_task(service.reap())
    await asyncio.sleep(0.02)
    assert storage.calls == ["touch"]
    storage.going.set()
    await asyncio.gather(touch, reap)
    assert storage.calls == ["touch", "touched", "reap"]


async def test_a_close_closes_the_websocket_that_resumed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    going = asyncio.Event()
    async with running() as pod:
        close = pod.storage.close_connection

        async def slow(*arguments: Any) -> Any:
            await going.wait()
            return await close(*arguments)

        monkeypatch.setattr(pod.storage, "close_connection", slow)
        agent = await Client.sit_down(pod)
        await agent.ask("subscription.create", topic="queue")
        await agent.send("connection.close")
        await asyncio.sleep(0.05)
        agent.cut()
        again, answer = await agent.resume(pod, queue=0)
        assert answer["outcome"] == "ok"
        going.set()
        assert (await again.closed())[0] == 1008
        assert not pod.service.sessions


@pytest.mark.parametrize("password", ["aGVs/bG8=", "x@y:z"])
async def test_an_address_that_cannot_be_read_gives_no_piece_of_its_password_away(password: str) -> None:
    driver = PostgresDriver(f"postgresql://pod:{password}@127.0.0.1/pod", "pod-1")
    with pytest.raises(StorageUnavailable) as refused:
        await driver.open()
    calls = f"{refused.value} {refused.value.__cause__}"
    assert not any(piece in calls for piece in ("aGVs", "bG8", "x@y", "y:z"))
