"""WebSocket messages per second of the server's processor time: the pod on `memory` against a bare echo server.

The bare server's work is one message in, the same message out: two messages. The pod's is one `message.send` of a
customer in, its reply out, and the push to the agent who is subscribed to that chat, over another WebSocket: three
messages, checked, numbered and stored in memory. Both get the same number of WebSockets and the same request frames.
"""

import asyncio
import itertools
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import psutil
import uvloop

from benchmarks._figures import show
from loadtests.accounts import token_for
from loadtests.protocols.contract import key_text
from loadtests.protocols.messaging_pod import SUBPROTOCOL, encode_request

ROUNDS = 5
PAIRS = 25
WARM_UP_S, SECONDS = 0.3, 1.5
TEXT = "I cannot find the parcel that you sent me on Monday, could you look it up?"

_HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
).encode()
_CLOSE = b"\x88\x82" + bytes(4) + (1000).to_bytes(2, "big")
_keys = map(key_text, itertools.count(1))


def frame(payload: bytes) -> bytes:
    """A text frame; masked with zeros, which costs the server what any other mask would."""
    size = len(payload)
    header = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return header + bytes(4) + payload


class Socket:
    """A minimal WebSocket client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Socket":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_HANDSHAKE)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head
        return cls(reader, writer)

    def send(self, payload: bytes) -> None:
        self._writer.write(frame(payload))

    async def receive(self) -> bytes:
        size = (await self._reader.readexactly(2))[1]
        if size == 126:
            size = int.from_bytes(await self._reader.readexactly(2), "big")
        return await self._reader.readexactly(size)

    async def ask(self, kind: str, **body: str) -> str:
        """Sends a request and waits for a good answer; returns its key."""
        key = next(_keys)
        self.send(encode_request(kind, key, body).encode())
        while True:
            answer: dict[str, Any] = json.loads(await self.receive())
            if answer["type"] == "reply":
                assert answer["outcome"] == "ok", answer
                return key

    async def close(self) -> None:
        self._writer.write(_CLOSE)
        self._writer.close()
        await self._writer.wait_closed()


Exchange = Callable[[], Awaitable[int]]
"""One exchange; returns how many messages the server received and sent."""


async def echo_exchanges(port: int) -> tuple[list[Exchange], list[Socket]]:
    sockets = [await Socket.open(port) for _ in range(2 * PAIRS)]

    def exchange(socket: Socket) -> Exchange:
        async def exchange() -> int:
            socket.send(encode_request("message.send", next(_keys), {"chat": key_text(1), "text": TEXT}).encode())
            await socket.receive()
            return 2

        return exchange

    return [exchange(socket) for socket in sockets], sockets


async def pod_exchanges(port: int, secret: str) -> tuple[list[Exchange], list[Socket]]:
    sockets = [await Socket.open(port) for _ in range(2 * PAIRS)]
    token = token_for("account-0001", secret)
    exchanges = []
    for agent, customer in zip(sockets[::2], sockets[1::2], strict=True):
        await agent.ask("connection.create", token=token, role="agent", name="Ada")
        await customer.ask("connection.create", token=token, role="customer", name="Bob")
        chat = await customer.ask("chat.offer", subject="parcel")
        await agent.ask("chat.accept", chat=chat)
        await agent.ask("subscription.create", topic=f"chat/{chat}")
        exchanges.append(_pod_exchange(agent, customer, chat))
    return exchanges, sockets


def _pod_exchange(agent: Socket, customer: Socket, chat: str) -> Exchange:
    async def exchange() -> int:
        customer.send(encode_request("message.send", next(_keys), {"chat": chat, "text": TEXT}).encode())
        reply, event = await customer.receive(), await agent.receive()
        assert b'"ok"' in reply
        assert b'"message.sent"' in event
        return 3

    return exchange


async def messages_per_cpu_second(exchanges: list[Exchange], pid: int) -> float:
    """Repeat every exchange, all concurrently."""
    loop = asyncio.get_running_loop()
    done = 0

    async def work(exchange: Exchange, until: float) -> None:
        nonlocal done
        while loop.time() < until:
            messages = await exchange()
            done += messages

    await asyncio.gather(*(work(exchange, loop.time() + WARM_UP_S) for exchange in exchanges))
    done, before = 0, _cpu_s(pid)
    await asyncio.gather(*(work(exchange, loop.time() + SECONDS) for exchange in exchanges))
    return done / (_cpu_s(pid) - before)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@contextmanager
def echo_server() -> Iterator[tuple[int, int]]:
    """Port and process id."""
    command = [sys.executable, "-m", "benchmarks._echo_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline()), server.pid
        finally:
            server.stdin.close()


@contextmanager
def pod(secret: str) -> Iterator[tuple[int, int]]:
    """Port and process id of a pod on `memory`."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "loadtests.pod", "--storage", "memory", "--ready-fd", str(writing)]
    environment = {**os.environ, "LOADTESTS_TOKEN_SECRET": secret, "LOADTESTS_CONTROL_TOKEN": secrets.token_hex()}
    with subprocess.Popen(command, pass_fds=[writing], env=environment, stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        try:
            with os.fdopen(reading) as ready:
                yield int(json.loads(ready.readline())["url"].rpartition(":")[2]), server.pid
        finally:
            server.terminate()


async def _round(took: dict[str, list[float]], secret: str) -> None:
    with echo_server() as (port, pid):
        await _measure(took["echo"], *await echo_exchanges(port), pid)
    with pod(secret) as (port, pid):
        await _measure(took["pod"], *await pod_exchanges(port, secret), pid)


async def _measure(figures: list[float], exchanges: list[Exchange], sockets: list[Socket], pid: int) -> None:
    figures.append(await messages_per_cpu_second(exchanges, pid))
    for socket in sockets:
        await socket.close()


def main() -> int:
    took: dict[str, list[float]] = {"echo": [], "pod": []}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(ROUNDS):
            runner.run(_round(took, secrets.token_hex()))
    echo, ours = median(took["echo"]), median(took["pod"])
    show("bare websockets echo server, messages per CPU second", echo, "1/s", "-", True)
    show("pod on memory, messages per CPU second", ours, "1/s", "-", True)
    ok = show("pod on memory against a bare echo server", ours / echo, "x", "≥ 0.5", ours / echo >= 0.5)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
