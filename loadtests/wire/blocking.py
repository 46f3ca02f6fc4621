"""A WebSocket without greenlets, for a process that tries one connection and closes it."""

import select
import socket
import ssl
from collections.abc import Mapping, Sequence
from time import monotonic

from loadtests.protocols.contract import Client, Frame, Push, Reply, Send
from loadtests.wire.failures import ConnectionFailed
from loadtests.wire.frames import Incoming, client_frame
from loadtests.wire.opening import WRITE, Endpoint, Opening, race_to, receive_some, send_all
from loadtests.wire.race import Address, in_order, resolution_failed


class TimeIsOver(Exception):
    """Not an OSError: no part of the wire takes it for one of the server's."""


class ThreadWaiting:
    """Blocks the thread, until `timeout_s` after it was made at the latest; then every wait raises TimeIsOver."""

    def __init__(self, timeout_s: float) -> None:
        self._until = monotonic() + timeout_s

    @staticmethod
    def resolve(host: str, port: int) -> list[Address]:
        try:
            return in_order(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            raise resolution_failed(host, error) from None

    @staticmethod
    def new_socket(family: int, kind: int) -> socket.socket:
        return socket.socket(family, kind)

    def wait_writable(self, sockets: Sequence[socket.socket], timeout_s: float | None) -> list[socket.socket]:
        ready = self._poll({s.fileno(): select.POLLOUT for s in sockets}, timeout_s)
        return [s for s in sockets if s.fileno() in ready]

    def wait(self, descriptor: int, event: int, timeout_s: float | None = None) -> bool:
        return bool(self._poll({descriptor: select.POLLOUT if event == WRITE else select.POLLIN}, timeout_s))

    def check(self) -> float:
        """The seconds that are left. Raises TimeIsOver: a server that sends without end keeps no caller waiting."""
        left_s = self._until - monotonic()
        if left_s <= 0:
            raise TimeIsOver
        return left_s

    def _poll(self, events: Mapping[int, int], timeout_s: float | None) -> list[int]:
        left_s = self.check()
        poll = select.poll()
        for descriptor, event in events.items():
            poll.register(descriptor, event)
        ready = poll.poll(max(0.0, left_s if timeout_s is None else min(left_s, timeout_s)) * 1000)
        if not ready and (timeout_s is None or timeout_s >= left_s):
            raise TimeIsOver
        return [descriptor for descriptor, _ in ready]


class BlockingConnection:
    """An open WebSocket, to be used in `with`."""

    def __init__(self, endpoint: Endpoint, client: Client, timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
        """`timeout_s` is for the whole life of the connection.

        Raises ConnectionFailed; ValueError when the URL is not ws:// or wss://."""
        self._client = client
        self._waiting = ThreadWaiting(timeout_s)
        opening = Opening(endpoint, tls, self._waiting)
        try:
            self._transport, received = opening.run()
        except TimeIsOver:
            raise opening.timed_out(timeout_s) from None
        self._incoming = Incoming()
        self._messages = self._incoming.receive(received) if received else []

    def __enter__(self) -> "BlockingConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def create(self, key: int) -> Reply | Push:
        """Asks for `connection.create`; the first reply or push that arrives. Raises ConnectionFailed (`cut_off`,
        `timeout`); ProtocolError for a message that is none."""
        try:
            self._send(self._client.open(key))
            while True:
                while not self._messages:
                    self._receive()
                for received in self._client.receive(self._messages.pop(0)):
                    if isinstance(received, Reply | Push):
                        return received
                    if isinstance(received, Send):
                        self._send(received.frames)
        except TimeIsOver:
            raise ConnectionFailed("timeout", "no reply to connection.create", sent=True) from None
        except OSError as error:
            raise ConnectionFailed("cut_off", f"the connection broke: {error}", sent=True) from None

    def leave(self) -> None:
        """Ends the server's connection and the WebSocket, without waiting for the server's part."""
        try:
            self._send(self._client.close(0))
            send_all(self._transport, self._incoming.goodbye(), self._waiting)
        except (OSError, TimeIsOver):
            pass

    def _send(self, messages: Sequence[Frame]) -> None:
        send_all(self._transport, b"".join(map(client_frame, messages)), self._waiting)

    def _receive(self) -> None:
        self._waiting.check()
        data = receive_some(self._transport, self._waiting)
        self._messages += self._incoming.receive(data)
        if self._messages:
            return
        if self._incoming.broken:
            raise ConnectionFailed("bad_reply", f"not WebSocket as agreed: {self._incoming.broken}", sent=True)
        if self._incoming.closed or not data:
            raise ConnectionFailed("cut_off", f"the server closed it: {self._incoming.closed or 'hung up'}", sent=True)
        if answers := self._incoming.answers():
            send_all(self._transport, answers, self._waiting)


def reach(host: str, port: int, timeout_s: float, networks: Sequence[str] = ()) -> None:
    """Connects and closes. Raises ConnectionFailed when no address accepts a connection within `timeout_s`."""
    waiting = ThreadWaiting(timeout_s)
    race = race_to(host, port, networks, waiting)
    try:
        race.run().close()
    except TimeIsOver:
        raise ConnectionFailed("timeout", f"{race.report()} within {timeout_s:g} s", connected=False) from None
