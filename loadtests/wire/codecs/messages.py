"""The messages of `messaging-pod.v1`: values ↔ JSON text, no I/O (`docs/protocol.md` is the reference)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """A push: something that happened on a topic, with its number there and the pod's time stamp (Unix ns)."""

    account: str
    topic: str
    sequence: int
    kind: str
    chat: str
    key: str
    by: str
    text: str
    published_ns: int
