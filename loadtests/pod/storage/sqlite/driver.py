"""SQLite sessions and the threads that use them."""

import asyncio
import json
import queue
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import apsw

from loadtests.drivers.sqlite import connect
from loadtests.limits.exhaustion import resource_of
from loadtests.pod.storage.contract import (
    AlreadyAccepted,
    Call,
    OutcomeUnknown,
    StorageConflict,
    StorageError,
    StorageRefusal,
    StorageUnavailable,
    Transaction,
    TransactionSink,
)
from loadtests.pod.storage.statements import load_all, named

T = TypeVar("T")
Row = tuple[Any, ...]

WRITERS = 4
READERS = 2
BUSY_TIMEOUT_S = 4.0
"""How long a writer asks for the write lock before it gives up: below the load's own default timeout."""
BUSY_POLL_S = 0.001
"""SQLite has no queue: a waiting writer asks again, here every millisecond as Rails does. SQLite's own pauses
grow to 100 ms and starve the writer that waited longest."""

_HERE = Path(__file__).parent
SQL = load_all(_HERE, ("statements", "accounts"))


class SqliteSession:
    """One connection to the file. Statements are named as in the `.sql` files; lists are bound as JSON."""

    def __init__(self, path: str, number: int) -> None:
        self.number = number
        self._deadline = 0.0
        self._operation = "maintenance"
        self._connection = connect(path, self._busy)
        self.ask_patiently()
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")

    def _busy(self, _times: int) -> bool:
        if time.monotonic() >= self._deadline:
            return False
        time.sleep(BUSY_POLL_S)
        return True

    def make_schema(self) -> None:
        self._connection.execute((_HERE / "schema.sql").read_text(encoding="utf-8"))

    def rows(self, statement: str, *values: Any) -> list[Row]:
        rows: list[Row] = self._connection.execute(named(self._operation, SQL[statement]), _bound(values)).fetchall()
        return rows

    def run(self, statement: str, *values: Any) -> int:
        """Runs a change and returns how many rows it made, changed or removed."""
        self._connection.execute(named(self._operation, SQL[statement]), _bound(values))
        return int(self._connection.changes())

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs a change for every row."""
        self._connection.executemany(named(self._operation, SQL[statement]), map(_bound, rows))

    def begin_snapshot(self) -> None:
        """What is read until the rollback is of one moment."""
        self._connection.execute("BEGIN")

    def ask_patiently(self) -> None:
        """Retries for BUSY_TIMEOUT_S from now on where the file is busy. Readers wait for no writer: only while
        the file is recovered after a crash."""
        self._deadline = time.monotonic() + BUSY_TIMEOUT_S

    def begin(self, operation: str) -> None:
        """Takes the write lock. Raises apsw.BusyError when it was not free for BUSY_TIMEOUT_S."""
        self._operation = operation
        self.ask_patiently()
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def settings(self) -> dict[str, str]:
        names = ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint", "page_size")
        read = {name: str(self._connection.pragma(name)) for name in names}
        return {"version": apsw.sqlite_lib_version(), **read, "busy_timeout_ms": str(round(BUSY_TIMEOUT_S * 1000))}

    def close(self) -> None:
        self._connection.close()


def _bound(values: Sequence[Any]) -> dict[str, Any]:
    """Values by their numbers: `$1` …"""
    return {str(n): json.dumps(v) if isinstance(v, list) else v for n, v in enumerate(values, 1)}


class Sessions:
    """A few connections, each used by one thread at a time. `run` works on whichever is free."""

    def __init__(self, path: str, numbers: range) -> None:
        self._free: queue.SimpleQueue[SqliteSession] = queue.SimpleQueue()
        self._all: list[SqliteSession] = []
        for number in numbers:
            session = SqliteSession(path, number)
            self._all.append(session)
            self._free.put(session)
        self._threads = ThreadPoolExecutor(len(numbers), thread_name_prefix="sqlite")

    async def run(self, job: Callable[[SqliteSession], T]) -> T:
        """Raises StorageUnavailable once closed, and what the job raised."""
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._with_session, job)
        except RuntimeError as error:
            if resource_of(error) is not None:  # no thread could be started
                raise StorageUnavailable(f"the SQLite storage cannot start a thread: {error}") from error
            raise StorageUnavailable("the SQLite storage is stopped") from None
        return await work

    def _with_session(self, job: Callable[[SqliteSession], T]) -> T:
        session = self._free.get()
        try:
            return job(session)
        finally:
            self._free.put(session)

    async def close(self) -> None:
        """Lets what is under way finish."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        for session in self._all:
            session.close()


class SqliteDatabase:
    """The file behind a pod: writers that contend for its write lock, readers that block no writer."""

    def __init__(self, path: str, record: TransactionSink) -> None:
        self._path = path
        self._record = record
        self._writers: Sessions | None = None
        self._readers: Sessions | None = None

    async def start(self) -> None:
        try:
            self._writers = Sessions(self._path, range(1, WRITERS + 1))
            await self._writers.run(SqliteSession.make_schema)
            self._readers = Sessions(self._path, range(WRITERS + 1, WRITERS + READERS + 1))
        except apsw.Error as error:
            raise StorageUnavailable(f"SQLite database {self._path}: {error}") from error

    async def stop(self) -> None:
        for sessions in (self._writers, self._readers):
            if sessions is not None:
                await sessions.close()
        self._writers = self._readers = None

    async def read(self, job: Callable[[SqliteSession], T]) -> T:
        """One read, outside of any transaction."""
        return await self._open(self._readers).run(lambda session: self._reading(session, job))

    async def snapshot(self, job: Callable[[SqliteSession], T]) -> T:
        """Several reads of one moment."""

        def read(session: SqliteSession) -> T:
            session.begin_snapshot()
            try:
                return job(session)
            finally:
                session.rollback()

        return await self.read(read)

    async def write(self, call: Call, job: Callable[[SqliteSession], T]) -> T:
        """One transaction: committed, unless the job answers with a refusal or raises. Emits a Transaction."""
        loop, asked_ns = asyncio.get_running_loop(), time.monotonic_ns()

        def emit(transaction: Transaction) -> None:
            loop.call_soon_threadsafe(self._record, replace(transaction, asked_ns=asked_ns))

        return await self._open(self._writers).run(lambda session: self._transact(session, call, job, emit))

    def _open(self, sessions: Sessions | None) -> Sessions:
        if sessions is None:
            raise StorageUnavailable("the SQLite storage is not started")
        return sessions

    def _reading(self, session: SqliteSession, job: Callable[[SqliteSession], T]) -> T:
        session.ask_patiently()
        try:
            return job(session)
        except apsw.Error as error:
            raise StorageUnavailable(f"SQLite database {self._path}: {error}") from error

    def _transact(
        self, session: SqliteSession, call: Call, job: Callable[[SqliteSession], T], emit: TransactionSink
    ) -> T:
        attempt = _Attempt(waiting_ns=time.monotonic_ns())
        try:
            return attempt.run(session, call, job)
        except apsw.Error as error:
            attempt.outcome, raised = classify(error, attempt.committing)
            raise raised from error
        finally:
            session.rollback()
            ended_ns = time.monotonic_ns()
            begun_ns = attempt.begun_ns or ended_ns
            emit(Transaction(session.number, call, attempt.waiting_ns, begun_ns, ended_ns, attempt.outcome))


@dataclass
class _Attempt:
    """How far one transaction has come."""

    waiting_ns: int
    begun_ns: int | None = None
    committing: bool = False
    outcome: str = "rolled_back"

    def run(self, session: SqliteSession, call: Call, job: Callable[[SqliteSession], T]) -> T:
        session.begin(call.operation)
        self.begun_ns = time.monotonic_ns()
        answer = job(session)
        if not isinstance(answer, StorageRefusal | AlreadyAccepted):
            self.committing = True
            session.commit()
            self.outcome = "committed"
        return answer


def classify(error: Exception, committing: bool) -> tuple[str, StorageError]:
    """What an error of SQLite means: the transaction's outcome, and what its caller gets."""
    if isinstance(error, apsw.BusyError):
        return _busy(getattr(error, "extendedresult", apsw.SQLITE_BUSY), committing)
    if committing and isinstance(error, apsw.IOError):
        return "unknown", OutcomeUnknown(f"it is unknown whether SQLite committed: {error}")
    if isinstance(error, apsw.ConstraintError):
        return "rolled_back", StorageError(f"SQLite does not take it: {error}")
    return "rolled_back", StorageUnavailable(f"SQLite: {error}")


def _busy(extended: int, committing: bool) -> tuple[str, StorageError]:
    """SQLite has one word for several things: only some of them are waits for the write lock."""
    if extended == apsw.SQLITE_BUSY_SNAPSHOT:  # reported at once: waiting would not help
        return "busy_snapshot", StorageConflict("another writer has changed the file since this transaction read it")
    if extended == apsw.SQLITE_BUSY_RECOVERY:
        return "lock_timeout", StorageUnavailable(f"SQLite was recovering its log for {BUSY_TIMEOUT_S:g} s and more")
    if committing:  # not in WAL mode, where a commit waits for no reader
        return "lock_timeout", StorageConflict(f"readers kept the commit waiting for {BUSY_TIMEOUT_S:g} s")
    return "lock_timeout", StorageConflict(f"the write lock was not free for {BUSY_TIMEOUT_S:g} s")
