"""MariaDB as the pod uses it: a pool, the tables, what errors mean."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.drivers.addresses import form_of
from loadtests.drivers.addresses.contract import AddressError, DatabaseAddress
from loadtests.pod.storage.contract import Storage, StorageError, StorageUnavailable, TransactionSink
from loadtests.pod.storage.mariadb.connection import SESSION_SETTINGS, MariadbConnection, connect, label, parse
from loadtests.pod.storage.mariadb.errors import DRIVER_ERRORS, classify, reason
from loadtests.pod.storage.sql.driver import statements
from loadtests.pod.storage.sql.storage import SqlStorage

POOL_SIZE = 20
FIRST = 2
"""How many are opened at the start."""


class Pool:
    """At most `size` sessions. One that was lost is replaced at the next request: the pool recovers by itself
    after the server was away.

    asyncmy's own pool opens sessions one at a time while all others wait, lets the latest request overtake those
    who wait, and waits without a limit.
    """

    def __init__(self, connect: Callable[[], Awaitable[MariadbConnection]], size: int) -> None:
        self._connect = connect
        self._free_slots = asyncio.Semaphore(size)
        self._idle: list[MariadbConnection] = []
        self._closed = False

    async def fill(self) -> None:
        """Opens the first ones. Raises what `connect` does."""
        while len(self._idle) < FIRST:
            self._idle.append(await self._connect())

    async def take(self) -> MariadbConnection:
        """Raises what `connect` does."""
        await self._free_slots.acquire()
        try:
            return self._usable() or await self._connect()
        except BaseException:
            self._free_slots.release()
            raise

    def _usable(self) -> MariadbConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.drop()
        return None

    def release(self, connection: MariadbConnection) -> None:
        if self._closed or not connection.usable:
            connection.drop()
        else:
            self._idle.append(connection)
        self._free_slots.release()

    async def close(self) -> None:
        """Ends the idle sessions now, and the others when they are released."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.quit() for connection in idle))


TAKE_TIMEOUT_S = 5.0
OLDEST = (10, 6)
"""The first with JSON_TABLE and INSERT … RETURNING."""

_HERE = Path(__file__).parent


class MariadbDriver:
    """`dsn`: `mariadb://USER:PASSWORD@HOST:PORT/DATABASE`."""

    engine = "mariadb"
    title = "MariaDB"
    errors: tuple[type[Exception], ...] = DRIVER_ERRORS

    def __init__(self, dsn: str, pod: str) -> None:
        self.statements: Mapping[str, str] = statements(_HERE)
        self.session_settings: Mapping[str, str] = SESSION_SETTINGS
        self.pool_size = POOL_SIZE
        self._dsn = dsn
        self._pod = pod
        self._pool: Pool | None = None

    async def open(self) -> None:
        address = self._address()
        self._pool = Pool(lambda: connect(address, self._pod, self.session_settings), self.pool_size)
        try:
            async with asyncio.timeout(TAKE_TIMEOUT_S):
                await self._pool.fill()
            await self.make_schema()
        except DRIVER_ERRORS as error:  # TimeoutError is one of them
            await self.close()
            raise StorageUnavailable(f"MariaDB cannot be used: {reason(error)}") from error
        except StorageUnavailable:
            await self.close()
            raise

    def _address(self) -> DatabaseAddress:
        try:
            return parse(self._dsn)
        except AddressError as error:
            raise StorageUnavailable(
                f"LOADTESTS_DSN is not a MariaDB URL ({form_of(self.engine).example}) that can be used: {error}"
            ) from None

    async def make_schema(self) -> None:
        async with self.session() as connection:
            _check(connection.version)
            await connection.execute((_HERE / "schema.sql").read_text(encoding="utf-8"), ())

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[MariadbConnection]:
        pool = self._pool
        if pool is None:
            raise StorageUnavailable("the MariaDB storage is not started")
        try:
            async with asyncio.timeout(TAKE_TIMEOUT_S):
                connection = await pool.take()
        except TimeoutError as error:
            raise StorageUnavailable(f"no free MariaDB session within {TAKE_TIMEOUT_S:g} s") from error
        except DRIVER_ERRORS as error:
            raise StorageUnavailable(f"MariaDB cannot be reached: {reason(error)}") from error
        try:
            yield connection
        finally:
            pool.release(connection)

    def label(self, operation: str) -> str:
        return label(operation, self._pod)

    def classify(self, error: BaseException, committing: bool) -> tuple[str, StorageError | None]:
        return classify(error, committing)


def _check(version: str) -> None:
    """Raises StorageUnavailable for a server that does not know what the statements need, MySQL among them."""
    found = re.match(r"(\d+)\.(\d+)", version)
    numbers = tuple(map(int, found.groups())) if found else ()
    if "MariaDB" not in version or numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise StorageUnavailable(f"MariaDB {oldest} or newer is needed (JSON_TABLE, RETURNING), this is {version[:60]}")


def create(locking: str, *, dsn: str, record: TransactionSink, pod: str) -> Storage:
    return SqlStorage(MariadbDriver(dsn, pod), record, locking)
