"""What a wire protocol is: values in, frames out, and back. Pure; no I/O.

The client half is one object for each connection. It maps the harness's keys to what the wire uses: request ids, packet
ids, the order of replies. The server half lets the reference pod speak the protocol.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from loadtests.sanitize import sanitize

if TYPE_CHECKING:
    from loadtests.protocols.serverhalf import Server

Frame = str | bytes
"""A WebSocket message: text or binary."""

Option = str | int | float | bool

QUEUE_TOPIC: Final = "queue"
"""The account's queue, where chats are offered."""

_MAX_PROBLEM: Final = 300
_KEY: Final = re.compile("[0-9a-f]{16}")


class ProtocolError(ValueError):
    """A frame that is not a message of the protocol. `key` is the request's, where it could be read."""

    def __init__(self, problem: str, key: str | None = None) -> None:
        super().__init__(sanitize(problem, _MAX_PROBLEM))
        self.key = key


class Identity(NamedTuple):
    """The client of a connection: the token of its account, `agent` or `customer`, a person's name."""

    token: str
    role: str
    name: str


class Command(NamedTuple):
    """A request of the workload. `key` is unique over all workers; topics and chats are named as in `Push`."""

    operation: str
    key: int
    topic: str = ""
    chat: str = ""
    text: str = ""


class Opened(NamedTuple):
    """The server accepted the connection and named a period for heartbeats, if any."""

    heartbeat_s: float | None


class Reply(NamedTuple):
    """The end of the operation with that key. `outcome` and `error` are names of `records.vocabulary`."""

    key: int
    outcome: str
    error: str = ""
    sequence: int | None = None
    """Of a subscription: the number of the last event on its topic."""
    chat: str | None = None
    """The chat's id, where the server assigns one: topics, requests and pushes have it from then on."""


class Push(NamedTuple):
    """An event as a client receives it. `topic` is `queue`, `chat/CHAT` or another name; `chat` may be empty.

    `kind` is `chat.offered`, `chat.accepted`, `chat.closed` or `message.sent`; `key` is that of the operation that
    caused it, `sequence` its number on the topic, `published_ns` the server's stamp (Unix).
    """

    kind: str
    topic: str
    chat: str
    key: int | None
    sequence: int | None
    published_ns: int | None


class Send(NamedTuple):
    """Frames that go out at once, such as an acknowledgement."""

    frames: Sequence[Frame]


Received = Opened | Reply | Push | Send


class Client(Protocol):
    """The client half. Every method but `receive` returns the frames to send."""

    def open(self, key: int) -> Sequence[Frame]:
        """`connection.create`, on a WebSocket that has opened. Ends with a Reply of that key."""

    def send(self, command: Command) -> Sequence[Frame]: ...

    def receive(self, frame: Frame) -> Iterable[Received]:
        """What a frame of the server says. Raises ProtocolError.

        The Reply of a one-way operation is the echo or push that proves it.
        """

    def heartbeat(self, key: int) -> Sequence[Frame]:
        """Ends with a Reply of that key; nothing where the protocol has no heartbeats."""

    def close(self, key: int) -> Sequence[Frame]:
        """`connection.close`, before the WebSocket is closed. Ends with a Reply of that key."""


@dataclass(frozen=True)
class Spec:
    """A protocol. `operations` are those that it can carry, `one_way` those of them without a reply of their own."""

    name: str
    subprotocols: tuple[str, ...]
    """Offered in the handshake; the server has to choose one. Empty: none is negotiated."""
    operations: frozenset[str]
    client: Callable[[Identity, Mapping[str, Option]], Client]
    one_way: frozenset[str] = frozenset()
    url: Callable[[str, Identity], str] = lambda url, _: url
    """The address of a connection, from that of the target: path and query."""
    headers: Callable[[Identity], Mapping[str, str]] = lambda _: {}
    """Further header fields of the handshake, cookies included."""
    options: Mapping[str, Option] = field(default_factory=lambda: MappingProxyType({}))
    """Names with their defaults, which show the type."""
    server: "Callable[[], Server] | None" = None
    """Lets the reference pod speak it; None: targets only."""


# Keys, chats and topics as the harness writes them.


def key_text(key: int) -> str:
    """A key in 16 hexadecimal digits, in lower case."""
    return f"{key:016x}"


is_key = _KEY.fullmatch
"""Whether a text is a key: its match, or None."""


def key_number(key: str) -> int:
    """The inverse of `key_text`. Raises ProtocolError for anything else."""
    if not _KEY.fullmatch(key):
        raise ProtocolError(f"a key is 16 hexadecimal digits in lower case, not {key[:40]!r}")
    return int(key, 16)


@lru_cache(maxsize=4096)
def chat_number(chat: str) -> int:
    """The number of a chat in the tables: the key of its offer, or a hash of an id that the server made."""
    if _KEY.fullmatch(chat):
        return int(chat, 16)
    return int.from_bytes(blake2b(chat.encode(errors="replace"), digest_size=8).digest(), "big") >> 1


def chat_topic(chat: str) -> str:
    return f"chat/{chat}"


def chat_of_topic(topic: str) -> str:
    """The chat whose topic that is; empty where it is none's."""
    chat = topic.removeprefix("chat/")
    return chat if chat != topic else ""
