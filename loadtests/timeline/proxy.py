"""`python -m loadtests.timeline.proxy`: the network between a pod and its database, to be cut in mid-run.

Passes TCP on from a port of its own on loopback. Lines on standard input say what it does: `pass`, `reset` (every
connection is reset, new ones too) or `blackhole` (nothing passes, nothing is closed: bytes stay where they are). Each
line is answered with the same word on standard output once it holds. Ends when standard input does.
"""

from loadtests import environment

if __name__ == "__main__":  # before any library is imported
    environment.clean()

import argparse
import asyncio
import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Sequence

import uvloop

from loadtests.commandline import Parser

HOST = "127.0.0.1"
_CHUNK = 65_536
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
WORDS = ("pass", "reset", "blackhole")


class Proxy:
    """Connections from here to `port`, and what may pass."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = asyncio.Event()
        self._open.set()
        self._resetting = False
        self._writers: set[asyncio.StreamWriter] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            await self._may_pass()
            back, there = await asyncio.open_connection(HOST, self._port)
            self._writers.add(there)
            ways = [asyncio.create_task(self._pass(reader, there)), asyncio.create_task(self._pass(back, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
        except OSError:
            _reset(writer)
        finally:
            for end in filter(None, (writer, there)):
                self._writers.discard(end)
                end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._may_pass()
                writer.write(chunk)
                await writer.drain()

    async def _may_pass(self) -> None:
        if self._resetting:
            raise ConnectionResetError
        await self._open.wait()

    def apply(self, word: str) -> None:
        """`pass`, `reset` or `blackhole`."""
        self._resetting = word == "reset"
        if word == "blackhole":
            self._open.clear()
        else:
            self._open.set()
        if self._resetting:
            for writer in list(self._writers):
                _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with RST, as a network that refuses does, rather than with FIN."""
    with contextlib.suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    writer.transport.abort()


async def _serve(port: int, ready_fd: int) -> None:
    proxy, ended, loop = Proxy(port), asyncio.Event(), asyncio.get_running_loop()

    def apply(word: str) -> None:
        proxy.apply(word)
        print(word, flush=True)

    def listen() -> None:
        for line in open(0, "rb", buffering=0, closefd=False):  # noqa: SIM115
            if (word := line.decode().strip()) in WORDS:
                loop.call_soon_threadsafe(apply, word)
        loop.call_soon_threadsafe(ended.set)

    server = await asyncio.start_server(proxy.connected, HOST, 0)
    with os.fdopen(ready_fd, "w") as ready:
        ready.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    threading.Thread(target=listen, daemon=True, name="standard input").start()
    await ended.wait()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until standard input ends."""
    parser = Parser(prog="python -m loadtests.timeline.proxy", usage=argparse.SUPPRESS, description=__doc__)
    parser.add_argument("--port", required=True, type=int, help="the database's, on loopback")
    parser.add_argument("--ready-fd", required=True, type=int)
    arguments = parser.parse_args(argv)
    uvloop.run(_serve(arguments.port, arguments.ready_fd))


if __name__ == "__main__":
    main()
