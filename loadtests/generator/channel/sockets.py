# mypy: disable-error-code="no-untyped-call"
"""Locust's sockets over CurveZMQ: encrypted, and for those only that have the join token.

Each worker process has a key pair of its own. The master binds a worker's id to the key that used it first, so that no
other worker can take the id over, not even when its connection is gone for a moment.
"""

import logging
import os
import sys
import time
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Final

import gevent
import zmq
from locust import runners
from locust.exception import RPCError
from locust.rpc import Message, zmqrpc
from zmq.utils.monitor import parse_monitor_message

from loadtests.commandline import EX_UNAVAILABLE
from loadtests.generator import runmessages
from loadtests.generator.channel import tokens
from loadtests.generator.channel.guard import Refusals
from loadtests.generator.channel.messages import Refused, read_message
from loadtests.generator.channel.tokens import server_keys
from loadtests.joining import JOIN_TOKEN

MAX_MESSAGE: Final = 256 << 10
"""Bytes of a message to the master. A connection that has not proved anything costs at most so much memory."""

_HANDSHAKE_MS: Final = 10_000
_MOST_IDS: Final = 1024
_PAUSE_AFTER: Final = 64
_PAUSE_S: Final = 0.001
"""A worker that sends without end gets 64,000 messages a second read; the master's other greenlets go on."""

_REPORT_EVERY_S: Final = 10.0
_FAILED: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)

_OPENED: Final = zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _keys_of(_process: int) -> tuple[bytes, bytes]:
    return zmq.curve_keypair()


def install() -> None:
    """Has Locust's runners use these sockets."""
    if not zmq.has("curve"):
        print("loadtests: pyzmq was built without CurveZMQ: install its wheel", file=sys.stderr)
        sys.exit(EX_UNAVAILABLE)
    runners.rpc = SimpleNamespace(Server=MasterSocket, Client=WorkerSocket)  # type: ignore[assignment,attr-defined]


class MasterSocket(zmqrpc.Server):
    """The master's socket. `recv_from_client` returns valid messages of known senders only."""

    def __init__(self, host: str, port: int) -> None:
        zmqrpc.BaseSocket.__init__(self, zmq.ROUTER, self.ipv4_only(host, port))
        _, secret = server_keys(tokens.token())
        self.socket.curve_server = True
        self.socket.curve_secretkey = secret
        self.socket.setsockopt(zmq.ZAP_DOMAIN, b"workers")
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self.socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
        self._keys: dict[str, str] = {}
        self._read = 0
        self.refusals = Refusals(self._send_refusal)
        self._authenticator = self.socket.context.socket(zmq.REP)
        self._authenticator.bind("inproc://zeromq.zap.01")
        monitor = self.socket.get_monitor_socket(_FAILED)
        self._greenlets = [gevent.spawn(self._authenticate), gevent.spawn(self._report_failures, monitor)]
        try:
            self.port = self.socket.bind_to_random_port(f"tcp://{host}") if port == 0 else port
            if port:
                self.socket.bind(f"tcp://{host}:{port}")
        except zmq.ZMQError as error:
            raise RPCError(f"Socket bind failure: {error}") from error

    def recv_from_client(self) -> tuple[str, Message]:
        while True:
            try:
                frames = self.socket.recv_multipart(copy=False)
            except zmq.ZMQError as error:
                raise RPCError("ZMQ network broken") from error
            self._read += 1
            if self._read % _PAUSE_AFTER == 0:
                gevent.sleep(_PAUSE_S)
            try:
                sender = self._sender(frames)
            except Refused as refused:
                self.refusals.report("", str(refused))
                continue
            try:
                return sender, read_message(frames[1].buffer, sender)
            except Refused as refused:
                self.refusals.report(sender, str(refused))

    def _sender(self, frames: list[Any]) -> str:
        """The id of the worker that sent it. Raises Refused when another key has used the id."""
        if len(frames) != 2:
            raise Refused(f"it has {len(frames)} frames, expected 2")
        try:
            sender: str = frames[0].bytes.decode("ascii")
            key = frames[1].get("User-Id")
        except (UnicodeDecodeError, zmq.ZMQError):
            raise Refused("its id is not ASCII") from None
        if not sender.isprintable():
            raise Refused("its id has control characters")
        if sender not in self._keys and len(self._keys) >= _MOST_IDS:
            raise Refused(f"there are {_MOST_IDS} ids of workers already")
        if self._keys.setdefault(sender, key) != key:
            raise Refused("its id is that of another worker")
        return sender

    def _send_refusal(self, sender: str, reason: str) -> None:
        try:
            self.socket.send_multipart(
                [sender.encode(), Message(runmessages.REFUSED, {"reason": reason}, sender).serialize()], zmq.NOBLOCK
            )
        except zmq.ZMQError:
            _log.debug("a refusal cannot be sent to %s", sender)

    def _authenticate(self) -> None:
        """Answers ZMQ's authentication requests (ZAP): names each connection by its key. Its handshake has shown that
        it has the join token."""
        while True:
            version, request, *_, key = self._authenticator.recv_multipart()
            self._authenticator.send_multipart([version, request, b"200", b"OK", key.hex().encode(), b""])

    def _report_failures(self, monitor: Any) -> None:
        """Logs that connections were refused, with how many, at most once in ten seconds."""
        failed, due = 0, 0.0
        while True:
            monitor.recv_multipart()
            failed += 1
            if time.monotonic() >= due:
                _log.warning("refused %d connections to port %s: they did not prove the join token", failed, self.port)
                failed, due = 0, time.monotonic() + _REPORT_EVERY_S

    def close(self, linger: int | None = None) -> None:
        gevent.killall(self._greenlets)
        self.socket.disable_monitor()
        self._authenticator.close(linger=0)
        super().close(linger)


class WorkerSocket(zmqrpc.Client):
    def __init__(self, host: str, port: int, identity: str) -> None:
        zmqrpc.BaseSocket.__init__(self, zmq.DEALER, self.ipv4_only(host, port))
        public, secret = _keys_of(os.getpid())  # a fork has others
        self.socket.curve_serverkey, _ = server_keys(tokens.token())
        self.socket.curve_publickey, self.socket.curve_secretkey = public, secret
        self.socket.setsockopt(zmq.IDENTITY, identity.encode())
        self._place = f"{host}:{port}"
        monitor = self.socket.get_monitor_socket(_OPENED | _FAILED | zmq.EVENT_DISCONNECTED)
        self._greenlet = gevent.spawn(self._report_refusals, monitor)
        self.socket.connect(f"tcp://{host}:{port}")

    def send(self, msg: Message) -> None:
        """Sends it, unless the master would refuse it for its size and close the connection."""
        if len(msg.serialize()) > MAX_MESSAGE:
            _log.warning("a message of type %s is too large for the master and is not sent", msg.type)
            return
        super().send(msg)

    def _report_refusals(self, monitor: Any) -> None:
        """Logs that the master closes connections during the handshake, at most once in ten seconds."""
        due, opening = 0.0, False
        while True:
            event = parse_monitor_message(monitor.recv_multipart())["event"]
            if not event & _OPENED and opening and time.monotonic() >= due:
                due = time.monotonic() + _REPORT_EVERY_S
                _log.warning(
                    "the master at %s refuses connections: set %s to the same text for master and workers, and install"
                    " the same version",
                    self._place,
                    JOIN_TOKEN,
                )
            opening = event == zmq.EVENT_CONNECTED

    def close(self, linger: int | None = None) -> None:
        self._greenlet.kill()
        self.socket.disable_monitor()
        super().close(linger)
