"""What a closed Redis client leaves behind, with a server that answers everything with OK."""

import asyncio

from loadtests.drivers import redis
from loadtests.drivers.addresses import parse_address

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
