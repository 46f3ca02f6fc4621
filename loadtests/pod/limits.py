"""What a pod allows and how long it waits: one value, stated in `docs/protocol.md`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    resume_within_s: float = 30.0
    """How long a silent connection can be resumed; after that it is reaped with its subscriptions."""
    heartbeat_s: float = 10.0
    """How often a client with nothing to say should send a heartbeat."""
    touch_every_s: float = 2.0
    """How often the storage is updated, in one batch, with the connections that were active."""
    reap_every_s: float = 2.0
    greeting_within_s: float = 10.0
    """How long a WebSocket may stay open without having created or resumed a connection."""
    gap_wait_s: float = 0.25
    """How long a later event waits for the one before it, until the storage is asked for what is missing."""
    drain_within_s: float = 5.0
    close_within_s: float = 2.0
    """How long a peer has to answer a closing handshake."""
    max_message_bytes: int = 64 * 1024
    """The largest frame."""
    max_text_bytes: int = 16 * 1024
    """The longest subject or text."""
    max_name_bytes: int = 200
    max_subscriptions: int = 64
    max_backlog_bytes: int = 1024 * 1024
    """What may wait for a slow consumer before its WebSocket is closed."""

    @property
    def silent_s(self) -> float:
        """Silence after which a connection is reaped: what the storage knows of it is at most one batch old."""
        return self.resume_within_s + self.touch_every_s
