"""A TCP proxy in front of a real pod, which passes everything on until a command makes it hostile.

A process of its own, `hostile_target.py HOST PORT [MODE]`: says its port, then reads modes from standard input and says
each back once it has turned. In the tests' process gevent may have taken the place of threads.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


def _text_frame(payload: bytes) -> bytes:
    assert 126 <= len(payload) < 65536 or len(payload) < 126
    size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return b"\x81" + size + payload


WRONG_SHAPE = _text_frame(json.dumps({"type": "reply", "key": ["no", "text"], "outcome": 7}).encode())
GARBAGE = b"\xff\xfe\xfd" * 20
HUGE = b"\x81\x7f" + (1 << 40).to_bytes(8, "big") + b"x" * 4096

INSTEAD_OF_ANSWERS = {"garbage": GARBAGE, "wrong shape": WRONG_SHAPE, "huge": HUGE}
"""What replaces the pod's frames after the handshake."""

MODES = ("mid-handshake", *INSTEAD_OF_ANSWERS, "silent", "down")


@dataclass
class Proxy:
    """One target, as its own process sees it. `turn` is for the connections that there are and for those to come."""

    upstream: tuple[str, int]
    mode: str = ""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def run(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        print(self._server.sockets[0].getsockname()[1], flush=True)
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while line := await orders.readline():
            self.turn(line.decode().strip())
            print(self.mode, flush=True)

    def turn(self, mode: str) -> None:
        self.mode = mode
        if mode == "down":
            self._server.close()
        if mode in ("down", "mid-handshake"):
            for writer in list(self._open):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            above, below = await asyncio.open_connection(*self.upstream)
            pumps = [self._pump(reader, below, _as_it_is), self._pump(above, writer, self._answer())]
            done, waiting = await asyncio.wait(map(asyncio.ensure_future, pumps), return_when="FIRST_COMPLETED")
            for pump in waiting:
                pump.cancel()
            await asyncio.gather(*done, *waiting, return_exceptions=True)
            below.close()
        self._open.discard(writer)
        writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes | None]
    ) -> None:
        while data := await reader.read(65536):
            changed = change(data)
            if changed is None:
                return
            writer.write(changed)
            await writer.drain()

    def _answer(self) -> Callable[[bytes], bytes | None]:
        """What a client gets to see of what the pod says; None hangs up. The first thing a pod says is its half of
        the handshake."""
        frames = 0

        def change(data: bytes) -> bytes | None:
            nonlocal frames
            frames += 1
            if self.mode == "silent":
                return b""
            if self.mode == "mid-handshake":
                return None
            if self.mode in INSTEAD_OF_ANSWERS and frames > 1:
                return INSTEAD_OF_ANSWERS[self.mode]
            return data

        return change


def _as_it_is(data: bytes) -> bytes:
    return data


class Target:
    """One target, as a test sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line())
        self.url = f"ws://127.0.0.1:{self.port}/"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def turn(self, mode: str) -> None:
        """Returns when it has turned."""
        assert self._process.stdin is not None
        self._process.stdin.write(mode + "\n")
        self._process.stdin.flush()
        assert self._line() == mode


@contextmanager
def target(pod: str, mode: str = "") -> Iterator[Target]:
    """A target in front of the pod at this URL, as hostile as `mode` says from the start."""
    address = urlsplit(pod)
    command = [sys.executable, __file__, address.hostname or "", str(address.port), mode]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Target(process)
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    _, host, port, first = sys.argv
    asyncio.run(Proxy((host, int(port)), first).run())
