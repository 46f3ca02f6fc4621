"""Sessions with Redis: a pool, and scripts, each of which runs as a whole."""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from loadtests.drivers import redis as drivers
from loadtests.drivers.addresses import form_of, parse_address
from loadtests.drivers.addresses.contract import AddressError, DatabaseAddress
from loadtests.drivers.errors import DatabaseUnreachable
from loadtests.pod.storage.contract import (
    Call,
    OutcomeUnknown,
    StorageError,
    StorageUnavailable,
    Transaction,
    TransactionSink,
)
from loadtests.sanitize import sanitize_error

DRIVER_ERRORS = (OSError, exceptions.RedisError)
"""Everything that redis-py raises."""

_REFUSED_SERVICE: tuple[type[BaseException], ...] = (
    exceptions.BusyLoadingError,
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterError,
    exceptions.MovedError,
)
"""The server's own answer: it did not run the script. Some of them are ConnectionErrors to redis-py."""

_REFUSED_WORDS = ("MISCONF", "BUSY", "NOREPLICAS", "max number of clients reached")
"""How such answers begin that have no class of their own."""


def classify(error: BaseException, sent: bool) -> tuple[str, StorageError | None]:
    """The transaction's outcome, and what its caller gets instead of `error`; None: `error` itself.

    `sent`: the script was on its way, so that without an answer it may have run.
    """
    if isinstance(error, _REFUSED_SERVICE) or str(error).startswith(_REFUSED_WORDS):
        return "rolled_back", StorageUnavailable(f"Redis: {sanitize_error(error)}")
    if isinstance(error, exceptions.ResponseError):
        return "rolled_back", None
    if sent and (isinstance(error, DRIVER_ERRORS) or not isinstance(error, Exception)):
        return "unknown", OutcomeUnknown(f"Redis was cut off before it answered: {sanitize_error(error)}")
    if isinstance(error, DRIVER_ERRORS):
        return "rolled_back", StorageUnavailable(f"Redis cannot be reached: {sanitize_error(error)}")
    return "rolled_back", None


T = TypeVar("T")

POOL_SIZE = 20
ACQUIRE_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 8.0
STOP_TIMEOUT_S = 5.0

CHANGED_NOTHING = frozenset({b"refused", b"taken"})
"""First words of the answers of scripts that made no change."""

_LUA = Path(__file__).parent / "lua"


class Script:
    """A script's text and the name by which the server remembers it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _load() -> Mapping[str, Script]:
    common = (_LUA / "common.lua").read_text(encoding="utf-8")
    files = sorted(path for path in _LUA.glob("*.lua") if path.stem != "common")
    return {path.stem: Script(f"-- {path.stem}\n{common}{path.read_text(encoding='utf-8')}") for path in files}


SCRIPTS = _load()


class RedisDatabase:
    """A pool of sessions that comes back by itself after the server was away."""

    def __init__(self, dsn: str, record: TransactionSink, pod: str) -> None:
        self._dsn = dsn
        self._record = record
        self._pod = pod
        self._pool: BlockingConnectionPool | None = None
        self._under_way: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Connects and hands the scripts over. Raises StorageUnavailable."""
        try:
            address = parse_address("redis", self._dsn)
            self._pool = _pool(address, self._pod)
            await drivers.check(address, timeout_s=CONNECT_TIMEOUT_S)
        except AddressError as error:
            raise StorageUnavailable(
                f"the DSN is not a Redis URL ({form_of('redis').example}) that can be used: {error}"
            ) from None
        except DatabaseUnreachable as error:
            raise StorageUnavailable(f"Redis cannot be used: {sanitize_error(error)}") from error
        except DRIVER_ERRORS as error:
            raise StorageUnavailable(f"Redis cannot be reached: {sanitize_error(error)}") from error
        try:
            for script in SCRIPTS.values():
                await self.read("SCRIPT", "LOAD", script.text)
        except StorageUnavailable:
            await self.stop()
            raise

    async def stop(self) -> None:
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=STOP_TIMEOUT_S)
        pool, self._pool = self._pool, None
        if pool is not None:
            with suppress(*DRIVER_ERRORS):
                await pool.disconnect()

    async def read(self, *command: str | int) -> Any:
        """One command that changes nothing. Raises StorageUnavailable."""
        return await self._finished(self._unchanging(lambda connection: _ask(connection, *command)))

    async def query(self, script: str, key: str, *values: str | int) -> Any:
        """One script that changes nothing. Raises StorageUnavailable."""
        keys = self._keys(script, key)
        return await self._finished(
            self._unchanging(lambda connection: _evaluate(connection, SCRIPTS[script], keys, values))
        )

    async def write(self, call: Call, script: str, key: str, *values: str | int) -> Sequence[Any]:
        """One script. Emits a Transaction."""
        return await self._finished(self._write(call, SCRIPTS[script], key, values))

    async def _finished(self, work: Coroutine[Any, Any, T]) -> T:
        """A caller that is cancelled leaves it to end by itself: a session that still awaits an answer is no use to
        the next one."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _unchanging(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        async with self._session() as connection:
            try:
                return await ask(connection)
            except DRIVER_ERRORS as error:
                raise StorageUnavailable(f"Redis: {sanitize_error(error)}") from error

    async def _write(self, call: Call, script: Script, key: str, values: Sequence[str | int]) -> Sequence[Any]:
        asked_ns = time.monotonic_ns()
        async with self._session() as connection:
            begun_ns, outcome = time.monotonic_ns(), "unknown"
            try:
                answer: Sequence[Any] = await _evaluate(connection, script, self._keys(call.operation, key), values)
                outcome = "rolled_back" if answer[0] in CHANGED_NOTHING else "committed"
            except BaseException as error:
                outcome, raised = classify(error, sent=True)
                if raised is None or not isinstance(error, Exception):
                    raise
                raise raised from error
            finally:
                session, ended_ns = connection.client_id, time.monotonic_ns()
                self._record(Transaction(session, call, None, begun_ns, ended_ns, outcome, asked_ns=asked_ns))
            return answer

    def _keys(self, doing: str, key: str) -> tuple[str, str]:
        """The key, and one that no script uses: it says what the session does, which the server's slow log shows, where
        EVALSHA names nothing. In a cluster it is where the first one is. A name of the session's own, set anew in the
        same round trip, cost 130 µs where the script took 330."""
        tagged = key if "{" in key else f"{{{key}}}"
        return key, f"{tagged}/*{_name(f'{doing}@{self._pod}')}*/"

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        pool: Any = self._pool
        if pool is None:
            raise StorageUnavailable("the Redis storage is not started")
        try:
            connection = await pool.get_connection()
        except DRIVER_ERRORS as error:
            raise classify(error, sent=False)[1] or StorageUnavailable(f"Redis: {sanitize_error(error)}") from error
        try:
            yield connection
        finally:
            await pool.release(connection)


def _pool(address: DatabaseAddress, pod: str) -> Any:
    """Raises AddressError."""
    address.refuse_conflicts({}, names_itself=True)
    return drivers.pool(
        BlockingConnectionPool,
        address,
        timeout_s=CONNECT_TIMEOUT_S,
        name=_name(pod),
        max_connections=POOL_SIZE,
        timeout=ACQUIRE_TIMEOUT_S,
        socket_timeout=COMMAND_TIMEOUT_S,
        redis_connect_func=_introduce,
        # A script is never sent twice: without an answer it is unknown whether the first one ran.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
    )


def _name(text: str) -> str:
    return re.sub(r"[^\w.@-]", "_", text)[:100]


async def _introduce(connection: Any) -> None:
    await connection.on_connect()
    connection.client_id = await _ask(connection, "CLIENT", "ID")


async def _ask(connection: Any, *command: str | int) -> Any:
    await connection.send_command(*command)
    return await connection.read_response()


async def _evaluate(connection: Any, script: Script, keys: Sequence[str], values: Sequence[str | int]) -> Any:
    try:
        return await _ask(connection, "EVALSHA", script.sha, len(keys), *keys, *values)
    except exceptions.NoScriptError:  # a server that was restarted has forgotten it
        return await _ask(connection, "EVAL", script.text, len(keys), *keys, *values)
