"""Bytes over a non-blocking socket, plain or TLS: `recv` and `send` raise BlockingIOError instead of waiting."""

import socket
import ssl
import struct
import sys
from collections.abc import Sequence
from time import monotonic_ns, time_ns
from typing import Final

from loadtests.wire.failures import local_error

_SO_TIMESTAMPNS: Final = 35
"""Of Linux, which Python does not name: the kernel stamps what comes with the Unix time, in its softirq."""

_TIMESPEC: Final = struct.Struct("@ll")
_STAMP_BYTES: Final = socket.CMSG_SPACE(_TIMESPEC.size)

_OLDEST_NS: Final = 60_000_000_000
"""An age beyond it is a Unix clock that was set between arrival and reading, not a stamp to believe."""

MAX_SILENT_TLS_BYTES: Final = 1 << 20
"""TLS records without data, such as session tickets, that may come one after another."""


class PlainTransport:
    """A native socket: its own methods, and the kernel's stamp of what comes."""

    __slots__ = ("_recvmsg", "close", "fileno", "kernel_times", "received_ns", "send")
    buffers = False
    """Whether `send` may take bytes that the socket has not; `flush` sends them."""

    def __init__(self, connected: socket.socket) -> None:
        self.kernel_times: bool = _stamped(connected)
        """Whether the kernel stamps what arrives; else `received_ns` is when the bytes were read."""
        self._recvmsg = connected.recvmsg
        self.fileno = connected.fileno
        self.send = connected.send
        self.close = connected.close
        self.received_ns: int = monotonic_ns()
        """When the last bytes of `recv` came to this host (CLOCK_MONOTONIC), however late they were read."""

    def recv(self, size: int) -> bytes:
        data, ancillary, _, _ = self._recvmsg(size, _STAMP_BYTES)
        self.received_ns = _arrived_ns(ancillary)
        return data

    @staticmethod
    def flush() -> bool:
        """`send` takes no more than the socket does."""
        return True


def _set_stamp(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def _stamped(connected: socket.socket) -> bool:
    """Asks the kernel to stamp what arrives; False where it cannot: gVisor, an old WSL, a seccomp filter, no Linux."""
    if sys.platform != "linux":
        return False
    try:
        _set_stamp(connected)
    except OSError as error:
        if local_error(error):
            raise
        return False
    return True


def _arrived_ns(ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    """By the kernel's stamp; now, where it gave none. A generator that is busy with another reply does not add its
    own delay to the latency."""
    if ancillary:
        seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
        # The Unix clock first: what comes between the two readings makes the arrival late, never too early.
        age_ns: int = time_ns() - (seconds * 1_000_000_000 + nanoseconds)
        if 0 <= age_ns < _OLDEST_NS:
            return monotonic_ns() - age_ns
    return monotonic_ns()


class TlsTransport:
    """TLS over memory buffers, so that the socket beneath can be watched like a plain one."""

    buffers = True

    def __init__(self, connected: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._plain = PlainTransport(connected)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._unsent = b""
        self._silent_bytes = 0
        self.first_bytes = b""
        """What the server sent first, while the handshake goes on."""

    @property
    def received_ns(self) -> int:
        return self._plain.received_ns

    @property
    def kernel_times(self) -> bool:
        return self._plain.kernel_times

    def fileno(self) -> int:
        return int(self._plain.fileno())

    def handshake(self) -> bool:
        """One step of the handshake: whether it is done. Call again when the socket is readable."""
        self._fetch()
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self.flush()
            return False
        self.flush()
        return True

    def recv(self, size: int) -> bytes:
        """Everything readable now: a decrypted byte that stays behind would wake no watcher."""
        ended = self._fetch(size)
        decrypted = []
        try:
            while data := self._tls.read(size):
                decrypted.append(data)
            ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLEOFError:
            ended = True
        if decrypted:
            self._silent_bytes = 0
        elif self._silent_bytes > MAX_SILENT_TLS_BYTES:
            raise ConnectionAbortedError(f"{MAX_SILENT_TLS_BYTES:,} bytes of TLS records without data")
        elif not ended:
            raise BlockingIOError
        return b"".join(decrypted)

    def send(self, data: bytes) -> int:
        """Takes all of `data` or, while earlier bytes wait for the socket, raises BlockingIOError."""
        if not self.flush():
            raise BlockingIOError
        self._tls.write(data)
        return len(data)

    def close(self) -> None:
        self._plain.close()

    def _fetch(self, size: int = 65536) -> bool:
        """Moves received bytes to the decoder; True at the end of the stream."""
        try:
            data = self._plain.recv(size)
        except BlockingIOError:
            return False
        if data:
            self.first_bytes = self.first_bytes or data[:64]
            self._silent_bytes += len(data)
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return not data

    def flush(self) -> bool:
        """Sends what the encoder gave and the socket has not taken yet; whether nothing of it is left."""
        self._unsent += self._outgoing.read()
        try:
            while self._unsent:
                self._unsent = self._unsent[self._plain.send(self._unsent) :]
        except BlockingIOError:
            return False
        return True


Transport = PlainTransport | TlsTransport
"""`recv` gives b"" at the end of the stream; `send` returns how many bytes were taken, none when it raises, and needs a
`flush` afterwards. All raise OSError when the connection is broken."""
