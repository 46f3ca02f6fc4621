"""The control connection between a master and a worker host: one JSON object a line, in both directions.

It lasts for the whole study and shares the port of `--bind` with Locust: between runs the conductor listens there,
during a run the Locust master does. Connections that are established stay so.

| from | `event` | further fields |
|---|---|---|
| master | `welcome` | `protocol`, `nonce` |
| worker host | `hello` | `protocol`, `version`, `node`, `host`, `processes`, `nonce`, `proofs`, `secret_proof` |
| master | `accepted` | `address`: that of the worker host, as the master sees it |
| master | `refused` | `reason` |
| master | `run` | `name`, `nonce` |
| worker host | `starting` | |
| worker host | `ended` | `how`, in words; empty when a worker process ended with exit code 0 |
| master | `over` | |

After the hello each line begins with its authentication code (`hosts/session.py`). Only a refusal of a host that has
proved nothing comes without one. Lines are not encrypted: no secret is in any of them.
"""

import json
import select
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from loadtests.conductor.hosts.session import ControlSession

PROTOCOL: Final = 2

_LONGEST_LINE: Final = 64 << 10
_LONGEST_FIRST_LINE: Final = 4 << 10
"""Before the other side has proved anything."""

_SEND_WITHIN_S: Final = 5.0

_KEEPALIVE: Final = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 4}
"""A host or network that has vanished is noticed after 13 s. Kernels answer these probes: a process that is starved or
stopped keeps its connection."""

_ZMTP: Final = b"\xff"
"""The first byte that Locust's own connections send."""

_FOREIGN: Final = "it does not speak the protocol of `loadtests run --worker`"


class LinkClosed(Exception):
    """The other side is gone, or does not speak this protocol. The message says which."""


class WrongProtocol(LinkClosed):
    """The other side sent something else."""


class Unproven(WrongProtocol):
    """The other side did not prove that it has the same secret."""


class LocustListens(WrongProtocol):
    """The other side is Locust: a master during a run, or a worker that was not started by this command."""


class Link:
    """One end of a control connection. `receive` and `send` raise LinkClosed."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._received = b""
        self._session: ControlSession | None = None
        self._possible: list[ControlSession] | None = None
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
        data = json.dumps({"event": event, **fields}).encode()
        data = (data if self._session is None else self._session.signed(data)) + b"\n"
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
        return self._message(line)

    def _message(self, line: bytes) -> dict[str, Any]:
        if self._session is not None:
            return _parsed(self._verified(self._session, line))
        return _parsed(line) if self._possible is None else self._first_signed(line, self._possible)

    def _first_signed(self, line: bytes, possible: Sequence[ControlSession]) -> dict[str, Any]:
        for session in possible:
            if (data := session.verified(line)) is not None:
                self._session = session
                return _parsed(data)
        with suppress(WrongProtocol):
            if (message := _parsed(line))["event"] == "refused":
                return message
        raise Unproven("it did not prove that it has the same secret")

    @staticmethod
    def _verified(session: ControlSession, line: bytes) -> bytes:
        if (data := session.verified(line)) is None:
            raise WrongProtocol("a line was not sent by the other side, or was changed on its way")
        return data

    def secure(self, session: ControlSession) -> None:
        """Signs each line that is sent from now on, and accepts signed lines only."""
        self._session = session

    def require_proof(self, sessions: Sequence[ControlSession]) -> None:
        """Accepts lines from now on that one of these sessions verifies, which becomes the connection's own, and an
        unsigned refusal. Raises Unproven at others."""
        self._possible = list(sessions)

    @property
    def session(self) -> ControlSession | None:
        """The session of the connection; None while the other side has not proved anything."""
        return self._session

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
        if self._session is None and self._received.startswith(_ZMTP):
            raise LocustListens("it speaks Locust's own protocol")
        longest = _LONGEST_FIRST_LINE if self._session is None else _LONGEST_LINE
        if len(self._received.partition(b"\n")[0]) > longest:
            raise WrongProtocol(_FOREIGN)

    def close(self) -> None:
        self._socket.close()


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
        if isinstance(message["event"], str):
            return dict(message)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise WrongProtocol(_FOREIGN)
