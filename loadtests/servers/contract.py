"""The interface of every private database server, and its errors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from loadtests.sanitize import sanitize_lines


class ServerUnavailable(Exception):
    """A database server could not be found, made, started or stopped. Commands exit with 69."""

    def __init__(self, message: str) -> None:
        super().__init__(sanitize_lines(message))


class SupervisorGone(ServerUnavailable):
    """The supervisor of a database server has ended, and its server with it."""


class DatabaseServer(Protocol):
    """A server with one database, on TCP loopback. Every method raises ServerUnavailable when it cannot do its work.

    `dsn` is a superuser's, for observer and ledger; `pod_dsn` an ordinary role's that owns the database. Port and
    passwords, and with them both, stay the same for the server's life, also over `recreate`. A context manager that
    starts at its beginning and destroys at its end.
    """

    @property
    def engine(self) -> str: ...

    @property
    def dsn(self) -> str: ...

    @property
    def pod_dsn(self) -> str: ...

    @property
    def pid(self) -> int:
        """Of the server's first process, which others may be below."""

    @property
    def version(self) -> str: ...

    @property
    def running(self) -> bool:
        """Also while it is paused."""

    @property
    def directory(self) -> Path:
        """Where it really lives: its data and its log are in there."""

    @property
    def limits(self) -> Mapping[str, int]:
        """The server's limits, as it reported when it was last started or resized: `connections` of pods,
        `open_files`, and its own settings by their names."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences for the user about where it runs."""

    def start(self) -> None:
        """Returns when connections are served."""

    def stop(self) -> None:
        """Stops it in order: committed data is kept. Has no effect when stopped."""

    def kill(self) -> None:
        """SIGKILL to every process of the server; `start` then recovers from its log. Has no effect when stopped."""

    def pause(self) -> None:
        """Every process stands still, connections stay open, until `resume`."""

    def resume(self) -> None:
        """Has no effect when not paused."""

    def resize(self, connections: int | None = None, memory_mb: int | None = None, cores: int | None = None) -> None:
        """Changes the given values; PostgreSQL restarts for connections and memory."""

    def recreate(self) -> None:
        """Stops, removes all data, and starts empty, at the same address and size."""

    def destroy(self) -> None:
        """Ends the server and removes its files. Has no effect a second time."""

    def log_tail(self) -> str:
        """The last lines of its log."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...
