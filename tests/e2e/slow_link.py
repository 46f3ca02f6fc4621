"""`python slow_link.py PORT HOST:PORT DELAY_S`: forwards connections to that address, all bytes later by DELAY_S."""

import asyncio
import sys


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    loop, last = asyncio.get_running_loop(), asyncio.Event()

    def deliver(data: bytes) -> None:
        if data:
            writer.write(data)
        else:
            writer.close()
            last.set()

    while data := await reader.read(65536):
        loop.call_later(delay_s, deliver, data)
    loop.call_later(delay_s, deliver, b"")
    await last.wait()


async def main(port: int, host: str, target: int, delay_s: float) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(host, target)
        except OSError:
            writer.close()
            return
        ways = forward(reader, back, delay_s), forward(there, writer, delay_s)
        await asyncio.gather(*ways, return_exceptions=True)

    async with await asyncio.start_server(connect, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    address = sys.argv[2].rpartition(":")
    asyncio.run(main(int(sys.argv[1]), address[0], int(address[2]), float(sys.argv[3])))
