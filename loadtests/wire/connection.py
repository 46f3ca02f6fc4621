"""One WebSocket for many greenlets, without a thread and without a reader greenlet.

The hub's read callback takes the bytes, decodes them and switches straight to the greenlet that waits for that reply;
pushes go to a callback.
"""

import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gevent import Greenlet, getcurrent
from gevent.hub import get_hub

from loadtests.records.vocabulary import LOCAL_ERRORS
from loadtests.sanitize import sanitize, sanitize_error
from loadtests.wire.answers import Answer, no_reply
from loadtests.wire.codecs.messages import Event, ProtocolError, Reply, decode_from_pod, encode_request, key_text
from loadtests.wire.failures import ConnectionFailed, local_error
from loadtests.wire.frames import Incoming, text_frame
from loadtests.wire.handshake import open_websocket
from loadtests.wire.opening import RECEIVE_BYTES
from loadtests.wire.transport import Transport

__all__ = ["Answer", "Connection", "ConnectionFailed"]

GOING_AWAY: Final = 1001
"""The close code of whoever will not resume."""

LINGER_S: Final = 1.0
"""How long the pod has to close the TCP connection after the closing handshake, so that the waiting port is its own."""

MAX_UNSENT_BYTES: Final = 16 << 20
"""What is kept for a pod that does not read; more breaks the connection."""

FLOOD: Final = 50_000
FLOOD_WITHIN_NS: Final = 10_000_000_000
"""So many frames within that time which no request asked for, each begun kilobyte as one, break the connection. A
worker handles about 20,000 a second of all its connections together."""

OnEvent = Callable[[Event, int], None]
"""Called in the hub with every push and the CLOCK_MONOTONIC ns of its arrival: quick, and it must not wait."""

OnLost = Callable[[str, str], None]
"""Called in the hub, once, with the error (`cut_off`, `bad_reply`, one of LOCAL_ERRORS, or `internal` for a bug of
ours) and a sentence, when the pod ends the connection or breaks the protocol; never after `close` or `abort`."""


_OURS: Final = LOCAL_ERRORS | {"run_ended"}
"""Errors that only this side can know. Attempts that end with one do not count against the pod, so no reply of a pod
may hold one."""

_log = logging.getLogger(__name__)
_READ, _WRITE = 1, 2


class Connection:
    """An open WebSocket. Any number of greenlets may `request` at once; none of the methods may be called in the hub
    except `abort` and `depart`."""

    __slots__ = (
        "_closer", "_flood", "_flood_since_ns", "_hub", "_incoming", "_linger", "_lost", "_on_event", "_on_lost",
        "_reader", "_transport", "_unsent", "_waiting", "_writer",
    )  # fmt: skip

    def __init__(
        self,
        transport: Transport,
        received: bytes,
        on_event: OnEvent,
        on_lost: OnLost | None,
    ) -> None:
        """Takes over a WebSocket on which `received` came behind the handshake; use `Connection.open`."""
        self._transport = transport
        # Not the protocol that shook hands: it would keep both sides' headers, 2 KB, for the life of the connection.
        self._incoming = Incoming()
        self._on_event = on_event
        self._on_lost = on_lost
        self._hub = get_hub()
        self._waiting: dict[str, Greenlet] = {}
        self._closer: Greenlet | None = None
        self._lost: tuple[str, str] | None = None
        self._unsent = b""
        self._flood, self._flood_since_ns = 0, transport.received_ns
        self._writer: Any = None
        self._linger: Any = None
        self._reader = self._hub.loop.io(transport.fileno(), _READ)
        self._reader.start(self._on_readable)
        if received:
            self._hub.loop.run_callback(self._guarded, self._take, received)

    @classmethod
    def open(  # noqa: PLR0913  by keyword
        cls,
        url: str,
        *,
        timeout_s: float,
        on_event: OnEvent,
        on_lost: OnLost | None = None,
        tls: ssl.SSLContext | None = None,
        networks: Sequence[str] = (),
    ) -> "Connection":
        """Connects to ws:// or wss:// within `timeout_s`; `networks`: where the host may be, anywhere when empty.

        Raises ConnectionFailed; ValueError for another URL."""
        transport, received = open_websocket(url, timeout_s, tls, networks)
        try:
            return cls(transport, received, on_event, on_lost)
        except MemoryError:
            transport.close()
            raise ConnectionFailed("local_memory", "no memory for an open connection", sent=True) from None

    @property
    def kernel_times(self) -> bool:
        """Whether arrivals are timed by the kernel; else on reading, so that a busy generator measures itself."""
        return self._transport.kernel_times

    @property
    def lost(self) -> tuple[str, str] | None:
        """Why the connection is no longer usable: error and a sentence; None while it is."""
        return self._lost

    @property
    def busy(self) -> bool:
        """Whether a reply is waited for."""
        return bool(self._waiting)

    def request(self, type: str, key: int, body: Mapping[str, Any], timeout_s: float) -> Answer:
        """Sends a request and waits for its reply.

        Never raises for what the pod does: a reply that does not come is `unknown` with `timeout` or `cut_off`, one
        that breaks the protocol is `fail` with `bad_reply`; where this host ran out of something it is one of
        LOCAL_ERRORS, `fail` when nothing of the request was sent. Raises ValueError when the key is already waited for.
        """
        text = key_text(key)
        waiting = self._waiting
        if self._lost is not None:
            return no_reply(text, self._lost[0], sent=False)
        if text in waiting:
            raise ValueError(f"key {text} is already waited for on this connection")
        waiting[text] = getcurrent()
        timer = self._hub.loop.timer(timeout_s)
        timer.start(self._on_timeout, text)
        try:
            if not self._send(text_frame(encode_request(type, text, body))) and self._lost is not None:
                return no_reply(text, self._lost[0], sent=False)
            answer: Answer = self._hub.switch()
        finally:
            timer.stop()
            timer.close()
            waiting.pop(text, None)
        return answer

    def close(self, timeout_s: float = 1.0) -> None:
        """Closes the WebSocket in order, waiting at most `timeout_s` for the pod's part; harmless when it is closed."""
        if self._lost is not None:
            return
        if self._closer is not None:
            self.abort()
            return
        self._on_lost = None
        timer = self._hub.loop.timer(timeout_s)
        timer.start(self.abort)
        self._closer = getcurrent()
        try:
            self._send(self._incoming.goodbye())
            self._hub.switch()
        finally:
            self._closer = None
            timer.stop()
            timer.close()
            self._end("cut_off", "closed by us")

    def depart(self) -> None:
        """Says that we go away (1001), as a page does that is closed, and waits for nothing; whoever waits gets
        `cut_off`."""
        if self._lost is None:
            self._on_lost = None
            self._send(self._incoming.goodbye(GOING_AWAY))
            self._end("cut_off", "we went away")

    def abort(self) -> None:
        """Drops the connection without a word; whoever waits gets `cut_off`."""
        self._on_lost = None
        self._break("cut_off", "dropped by us")

    # In the hub.

    def _on_readable(self) -> None:
        self._guarded(self._read)

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        """Breaks the connection by an error: the hub would stop its watcher, and no request would get a reply."""
        try:
            work(*arguments)
        except Exception as error:
            _log.exception("internal error while reading from the pod")
            self._break(local_error(error) or "internal", sanitize_error(error))

    def _read(self) -> None:
        try:
            data = self._transport.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except (OSError, MemoryError) as error:
            self._break_by(error)
            return
        if self._lost is not None:
            if not data:
                self._shut()
            return
        self._take(data)
        if not data:
            self._break("cut_off", "the pod hung up")

    def _take(self, data: bytes) -> None:
        incoming = self._incoming
        for message in incoming.receive(data):
            if self._lost is None:
                self._take_message(message)
        if incoming.unusual:
            self._take_unusual(incoming)

    def _take_unusual(self, incoming: Incoming) -> None:
        answers = incoming.answers()
        if answers and self._reader is not None:
            self._send(answers)
        controls, incoming.controls = incoming.controls, 0
        if controls and self._lost is None:
            self._count_unasked(controls)
        if incoming.broken:
            self._break("bad_reply", f"not WebSocket as agreed: {incoming.broken}")
        elif incoming.closed:
            self._end("cut_off", f"the pod closed it: {incoming.closed}")

    def _take_message(self, message: bytes) -> None:
        try:
            decoded = decode_from_pod(message)
        except ProtocolError as error:
            self._break("bad_reply", f"not a message of the protocol: {error}")
            return
        if type(decoded) is Reply:
            if decoded.error in _OURS:
                decoded = replace(decoded, error="bad_reply")
            waiter = self._waiting.pop(decoded.key, None)
            if waiter is not None:
                waiter.switch(Answer(decoded, self._transport.received_ns))
            else:  # late, or never asked for
                self._count_unasked(1 + (len(message) >> 10))
        else:
            self._count_unasked(1 + (len(message) >> 10))
            self._push(decoded)

    def _count_unasked(self, frames: int) -> None:
        self._flood += frames
        if self._flood < FLOOD:
            return
        since_ns, now_ns = self._flood_since_ns, self._transport.received_ns
        self._flood, self._flood_since_ns = 0, now_ns
        if now_ns - since_ns < FLOOD_WITHIN_NS:
            self._break("bad_reply", f"a flood: {FLOOD:,} frames without a request in {FLOOD_WITHIN_NS / 1e9:g} s")

    def _push(self, event: Any) -> None:
        try:
            self._on_event(event, self._transport.received_ns)
        except Exception:
            _log.exception("a push was not handled: %s on %s", sanitize(event.kind), sanitize(event.topic))

    def _on_timeout(self, key: str) -> None:
        waiter = self._waiting.pop(key, None)
        if waiter is not None:
            waiter.switch(no_reply(key, "timeout"))

    def _on_writable(self) -> None:
        data, self._unsent = self._unsent, b""
        self._writer.stop()
        if data:
            self._send(data)
        else:
            self._flush()

    # In the hub or in a greenlet.

    def _send(self, data: bytes) -> bool:
        """False when the connection broke before any of it was taken."""
        if self._unsent:
            self._unsent += data
            if len(self._unsent) > MAX_UNSENT_BYTES:
                self._break("cut_off", f"the pod does not read: {MAX_UNSENT_BYTES:,} bytes wait to be sent")
            return True
        try:
            sent = self._transport.send(data)
        except BlockingIOError:
            sent = 0
        except (OSError, MemoryError) as error:
            self._break_by(error)
            return False
        self._unsent = data[sent:]
        self._flush()
        return True

    def _flush(self) -> None:
        """Watches for room as long as something is left to send, here or in the transport."""
        try:
            flushed = self._transport.flush()
        except (OSError, MemoryError) as error:
            self._break_by(error)
            return
        if self._unsent or not flushed:
            self._watch_writable()

    def _watch_writable(self) -> None:
        if self._writer is None:
            self._writer = self._hub.loop.io(self._transport.fileno(), _WRITE)
        self._writer.start(self._on_writable)

    def _break_by(self, error: OSError | MemoryError) -> None:
        self._break(local_error(error) or "cut_off", f"the connection broke: {error or type(error).__name__}")

    def _break(self, error: str, detail: str) -> None:
        """Ends the connection and gives its descriptor back at once."""
        self._end(error, detail)
        self._shut()

    def _end(self, error: str, detail: str) -> None:
        """From here on the connection is lost. Those who wait are woken in the hub, whoever calls this."""
        if self._lost is None:
            self._lost = (error, detail)
            self._hub.loop.run_callback(self._tell_lost)
            self._linger = self._hub.loop.timer(LINGER_S)
            self._linger.start(self._shut)

    def _shut(self) -> None:
        """Gives back the descriptor and every watcher."""
        for watcher in (self._reader, self._writer, self._linger):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reader = self._writer = self._linger = None
        self._unsent = b""
        self._transport.close()

    def _tell_lost(self) -> None:
        assert self._lost is not None
        error, detail = self._lost
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
