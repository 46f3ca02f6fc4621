"""Bytes over a non-blocking socket, plain or TLS: `recv` and `send` raise BlockingIOError instead of waiting."""

import ssl
from typing import Protocol

from gevent import socket


class Transport(Protocol):
    """`recv` gives b"" at the end of the stream; all raise OSError when the connection is broken."""

    def fileno(self) -> int: ...

    def recv(self, size: int) -> bytes: ...

    def send(self, data: bytes) -> int: ...

    def close(self) -> None: ...


class PlainTransport:
    """A native socket as it is: its own methods, with no layer between."""

    __slots__ = ("close", "fileno", "recv", "send")

    def __init__(self, connected: socket.socket) -> None:
        self.fileno = connected.fileno
        self.recv = connected.recv
        self.send = connected.send
        self.close = connected.close


class TlsTransport:
    """TLS over memory buffers, so that the socket beneath can be watched like a plain one."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._socket = connected
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._unsent = b""

    def fileno(self) -> int:
        return int(self._socket.fileno())

    def handshake(self) -> bool:
        """One step of the handshake: whether it is done. Call again when the socket is readable."""
        self._fetch()
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._flush()
        return True

    def recv(self, size: int) -> bytes:
        """Everything readable now: no decrypted byte stays behind, which no watcher would tell of."""
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
        if not decrypted and not ended:
            raise BlockingIOError
        return b"".join(decrypted)

    def send(self, data: bytes) -> int:
        """Takes all of `data` or, while earlier bytes wait for the socket, raises BlockingIOError."""
        self._flush()
        if self._unsent:
            raise BlockingIOError
        self._tls.write(data)
        self._flush()
        return len(data)

    def close(self) -> None:
        self._socket.close()

    def _fetch(self, size: int = 65536) -> bool:
        """Moves received bytes to the decoder; True at the end of the stream."""
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            return False
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return not data

    def _flush(self) -> None:
        self._unsent += self._outgoing.read()
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            pass
