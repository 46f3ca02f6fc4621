"""How greenlets resolve names, wait for sockets and open WebSockets."""

import select
import socket
import ssl
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

import gevent
import gevent.select
import gevent.socket
from gevent import monkey
from gevent.hub import get_hub

from loadtests.wire.opening import WRITE, Endpoint, Opening
from loadtests.wire.race import Address, in_order, resolution_failed
from loadtests.wire.transport import Transport

RESOLVE_AGAIN_S: Final = 5.0
"""How long the answer of the resolver is used: a change in the DNS is seen that much later, and a reconnect storm asks
the resolver once in that time, not once a connection."""

# The native socket: gevent's own would add two watchers and a Python layer to every call.
_native_socket = monkey.get_original("socket", "socket")


class GreenletWaiting:
    """Blocks the calling greenlet only.

    Greenlets that resolve one name at the same time share one look-up; its answer is used for RESOLVE_AGAIN_S, an error
    only by those which waited for it.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asked: dict[tuple[str, int], gevent.Greenlet] = {}

    def resolve(self, host: str, port: int) -> list[Address]:
        """Raises ConnectionFailed."""
        asked_at, known = self._known.get((host, port), (0.0, []))
        if known and monotonic() - asked_at < RESOLVE_AGAIN_S:
            return known
        # A greenlet of its own: a user that gives up or is killed does not take the answer from the others.
        lookup = self._asked.get((host, port))
        if lookup is None:
            lookup = self._asked[host, port] = gevent.spawn(self._look_up, host, port)
        answer = lookup.get()
        if isinstance(answer, Exception):
            raise resolution_failed(host, answer)
        return answer  # type: ignore[no-any-return]

    def _look_up(self, host: str, port: int) -> list[Address] | Exception:
        asked_at = monotonic()
        try:
            found: list[Any] = gevent.socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        except Exception as error:
            return error
        finally:
            del self._asked[host, port]
        addresses = in_order(found)
        self._known[host, port] = asked_at, addresses
        return addresses

    @staticmethod
    def new_socket(family: int, kind: int) -> socket.socket:
        return _native_socket(family, kind)  # type: ignore[no-any-return]

    @staticmethod
    def wait(descriptor: int, event: int, timeout_s: float | None = None) -> bool:
        hub = get_hub()
        watcher = hub.loop.io(descriptor, event)
        try:
            if timeout_s is None:
                hub.wait(watcher)
                return True
            with gevent.Timeout(timeout_s, False):
                hub.wait(watcher)
                return True
            return False
        finally:
            watcher.close()

    @staticmethod
    def wait_writable(sockets: Sequence[socket.socket], timeout_s: float | None) -> list[socket.socket]:
        if len(sockets) == 1 and timeout_s is None:  # nearly always: it saves 30 us
            GreenletWaiting.wait(sockets[0].fileno(), WRITE)
            return list(sockets)
        poll = gevent.select.poll()
        for one in sockets:
            poll.register(one, select.POLLOUT)
        ready = dict(poll.poll(None if timeout_s is None else timeout_s * 1000))
        return [one for one in sockets if one.fileno() in ready]


_WAITING: Final = GreenletWaiting()


def open_websocket(endpoint: Endpoint, timeout_s: float, tls: ssl.SSLContext | None) -> tuple[Transport, bytes]:
    """A transport on which both sides have agreed to speak WebSocket, and the bytes that came behind the agreement.

    Raises ConnectionFailed, at the latest after `timeout_s`; ValueError when the URL is not ws:// or wss://.
    """
    opening = Opening(endpoint, tls, _WAITING)
    deadline = gevent.Timeout.start_new(timeout_s)
    try:
        return opening.run()
    except gevent.Timeout as timeout:
        if timeout is not deadline:
            raise
        raise opening.timed_out(timeout_s) from None
    finally:
        deadline.close()
