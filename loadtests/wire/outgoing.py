"""Bytes on their way to a server: what its socket does not take at once is kept and sent when there is room."""

from collections.abc import Callable
from typing import Any, Final

from gevent.hub import get_hub

from loadtests.wire.failures import local_error
from loadtests.wire.opening import WRITE
from loadtests.wire.transport import Transport

MAX_UNSENT_BYTES: Final = 16 << 20
"""Bytes kept for a server that does not read; more breaks the connection."""


class Outgoing:
    """The sending half of an open connection. `on_broken` is called with an error and a sentence."""

    __slots__ = ("_on_broken", "_transport", "_unsent", "_writer")

    def __init__(self, transport: Transport, on_broken: Callable[[str, str], None]) -> None:
        self._transport = transport
        self._on_broken = on_broken
        self._unsent = b""
        self._writer: Any = None

    def send(self, data: bytes) -> bool:
        """False when the connection broke before any of it was taken."""
        if self._unsent:
            self._unsent += data
            if len(self._unsent) > MAX_UNSENT_BYTES:
                self._on_broken("cut_off", f"the server does not read: {MAX_UNSENT_BYTES:,} bytes wait to be sent")
            return True
        try:
            sent = self._transport.send(data)
        except BlockingIOError:
            sent = 0
        except (OSError, MemoryError) as error:
            self._on_broken(*broken_by(error))
            return False
        self._unsent = data[sent:]
        if self._unsent or self._transport.buffers:
            self._flush()
        return True

    def close(self) -> None:
        """Nothing more is sent."""
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None
        self._unsent = b""

    def _flush(self) -> None:
        """Watches for room as long as something is left to send, here or in the transport."""
        try:
            flushed = self._transport.flush()
        except (OSError, MemoryError) as error:
            self._on_broken(*broken_by(error))
            return
        if self._unsent or not flushed:
            self._writer = self._writer or get_hub().loop.io(self._transport.fileno(), WRITE)
            self._writer.start(self._on_writable)

    def _on_writable(self) -> None:
        data, self._unsent = self._unsent, b""
        self._writer.stop()
        if data:
            self.send(data)
        else:
            self._flush()


def broken_by(error: OSError | MemoryError) -> tuple[str, str]:
    """Error and sentence of a connection that broke."""
    return local_error(error) or "cut_off", f"the connection broke: {error or type(error).__name__}"
