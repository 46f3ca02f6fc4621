"""What an engine has to bring: sessions that speak its dialect, and what its errors mean."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from loadtests.pod.storage.contract import StorageError
from loadtests.pod.storage.statements import load_all

Row = Any
"""One row: values in the order of the statement's columns."""

STATEMENT_FILES = ("common", "accounts", "foreign_keys", "pessimistic", "optimistic", "none")
"""The files that every engine has. The names of statements, the meaning and order of their values (`$1` …) and of
their columns are the same in all engines; how they are put is the engine's own."""


def statements(room: Path) -> Mapping[str, str]:
    """The statements of an engine whose files are in the directory `room`: name → text."""
    return load_all(room, STATEMENT_FILES)


class TransactionSession(ABC):
    """One transaction under way, for one call. Statements are named as in the engine's files."""

    account: str
    key: str

    @abstractmethod
    async def rows(self, statement: str, *values: Any) -> Sequence[Row]: ...

    @abstractmethod
    async def run(self, statement: str, *values: Any) -> int:
        """Runs a change and returns how many rows it made, changed or removed."""

    @abstractmethod
    async def run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Inserts many rows."""

    async def row(self, statement: str, *values: Any) -> Row | None:
        """The first row, or None."""
        rows = await self.rows(statement, *values)
        return rows[0] if rows else None

    async def value(self, statement: str, *values: Any) -> Any:
        """The first row's first column, or None."""
        row = await self.row(statement, *values)
        return None if row is None else row[0]


class SqlConnection(Protocol):
    """A session with the server, used by one transaction at a time."""

    @property
    def number(self) -> int:
        """What the server itself calls the session."""

    async def begin(self, operation: str, snapshot: bool) -> None:
        """Begins a transaction and names it, in one round trip. `snapshot`: all it reads is of one moment."""

    async def fetch(self, text: str, values: Sequence[Any]) -> Sequence[Row]: ...

    async def execute(self, text: str, values: Sequence[Any]) -> int:
        """Runs a change and returns how many rows it made, changed or removed."""

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Inserts many rows. `text` ends in its `VALUES (…)`."""

    async def commit(self) -> None: ...

    async def rollback(self) -> None:
        """Has no effect where nothing has begun."""

    def drop(self) -> None:
        """Cuts the session off, also in mid-statement: the pool opens another one in its place."""


class Driver(Protocol):
    """An engine as the pod uses it. `title` is the engine's name in messages; `errors` are all that its driver
    raises. `session_settings` and `pool_size` are those of the sessions that `open` makes possible."""

    engine: str
    title: str
    errors: tuple[type[Exception], ...]
    statements: Mapping[str, str]
    session_settings: Mapping[str, str]
    pool_size: int

    async def open(self) -> None:
        """Connects and makes the tables. Raises StorageUnavailable."""

    async def make_schema(self) -> None:
        """Makes the tables that are not there. Raises one of `errors`, or StorageUnavailable."""

    async def close(self) -> None:
        """In bounded time."""

    def session(self) -> AbstractAsyncContextManager[SqlConnection]:
        """A session from the pool. Raises StorageUnavailable when there is none to be had in time."""

    def label(self, operation: str) -> str:
        """What the comment in front of every statement says."""

    def classify(self, error: BaseException, committing: bool) -> tuple[str, StorageError | None]:
        """The transaction's outcome, and what its caller gets instead of `error`; None: `error` itself."""


class TryAgainError(StorageError):
    """The transaction came to nothing because of another one: worth trying again."""


class OvertakenError(TryAgainError):
    """What had been read no longer held when it was written: a strategy's own conflict."""
