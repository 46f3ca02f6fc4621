"""A protocol that is not like the others: binary frames, one-way messages proved by their echo, acknowledgements.

`O key` opens and is answered with `o key`; `M key text` sends and has no reply: every subscriber, the sender included,
gets `m key text`, which has to be acknowledged with `A key`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote

from loadtests.protocols.contract import (
    Command,
    Frame,
    Identity,
    Opened,
    Option,
    ProtocolError,
    Push,
    Received,
    Reply,
    Send,
    Spec,
    key_text,
)

CHAT = key_text(1)


class ToyClient:
    """The client half; it knows its messages that are under way."""

    def __init__(self, identity: Identity, options: Mapping[str, Option]) -> None:
        self._sent: set[int] = set()

    def open(self, key: int) -> Sequence[Frame]:
        return (b"O %d" % key,)

    def send(self, command: Command) -> Sequence[Frame]:
        self._sent.add(command.key)
        return (b"M %d %s" % (command.key, command.text.encode()),)

    def heartbeat(self, key: int) -> Sequence[Frame]:
        return ()

    def close(self, key: int) -> Sequence[Frame]:
        return ()

    def receive(self, frame: Frame) -> Sequence[Received]:
        kind, _, rest = (frame if isinstance(frame, bytes) else b"").partition(b" ")
        number, _, _ = rest.partition(b" ")
        if kind not in (b"o", b"m") or not number.isdigit():
            raise ProtocolError("expected o or m with a key")
        key = int(number)
        if kind == b"o":
            return (Opened(None), Reply(key, "ok"))
        push = Push("message.sent", "chat/" + CHAT, CHAT, key, None, None)
        received: list[Received] = [push, Send((b"A %d" % key,))]
        if key in self._sent:
            self._sent.discard(key)
            received.append(Reply(key, "ok"))
        return received


SPEC = Spec(
    name="toy",
    subprotocols=("toy.v2", "toy.v1"),
    operations=frozenset({"connection.create", "message.send"}),
    one_way=frozenset({"message.send"}),
    client=ToyClient,
    url=lambda url, identity: f"{url}?as={quote(identity.name)}",
    headers=lambda identity: {"Cookie": f"token={identity.token}", "X-Role": identity.role},
    options=MappingProxyType({"greeting": False, "limit": 10}),
)
