"""The control connection between a master and a worker host: one JSON object a line, in both directions.

It lasts for the whole study and shares the port of `--bind` with Locust: between runs the conductor listens there,
during a run the Locust master does. Connections that are established stay so.

| from | `event` | further fields |
|---|---|---|
| master | `welcome` | `protocol`, `nonce` |
| worker host | `hello` | `protocol`, `version`, `node`, `host`, `processes`, `proof` |
| master | `accepted` | `address`: that of the worker host, as the master sees it |
| master | `refused` | `reason` |
| master | `run` | `name` |
| worker host | `starting` | |
| worker host | `ended` | `how`, in words; empty when a worker process ended with exit code 0 |
| master | `over` | |
"""

import hashlib
import hmac
import json
import select
import socket
import time
from typing import Any, Final

PROTOCOL: Final = 1

_LONGEST_LINE: Final = 64 << 10
_SEND_WITHIN_S: Final = 5.0

_KEEPALIVE: Final = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 4}
"""A host or network that has vanished is noticed after 13 s. Kernels answer these probes: a process that is starved or
stopped keeps its connection."""

_ZMTP: Final = b"\xff"
"""The first byte that Locust's own connections send."""


class LinkClosed(Exception):
    """The other side is gone, or does not speak this protocol. The message says which."""


class WrongProtocol(LinkClosed):
    """The other side sent something else."""


class LocustListens(WrongProtocol):
    """The other side is Locust: a master during a run, or a worker that was not started by this command."""


class Link:
    """One end of a control connection. `receive` and `send` raise LinkClosed."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._received = b""
        connected.setblocking(False)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def peer(self) -> str:
        """The other side's address."""
        try:
            return str(self._socket.getpeername()[0]).removeprefix("::ffff:")
        except OSError:
            return ""

    def send(self, event: str, **fields: Any) -> None:
        data = json.dumps({"event": event, **fields}).encode() + b"\n"
        try:
            self._socket.settimeout(_SEND_WITHIN_S)
            self._socket.sendall(data)
        except OSError as error:
            raise LinkClosed(f"the connection broke: {error.strerror or error}") from None
        finally:
            if self.fileno() >= 0:
                self._socket.setblocking(False)

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message; None when none comes in time."""
        until = time.monotonic() + timeout_s
        while b"\n" not in self._received:
            left_s = until - time.monotonic()
            if not select.select([self._socket], [], [], max(left_s, 0.0))[0]:
                return None
            self._read()
        line, _, self._received = self._received.partition(b"\n")
        return _message(line)

    def _read(self) -> None:
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            raise LinkClosed(f"the connection broke: {error.strerror or error}") from None
        if not data:
            raise LinkClosed("it closed the connection")
        self._received += data
        if self._received.startswith(_ZMTP):
            raise LocustListens("it speaks Locust's own protocol")
        if len(self._received) > _LONGEST_LINE:
            raise WrongProtocol("it does not speak the protocol of `loadtests run --worker`")

    def close(self) -> None:
        self._socket.close()


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
        if isinstance(message["event"], str):
            return dict(message)
    except (ValueError, TypeError, KeyError):
        pass
    raise WrongProtocol("it does not speak the protocol of `loadtests run --worker`")


def proof(secret: str, nonce: str) -> str:
    """Shows that both sides sign tokens with the same secret, which itself is not sent. Empty without a secret."""
    return hmac.new(secret.encode(), f"worker {nonce}".encode(), hashlib.sha256).hexdigest() if secret else ""
