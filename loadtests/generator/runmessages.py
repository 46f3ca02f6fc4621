"""Messages of master and workers over Locust's own connection, and how clocks are compared.

Bodies are plain dicts, as Locust's messages are.
"""

from dataclasses import dataclass
from pathlib import Path

from loadtests.joining import derived, join_key

PLAN = "loadtests.plan"
"""Master → worker: the run, the worker's place in it, the clock pair. The worker prepares."""
READY = "loadtests.ready"
"""Worker → master: prepared, or `error`; whether it is remote, and how far its clock is off."""
BEGIN = "loadtests.begin"
"""Master → worker: when the stages begin."""
PROGRESS = "loadtests.progress"
"""Worker → master, four times a second: how far it has begun and written; live figures."""
STOP = "loadtests.stop"
"""Master → worker: end the load, keep every row."""
LEAVING = "loadtests.leaving"
"""Worker → master: it ends its load before the master has asked for that, and why."""
DRAINED = "loadtests.drained"
"""Worker → master: every row is kept; nothing comes after this."""
ROWS = "loadtests.rows"
"""Remote worker → master: a numbered batch of rows, sent again until acknowledged."""
ROWS_KEPT = "loadtests.rows_kept"
"""Master → remote worker: that batch is in the file."""
PING = "loadtests.ping"
PONG = "loadtests.pong"
"""Worker → master and back: whose clock is how far off."""

REFUSED = "loadtests.refused"
"""Master → worker: a message was refused, and why."""

MESSAGES_TO_MASTER = (READY, PROGRESS, LEAVING, DRAINED, ROWS, PING)


def secret_proof(secret: str, master: str, worker: str, client: str) -> str:
    """Shows that the worker with the id `client` signs tokens with this secret; `master` and `worker` are nonces."""
    return derived(join_key(secret), "signing secret", f"{master} {worker} {client}".encode()).hex() if secret else ""


def directory_identity(path: str) -> list[int]:
    """Device and inode of a directory; empty when there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return []
    return [status.st_dev, status.st_ino]


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far this process's CLOCK_MONOTONIC is ahead of the master's, give or take `error_ns`."""

    offset_ns: int = 0
    error_ns: int = 0

    @property
    def shared(self) -> bool:
        """Whether it may be the same clock."""
        return abs(self.offset_ns) <= self.error_ns

    @classmethod
    def of_ping(cls, sent_ns: int, master_ns: int, received_ns: int) -> "ClockOffset":
        """From one ping: the master read its clock at some moment between our sending and receiving."""
        return cls((sent_ns + received_ns) // 2 - master_ns, (received_ns - sent_ns + 1) // 2)
