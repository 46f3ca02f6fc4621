"""A server that is too light to affect the measurement: it answers every request with `ok`, in both protocols.

A `message.send` whose text is a number is held for that many milliseconds; its reply has the actual delay in `held_ns`,
from the arrival of the bytes to just before the reply. Prints its port. Ends when its standard input does. With
`--awake` it never sleeps, so that the time that the kernel takes to wake it is not measured as the client's, and checks
what is due in every turn: the loop's own timers tick in milliseconds and would send answers in bursts.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any, ClassVar

import orjson
import uvloop
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.typing import Subprotocol

SUBPROTOCOLS = [Subprotocol("messaging-pod.v1")]


def select(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """`jsonrpc` offers no subprotocol."""
    return SUBPROTOCOLS[0] if offered else None


def frames(buffer: bytearray) -> list[bytes]:
    """Cuts the whole masked text frames off the buffer; a close frame becomes b""."""
    found = []
    while len(buffer) >= 6:
        size, start = buffer[1] & 0x7F, 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        if len(buffer) < start + 4 + size:
            break
        payload = apply_mask(buffer[start + 4 : start + 4 + size], buffer[start : start + 4])
        found.append(payload if buffer[0] & 0x0F == Opcode.TEXT else b"")
        del buffer[: start + 4 + size]
    return found


def frame(payload: bytes) -> bytes:
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


class StandIn(asyncio.Protocol):
    transport: asyncio.Transport
    held: ClassVar[list[tuple[int, int, "StandIn", str, int]]] = []
    """Delayed replies: due, order, connection, key, arrival."""
    awake: ClassVar[bool] = False
    order: ClassVar["count[int]"] = count()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = bytearray()
        self.handshake: ServerProtocol | None = ServerProtocol(subprotocols=SUBPROTOCOLS, select_subprotocol=select)

    def data_received(self, data: bytes) -> None:
        if self.handshake is not None:
            self.answer_handshake(self.handshake, data)
            return
        came_ns = time.monotonic_ns()
        self.buffer += data
        answers = [self.answer(message, came_ns) for message in frames(self.buffer)]
        self.transport.write(b"".join(answers))

    def answer_handshake(self, protocol: ServerProtocol, data: bytes) -> None:
        protocol.receive_data(data)
        for event in protocol.events_received():
            assert isinstance(event, Request)
            protocol.send_response(protocol.accept(event))
            self.transport.write(b"".join(protocol.data_to_send()))
            self.handshake = None

    def answer(self, message: bytes, came_ns: int) -> bytes:
        if not message:
            self.transport.close()
            return b""
        request = orjson.loads(message)
        if "jsonrpc" in request:
            return frame(orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {}}))
        if request["type"] == "message.send" and request["text"].isdigit():
            self.hold(int(request["text"]), request["key"], came_ns)
            return b""
        return frame(orjson.dumps({"type": "reply", "key": request["key"], "outcome": "ok", "error": ""}))

    def hold(self, hold_ms: int, key: str, came_ns: int) -> None:
        if self.awake:
            heappush(self.held, (came_ns + hold_ms * 1_000_000, next(self.order), self, key, came_ns))
        else:
            asyncio.get_running_loop().call_later(hold_ms / 1000, self.answer_late, key, came_ns)

    def answer_late(self, key: str, came_ns: int) -> None:
        held_ns = time.monotonic_ns() - came_ns
        reply = {"type": "reply", "key": key, "outcome": "ok", "error": "", "held_ns": held_ns}
        self.transport.write(frame(orjson.dumps(reply)))


def stay_awake(loop: asyncio.AbstractEventLoop) -> None:
    held = StandIn.held
    # One a turn: what has come meanwhile is read, and stamped, before the next.
    if held and held[0][0] <= time.monotonic_ns():
        _, _, connection, key, came_ns = heappop(held)
        connection.answer_late(key, came_ns)
    loop.call_soon(stay_awake, loop)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
    server = await loop.create_server(StandIn, "127.0.0.1", 0, backlog=8192)
    print(server.sockets[0].getsockname()[1], flush=True)
    if "--awake" in sys.argv:
        StandIn.awake = True
        stay_awake(loop)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(serve())
