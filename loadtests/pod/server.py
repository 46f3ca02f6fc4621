"""The pod's WebSockets: the only module here that knows sockets."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from loadtests.pod.exhaustion import Descriptors, LocalErrors
from loadtests.pod.limits import Limits
from loadtests.pod.service import CLOSE_POLICY, Service
from loadtests.pod.visit import Visit
from loadtests.protocols.contract import Frame

CLOSE_GOING_AWAY: Final = 1001
CLOSE_SLOW: Final = 1013

_DRAIN_POLL_S: Final = 0.01
_HURRY_AGAIN_S: Final = 1.0


def server_frame(message: Frame) -> bytes:
    """A whole frame, as a server sends it: without a mask."""
    first, payload = (0x81, message.encode()) if isinstance(message, str) else (0x82, message)
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 0x7E)) + size.to_bytes(2, "big") + payload
    return bytes((first, 0x7F)) + size.to_bytes(8, "big") + payload


class ClientSocket:
    """An Outlet: frames go to the transport's own buffer, which is the connection's bounded queue."""

    __slots__ = ("_closing", "_limit", "_server", "_websocket")

    def __init__(self, websocket: ServerConnection, server: "PodServer") -> None:
        self._websocket, self._server = websocket, server
        self._limit = server.limits.max_backlog_bytes
        self._closing: asyncio.Task[None] | None = None

    def push(self, frame: Frame) -> None:
        websocket = self._websocket
        if self._closing is not None or websocket.protocol.state is not State.OPEN:
            return
        # No await, so that one slow consumer delays no other. A whole frame has the same bytes on every
        # connection, and the pod never sends fragments: written past the library's protocol it is a tenth more
        # throughput.
        transport = websocket.transport
        transport.write(server_frame(frame))
        self._server.frames_out += 1
        if transport.get_write_buffer_size() > self._limit:
            self._server.slow_consumers += 1
            self.close(CLOSE_SLOW, "too slow: resume and catch up")

    def close(self, code: int, reason: str) -> None:
        if self._closing is None:
            short = reason.encode()[:120].decode(errors="ignore")
            self._closing = asyncio.create_task(self._websocket.close(code, short))

    async def drained(self) -> None:
        await self._websocket.drain()


class PodServer:
    """Accepts WebSockets and lets each one visit the service."""

    def __init__(self, service: Service, limits: Limits, subprotocols: Sequence[str]) -> None:
        self.service, self.limits = service, limits
        self._subprotocols = [Subprotocol(name) for name in subprotocols]
        self.local_errors = LocalErrors()
        self.requests: Counter[str] = Counter()
        self.frames_out = 0
        self.slow_consumers = 0
        self.process_request: Callable[[ServerConnection, Request], Response | None] | None = None
        """Answers a handshake in the place of this server; None: not this one, or none at all."""
        self._visits: set[Visit] = set()
        self._watches: set[asyncio.Task[None]] = set()
        self._server: Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Returns the port. Raises OSError when it is taken."""
        descriptors = Descriptors(self.local_errors)

        class ServerCounts(ServerConnection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                if (accepted := transport.get_extra_info("socket")) is not None:
                    descriptors.opened(accepted.fileno())
                super().connection_made(transport)

        self._server = await serve(
            self._visit,
            host,
            port,
            subprotocols=self._subprotocols or None,
            compression=None,  # small messages: it would cost more than it saves
            ping_interval=None,  # heartbeats of the protocol show which clients are alive
            close_timeout=self.limits.close_within_s,
            open_timeout=self.limits.greeting_within_s,
            max_size=self.limits.max_message_bytes,
            backlog=4096,  # a reconnect storm comes at once
            create_connection=ServerCounts,
            process_request=self.process_request,
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def _visit(self, websocket: ServerConnection) -> None:
        socket = ClientSocket(websocket, self)
        visit = Visit(self.service, socket, self.requests, self.local_errors)
        self._visits.add(visit)
        deadline = asyncio.get_running_loop().call_later(self.limits.greeting_within_s, self._hurry, visit, socket)
        watch = asyncio.create_task(self._end_departed(websocket, visit))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        try:
            while True:
                await visit.take(await websocket.recv())
                if websocket.paused:
                    await websocket.drain()
        except ConnectionClosed:
            pass
        finally:
            deadline.cancel()
            visit.leave()
            self._visits.discard(visit)

    @staticmethod
    async def _end_departed(websocket: ServerConnection, visit: Visit) -> None:
        """Ends the visit of a client that left for good, also while its request is in progress."""
        await websocket.wait_closed()
        if websocket.close_code == CLOSE_GOING_AWAY and websocket.protocol.close_rcvd_then_sent:
            await visit.depart()

    def _hurry(self, visit: Visit, socket: ClientSocket) -> None:
        if visit.session is not None or visit not in self._visits:
            return
        if visit.under_way:  # it may still fail, and then send nothing more
            asyncio.get_running_loop().call_later(_HURRY_AGAIN_S, self._hurry, visit, socket)
        else:
            socket.close(CLOSE_POLICY, "no connection was created in time")

    @property
    def websockets(self) -> int:
        return len(self._visits)

    async def drain(self) -> bool:
        """Refuses what is new, lets what is under way finish, closes with 1001; says whether all of it finished."""
        self.service.draining = True
        until = time.monotonic() + self.limits.drain_within_s
        # An event would have to be kept up to date by every request, for the sake of a pod's last moments.
        while (busy := any(v.under_way for v in self._visits)) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(_DRAIN_POLL_S)
        await self.stop()
        return not busy

    def abort_all(self) -> None:
        """Cuts every WebSocket off."""
        if self._server is not None:
            for websocket in list(self._server.all_connections):
                websocket.transport.abort()

    async def stop(self) -> None:
        """Closes every WebSocket with 1001, and the port."""
        if self._server is None:
            return
        self._server.close(code=CLOSE_GOING_AWAY, reason="draining")
        try:
            async with asyncio.timeout(self.limits.close_within_s + 1):
                await self._server.wait_closed()
        except TimeoutError:
            self.abort_all()
        if self._watches:
            await asyncio.wait(set(self._watches), timeout=self.limits.close_within_s)
