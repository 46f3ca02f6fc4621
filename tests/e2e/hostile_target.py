"""A TCP proxy in front of a real pod, which passes everything on until it is told to turn hostile."""

import asyncio
import json
import threading
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
"""What is sent in place of whatever the pod says once hands are shaken."""

MODES = ("mid-handshake", *INSTEAD_OF_ANSWERS, "silent", "down")


@dataclass
class Target:
    """One target. `turn` makes it hostile, for the connections that there are and for those to come."""

    upstream: tuple[str, int]
    port: int = 0
    mode: str = ""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    def turn(self, mode: str) -> None:
        asyncio.run_coroutine_threadsafe(self._turn(mode), self._loop).result(10)

    async def _turn(self, mode: str) -> None:
        self.mode = mode
        if mode == "down":
            self._server.close()
        if mode in ("down", "mid-handshake"):
            for writer in list(self._open):
                writer.transport.abort()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

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
        said = 0

        def change(data: bytes) -> bytes | None:
            nonlocal said
            said += 1
            if self.mode == "silent":
                return b""
            if self.mode == "mid-handshake":
                return None
            if self.mode in INSTEAD_OF_ANSWERS and said > 1:
                return INSTEAD_OF_ANSWERS[self.mode]
            return data

        return change

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _close(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _as_it_is(data: bytes) -> bytes:
    return data


@contextmanager
def target(pod: str, mode: str = "") -> Iterator[Target]:
    """A target in front of the pod at this URL, as hostile as `mode` says from the start."""
    address = urlsplit(pod)
    one = Target((address.hostname or "", address.port or 0), mode=mode)
    thread = threading.Thread(target=one._run, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(one._listen(), one._loop).result(10)
    try:
        yield one
    finally:
        asyncio.run_coroutine_threadsafe(one._close(), one._loop).result(10)
        one._loop.call_soon_threadsafe(one._loop.stop)
        thread.join(10)
        one._loop.close()
