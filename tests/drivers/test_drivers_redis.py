"""Redis clients and stand-ins for servers: what a closed client leaves, and where no server can lead it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Redis

from loadtests.drivers import redis
from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.contract import DatabaseAddress

WITHIN_S = 20


def test_closed_client_closes_its_connection() -> None:
    asyncio.run(_open_and_close())


async def _open_and_close() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(b"+OK\r\n" * data.count(b"*"))
        ended.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = redis.client(parse_address("redis", f"redis://127.0.0.1:{port}/0"), timeout_s=WITHIN_S)
    try:
        await client.initialize()
        assert await client.execute_command("ECHO", "a word") == b"OK"
        assert not ended.is_set()
        await client.aclose()
        async with asyncio.timeout(WITHIN_S):
            await ended.wait()
    finally:
        await client.connection_pool.disconnect()
        server.close()


async def _commands(reader: asyncio.StreamReader) -> Any:
    """Each command of a client: its words."""
    while head := await reader.readline():
        words = []
        for _ in range(int(head[1:])):
            size = int((await reader.readline())[1:])
            words.append((await reader.readexactly(size + 2))[:-2])
        yield words


def _answer(words: list[bytes]) -> bytes:
    """Of a Redis that says with each PING that its host has moved to 127.0.0.2."""
    information = b"run_id:1\r\nredis_mode:standalone\r\n"
    answers = {
        b"HELLO": b"%2\r\n+version\r\n+8.0.0\r\n+proto\r\n:3\r\n",
        b"INFO": b"$%d\r\n%b\r\n" % (len(information), information),
        b"PING": b">4\r\n+MOVING\r\n:1\r\n:10\r\n+127.0.0.2:6379\r\n+PONG\r\n",
    }
    return answers.get(words[0].upper(), b":7\r\n" if words[-1] == b"ID" else b"+OK\r\n")


def _client(address: DatabaseAddress) -> Any:
    return redis.client(address, timeout_s=WITHIN_S)


def _pooled(address: DatabaseAddress) -> Any:
    return Redis(connection_pool=redis.pool(BlockingConnectionPool, address, timeout_s=WITHIN_S))


@pytest.mark.parametrize("made", [_client, _pooled])
def test_server_that_moves_takes_no_client_and_password_along(made: Callable[[DatabaseAddress], Any]) -> None:
    asyncio.run(_follow(made))


async def _follow(made: Callable[[DatabaseAddress], Any]) -> None:
    arrived: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for words in _commands(reader):
            writer.write(_answer(words))
        writer.close()

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.read(65536))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    other = await asyncio.start_server(elsewhere, "127.0.0.2", port)
    client = made(parse_address("redis", f"redis://u:hush@127.0.0.1:{port}/0"))
    try:
        for _ in range(4):
            assert await asyncio.wait_for(client.ping(), WITHIN_S)
        await client.connection_pool.disconnect()
        assert await asyncio.wait_for(client.ping(), WITHIN_S)
    finally:
        await client.aclose()
        await client.connection_pool.disconnect()
        server.close()
        other.close()
    assert arrived == []
