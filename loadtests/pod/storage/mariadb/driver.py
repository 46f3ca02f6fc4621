"""MariaDB as the pod uses it: a pool, the tables, what errors mean."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.drivers.addresses import form_of
from loadtests.drivers.addresses.contract import AddressError, DatabaseAddress
from loadtests.pod.storage.contract import Storage, StorageError, StorageUnavailable, TransactionSink
from loadtests.pod.storage.mariadb.connection import MariadbConnection, connect, label, parse
from loadtests.pod.storage.mariadb.errors import DRIVER_ERRORS, classify, reason
from loadtests.pod.storage.mariadb.pool import Pool
from loadtests.pod.storage.sql.driver import statements
from loadtests.pod.storage.sql.storage import SqlStorage

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
        self._dsn = dsn
        self._pod = pod
        self._pool: Pool | None = None

    async def open(self) -> None:
        address = self._address()
        self._pool = Pool(lambda: connect(address, self._pod))
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
