"""What the pod's tests work with: a real pod in this process, and clients over real sockets."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from loadtests.accounts import token_for
from loadtests.pod.application import PodApplication, Secrets, Settings
from loadtests.pod.limits import Limits
from loadtests.protocols.contract import key_text
from loadtests.protocols.messaging_pod import SUBPROTOCOL

SECRET, CONTROL = "test-secret", "test-control"
ACCOUNT, OTHER = "account-0001", "account-0002"

_numbers = itertools.count(1)


def new_key() -> str:
    return key_text(next(_numbers))


@asynccontextmanager
async def running(
    limits: Limits | None = None,
    storage: str = "memory",
    dsns: Mapping[str, str] = MappingProxyType({}),
    **settings: Any,
) -> AsyncIterator[PodApplication]:
    pod = PodApplication(
        Settings(storage, "pod-1", limits=limits or Limits(), **settings), Secrets(SECRET, CONTROL, dsns)
    )
    await pod.start()
    try:
        yield pod
    finally:
        await pod.stop()


class Client:
    """One WebSocket; events that came while a reply was waited for are in `events`."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.events: list[dict[str, Any]] = []
        self.created: Mapping[str, Any] = {}

    @classmethod
    async def open(cls, pod: PodApplication) -> "Client":
        protocol = [Subprotocol(SUBPROTOCOL)]
        return cls(await connect(pod.url, subprotocols=protocol, compression=None, close_timeout=1, max_queue=4))

    @classmethod
    async def sit_down(
        cls, pod: PodApplication, role: str = "agent", name: str = "Ada", account: str = ACCOUNT
    ) -> "Client":
        client = await cls.open(pod)
        client.created = await client.ask("connection.create", token=token_for(account, SECRET), role=role, name=name)
        assert client.created["outcome"] == "ok"
        return client

    async def send(self, kind: str, key: str | None = None, **body: Any) -> str:
        key = key or new_key()
        await self.websocket.send(json.dumps({"type": kind, "key": key, **body}))
        return key

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            message: dict[str, Any] = json.loads(await self.websocket.recv())
            return message

    async def ask(self, kind: str, key: str | None = None, **body: Any) -> dict[str, Any]:
        key = await self.send(kind, key, **body)
        while (message := await self.receive())["type"] == "event":
            self.events.append(message)
        assert message["key"] == key
        return message

    async def next_event(self) -> dict[str, Any]:
        if self.events:
            return self.events.pop(0)
        message = await self.receive()
        assert message["type"] == "event", message
        return message

    async def offer(self) -> str:
        chat = new_key()
        assert (await self.ask("chat.offer", chat, subject="help"))["outcome"] == "ok"
        return chat

    async def resume(self, pod: PodApplication, **positions: int) -> tuple["Client", dict[str, Any]]:
        """Another WebSocket for the same connection, and the answer to its request."""
        other = await Client.open(pod)
        other.created = self.created
        answer = await other.ask(
            "connection.resume",
            token=token_for(ACCOUNT, SECRET),
            connection=self.created["connection"],
            resume_token=self.created["resume_token"],
            positions=positions,
        )
        return other, answer

    async def closed(self) -> tuple[int, list[dict[str, Any]]]:
        """The close code, and what came before it."""
        came = []
        try:
            while True:
                came.append(await self.receive())
        except ConnectionClosed as error:
            assert error.rcvd is not None, "cut off without a close frame"
            return error.rcvd.code, came

    def cut(self) -> None:
        self.websocket.transport.abort()
