"""One WebSocket for many greenlets, without a thread and without a reader greenlet.

The hub's read callback takes the bytes, has the protocol's client half decode them and switches straight to the
greenlet that waits for that reply; pushes go to a callback.
"""

import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from gevent import Greenlet, getcurrent
from gevent.hub import get_hub

from loadtests.protocols.contract import Client, Frame, Opened, ProtocolError, Push, Reply, Send
from loadtests.records.vocabulary import LOCAL_ERRORS
from loadtests.sanitize import sanitize, sanitize_error
from loadtests.wire.failures import ConnectionFailed, TimedReply, local_error, no_reply
from loadtests.wire.frames import Incoming, client_frame, message_bytes
from loadtests.wire.greenlets import open_websocket
from loadtests.wire.opening import READ, RECEIVE_BYTES, Endpoint
from loadtests.wire.outgoing import Outgoing, broken_by
from loadtests.wire.transport import Transport

GOING_AWAY: Final = 1001
"""The close code of a client that will not resume."""

LINGER_S: Final = 1.0
"""How long the server has to close the TCP connection after the closing handshake, so that the port in TIME_WAIT is
its own."""

FLOOD: Final = 50_000
FLOOD_WITHIN_NS: Final = 10_000_000_000
"""So many frames within that time which no request asked for, each begun kilobyte as one, break the connection. A
worker handles about 20,000 a second of all its connections together."""

OnPush = Callable[[Push, int], None]
"""Called in the hub with every push and the CLOCK_MONOTONIC ns of its arrival. It must not wait."""

OnLost = Callable[[str, str], None]
"""Called in the hub, once, with the error (`cut_off`, `bad_reply`, one of LOCAL_ERRORS, or `internal` for a bug of
ours) and a sentence, when the server ends the connection or breaks the protocol; never after `close` or `abort`."""

_OURS: Final = LOCAL_ERRORS | {"run_ended"}
"""Errors that only this side can know. Attempts that end with one do not count against the server, so no reply of a
server may hold one."""

_log = logging.getLogger(__name__)


class Connection:
    """An open WebSocket. Any number of greenlets may `request` at once; none of the methods may be called in the hub
    except `abort` and `depart`."""

    __slots__ = (
        "_client", "_closer", "_flood", "_flood_since_ns", "_hub", "_incoming", "_linger", "_on_lost", "_on_push",
        "_outgoing", "_reader", "_transport", "_waiting", "kernel_times", "lost", "opened",
    )  # fmt: skip

    def __init__(
        self, transport: Transport, received: bytes, client: Client, on_push: OnPush, on_lost: OnLost | None
    ) -> None:
        """Takes over a WebSocket on which `received` came behind the handshake; use `Connection.open`."""
        self._transport = transport
        self.kernel_times = transport.kernel_times
        """Whether the kernel stamps arrivals; else they are timed on reading, and a busy generator inflates latency."""
        # Not the protocol that shook hands: it would keep both sides' headers, 2 KB, for the life of the connection.
        self._incoming = Incoming()
        self._client = client
        self.opened: Opened | None = None
        """The server's terms, once it has accepted the connection."""
        self._on_push = on_push
        self._on_lost = on_lost
        self._hub = get_hub()
        self._waiting: dict[int, Greenlet] = {}
        self._closer: Greenlet | None = None
        self.lost: tuple[str, str] | None = None
        """Why the connection is no longer usable: error and a sentence; None while it is."""
        self._outgoing = Outgoing(transport, self._break)
        self._flood, self._flood_since_ns = 0, transport.received_ns
        self._linger: Any = None
        self._reader = self._hub.loop.io(transport.fileno(), READ)
        self._reader.start(self._guarded, self._read)
        if received:
            self._hub.loop.run_callback(self._guarded, self._take, received)

    @classmethod
    def open(  # noqa: PLR0913  by keyword
        cls,
        endpoint: Endpoint,
        client: Client,
        *,
        timeout_s: float,
        on_push: OnPush,
        on_lost: OnLost | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> "Connection":
        """Opens a WebSocket within `timeout_s`, on which `client` decodes the frames.

        Raises ConnectionFailed; ValueError when the URL is not ws:// or wss://."""
        transport, received = open_websocket(endpoint, timeout_s, tls)
        try:
            return cls(transport, received, client, on_push, on_lost)
        except MemoryError:
            transport.close()
            raise ConnectionFailed("local_memory", "no memory for an open connection", sent=True) from None

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    def request(self, key: int, messages: Sequence[Frame], timeout_s: float) -> TimedReply:
        """Sends the messages of a request and waits for the reply with that key.

        Never raises for what the server does: a reply that does not come is `unknown` with `timeout` or `cut_off`, one
        that breaks the protocol is `fail` with `bad_reply`; where this host ran out of something it is one of
        LOCAL_ERRORS, `fail` when nothing of the request was sent. Raises ValueError when a request with that key is
        waiting already.
        """
        waiting = self._waiting
        if self.lost is not None:
            return no_reply(key, self.lost[0], sent=False)
        if key in waiting:
            raise ValueError(f"a request with key {key:016x} is waiting already on this connection")
        waiting[key] = getcurrent()
        timer = self._hub.loop.timer(timeout_s)
        timer.start(self._on_timeout, key)
        try:
            data = client_frame(messages[0]) if len(messages) == 1 else b"".join(map(client_frame, messages))
            if not self._outgoing.send(data) and self.lost is not None:
                return no_reply(key, self.lost[0], sent=False)
            ended: TimedReply = self._hub.switch()
        finally:
            timer.stop()
            timer.close()
            waiting.pop(key, None)
        return ended

    def close(self, timeout_s: float = 1.0) -> None:
        """Closes the WebSocket in order, waiting at most `timeout_s` for the server; harmless when it is closed."""
        if self.lost is not None:
            return
        if self._closer is not None:
            self.abort()
            return
        self._on_lost = None
        timer = self._hub.loop.timer(timeout_s)
        timer.start(self.abort)
        self._closer = getcurrent()
        try:
            self._outgoing.send(self._incoming.goodbye())
            self._hub.switch()
        finally:
            self._closer = None
            timer.stop()
            timer.close()
            self._end("cut_off", "closed by us")

    def depart(self) -> None:
        """Closes with 1001, going away, as a page does that is closed, and waits for nothing. Requests that are
        waiting end with `cut_off`."""
        if self.lost is None:
            self._on_lost = None
            self._outgoing.send(self._incoming.goodbye(GOING_AWAY))
            self._end("cut_off", "we went away")

    def abort(self) -> None:
        """Drops the connection without a closing handshake. Requests that are waiting end with `cut_off`."""
        self._on_lost = None
        self._break("cut_off", "dropped by us")

    # In the hub.

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        """Breaks the connection on an error: the hub would stop its watcher, and no request would get a reply."""
        try:
            work(*arguments)
        except Exception as error:
            _log.exception("internal error while reading from the server")
            self._break(local_error(error) or "internal", sanitize_error(error))

    def _read(self) -> None:
        try:
            data = self._transport.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except (OSError, MemoryError) as error:
            self._break(*broken_by(error))
            return
        if self.lost is not None:
            if not data:
                self._shut()
            return
        self._take(data)
        if not data:
            self._break("cut_off", "the server hung up")

    def _take(self, data: bytes) -> None:
        incoming = self._incoming
        for message in incoming.receive(data):
            if self.lost is None:
                self._take_message(message)
        if incoming.unusual:
            self._take_unusual(incoming)

    def _take_unusual(self, incoming: Incoming) -> None:
        answers = incoming.answers()
        if answers and self._reader is not None:
            self._outgoing.send(answers)
        controls, incoming.controls = incoming.controls, 0
        if controls and self.lost is None:
            self._count_unasked(controls)
        if incoming.broken:
            self._break("bad_reply", f"not WebSocket as agreed: {incoming.broken}")
        elif incoming.closed:
            self._end("cut_off", f"the server closed it: {incoming.closed}")

    def _take_message(self, message: Frame) -> None:
        awaited = False
        try:
            for received in self._client.receive(message):
                if isinstance(received, Reply):
                    waiter = self._waiting.pop(received.key, None)
                    if waiter is not None:  # else it is late, or answers nothing that was sent
                        awaited = True
                        if received.error in _OURS:
                            received = received._replace(error="bad_reply")  # noqa: PLW2901  it replaces the item
                        # A third of the time of TimedReply(…).
                        waiter.switch(tuple.__new__(TimedReply, (received, self._transport.received_ns)))
                elif isinstance(received, Push):
                    self._pass_on(received)
                elif isinstance(received, Send):
                    self._outgoing.send(b"".join(map(client_frame, received.frames)))
                else:
                    self.opened = received
                if self.lost is not None:
                    return
        except ProtocolError as error:
            self._break("bad_reply", f"not a message of the protocol: {error}")
            return
        if not awaited:
            self._count_unasked(1 + (message_bytes(message) >> 10))

    def _count_unasked(self, frames: int) -> None:
        self._flood += frames
        if self._flood < FLOOD:
            return
        since_ns, now_ns = self._flood_since_ns, self._transport.received_ns
        self._flood, self._flood_since_ns = 0, now_ns
        if now_ns - since_ns < FLOOD_WITHIN_NS:
            self._break("bad_reply", f"a flood: {FLOOD:,} frames without a request in {FLOOD_WITHIN_NS / 1e9:g} s")

    def _pass_on(self, push: Push) -> None:
        try:
            self._on_push(push, self._transport.received_ns)
        except Exception:
            _log.exception("a push was not handled: %s on %s", sanitize(push.kind), sanitize(push.topic))

    def _on_timeout(self, key: int) -> None:
        waiter = self._waiting.pop(key, None)
        if waiter is not None:
            waiter.switch(no_reply(key, "timeout"))

    def _break(self, error: str, detail: str) -> None:
        """Ends the connection and closes its descriptor at once."""
        self._end(error, detail)
        self._shut()

    def _end(self, error: str, detail: str) -> None:
        """From here on the connection is lost. Greenlets that wait are woken in the hub, also when one calls this."""
        if self.lost is None:
            self.lost = (error, detail)
            self._hub.loop.run_callback(self._report_lost)
            self._linger = self._hub.loop.timer(LINGER_S)
            self._linger.start(self._shut)

    def _shut(self) -> None:
        for watcher in (self._reader, self._linger):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reader = self._linger = None
        self._outgoing.close()
        self._transport.close()

    def _report_lost(self) -> None:
        assert self.lost is not None
        error, detail = self.lost
        while self._waiting:
            key, waiter = self._waiting.popitem()
            waiter.switch(no_reply(key, error))
        if self._closer is not None:
            self._closer.switch()
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            try:
                on_lost(error, detail)
            except Exception:
                _log.exception("a lost connection was not handled")
