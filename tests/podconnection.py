"""A connection that speaks `messaging-pod.v1` with requests of any shape, for tests of what is below the protocol."""

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from loadtests.protocols.contract import Frame, Identity, Received, Reply, key_text
from loadtests.protocols.messaging_pod import SUBPROTOCOL, MessagingPodClient, encode_request
from loadtests.wire.blocking import BlockingConnection
from loadtests.wire.connection import Connection
from loadtests.wire.failures import TimedReply
from loadtests.wire.opening import Endpoint


class WholeReply(Reply):
    """A reply with every field that the server sent."""

    body: dict[str, Any]


class WholeClient(MessagingPodClient):
    """The client half, whose replies hold what they came with."""

    def __init__(self) -> None:
        super().__init__(Identity("t", "agent", "Ada"), {})

    def receive(self, frame: Frame) -> Sequence[Received]:
        found = super().receive(frame)
        for place, received in enumerate(found):
            if isinstance(received, Reply):
                whole = WholeReply(*received)
                whole.body = orjson.loads(frame)
                return [*found[:place], whole]
        return found


def endpoint(url: str, networks: Sequence[str] = ()) -> Endpoint:
    return Endpoint(url, (SUBPROTOCOL,), networks=tuple(networks))


def connect(
    url: str,
    *,
    timeout_s: float = 5,
    on_push: Any = lambda *_: None,
    on_lost: Any = None,
    tls: ssl.SSLContext | None = None,
    networks: Sequence[str] = (),
) -> Connection:
    return Connection.open(
        endpoint(url, networks), WholeClient(), timeout_s=timeout_s, on_push=on_push, on_lost=on_lost, tls=tls
    )


def connect_blocking(url: str, timeout_s: float, tls: ssl.SSLContext | None = None) -> BlockingConnection:
    return BlockingConnection(endpoint(url), WholeClient(), timeout_s, tls)


def ask(connection: Connection, kind: str, key: int, body: Mapping[str, Any], timeout_s: float) -> TimedReply:
    return connection.request(key, [encode_request(kind, key_text(key), body)], timeout_s)
