"""One session with MariaDB, and how statements and values are put to it."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from loadtests.drivers import mariadb
from loadtests.drivers.addresses import mariadb as addresses
from loadtests.drivers.addresses.contract import AddressError, DatabaseAddress
from loadtests.pod.storage.mariadb.errors import DRIVER_ERRORS, is_answer
from loadtests.pod.storage.sql.driver import Row

_NUMBERED = re.compile(r"\$(\d+)")
_VALUES = re.compile(r"\bVALUES\s*(\([^()]*\))")


@cache
def placed(statement: str) -> tuple[str, tuple[int, ...]]:
    """`… = $2 OR … = $1` → `… = %s OR … = %s` and (1, 0): the driver knows places, not numbers."""
    order = tuple(int(number) - 1 for number in _NUMBERED.findall(statement))
    return _NUMBERED.sub("%s", statement.replace("%", "%%")), order


def arguments(order: Sequence[int], values: Sequence[Any]) -> tuple[Any, ...]:
    """The values in the order of their places; a list, which MariaDB has no type for, as JSON."""
    return tuple(_value(values[index]) for index in order)


def _value(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


@cache
def split_values(statement: str) -> tuple[str, str, str]:
    """An INSERT in three: what is before the parentheses of its VALUES, they themselves, and what comes after."""
    found = _VALUES.search(statement)
    if found is None:
        raise ValueError(f"no VALUES (…) in {statement!r}")
    return statement[: found.start(1)], found.group(1), statement[found.end(1) :]


QUIT_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 5.0
SESSION_SETTINGS = {
    # Every statement sees what was committed before it, as on PostgreSQL, so that one set of strategies means the same
    # on both. InnoDB's own default, REPEATABLE READ, would answer from the transaction's first moment what a strategy
    # has since locked, and locks the gaps beside the rows that are asked for: inserts there would deadlock.
    "tx_isolation": "'READ-COMMITTED'",
    "innodb_lock_wait_timeout": "4",
    "lock_wait_timeout": "4",
    "max_statement_time": "8",
    "idle_transaction_timeout": "15",
    "wait_timeout": "31536000",
    "sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    "collation_connection": "'utf8mb4_nopad_bin'",
}
"""Seconds. The lock timeouts, of rows and of tables, are below the load's own, so that a wait that long has a definite
end. Idle sessions stay."""

_ROWS_AT_ONCE = 500
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


def parse(dsn: str) -> DatabaseAddress:
    """`mariadb://USER:PASSWORD@HOST:PORT/DATABASE`. Raises AddressError."""
    address = addresses.parse(dsn, ("mariadb",))
    if not address.database:
        raise AddressError("it names no database")
    return address


def label(operation: str, pod: str) -> str:
    """What a session says of itself in front of every statement, `COMMIT` too: `chat.accept@pod-1`."""
    return re.sub(r"[^\w.@-]", "_", f"{operation}@{pod}")[:63]


async def connect(
    address: DatabaseAddress, pod: str, session_settings: Mapping[str, str] = SESSION_SETTINGS
) -> "MariadbConnection":
    """Raises what `drivers.mariadb.connect` does."""
    settings = ", ".join(f"{name} = {value}" for name, value in session_settings.items())
    raw = await mariadb.connect(address, pod, (f"SET SESSION {settings}",), timeout_s=CONNECT_TIMEOUT_S)
    return MariadbConnection(raw, pod)


class MariadbConnection:
    """Statements travel as text, in which values are put by asyncmy: only so can several share a round trip."""

    def __init__(self, raw: Any, pod: str) -> None:
        self._raw = raw
        self._pod = pod
        self._label = label("idle", pod)
        self.number: int = raw.thread_id()

    @property
    def version(self) -> str:
        """The server's, as it greets: `10.11.6-MariaDB`, with `5.5.5-` before it on some."""
        version: str = self._raw.get_server_info()
        return version.removeprefix("5.5.5-")

    @property
    def usable(self) -> bool:
        """False once it was closed, by whichever side."""
        return bool(self._raw.connected and not self._raw._stream_broken)

    async def begin(self, operation: str, snapshot: bool) -> None:
        """There is nothing else to name a session by while it works: `SHOW PROCESSLIST` shows the statement, and
        between two statements nothing. The table of transactions names it then."""
        self._label = label(operation, self._pod)
        await self.send(f"/* {self._label} */ {_SNAPSHOT if snapshot else 'BEGIN'}")

    async def fetch(self, text: str, values: Sequence[Any]) -> Sequence[Row]:
        query, order = placed(text)
        rows: list[Row] = await (await self.send(query, arguments(order, values))).fetchall()
        return rows

    async def execute(self, text: str, values: Sequence[Any]) -> int:
        query, order = placed(text)
        return int((await self.send(query, arguments(order, values))).rowcount)

    async def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        before, values, after = split_values(text)
        query, order = placed(values)
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[first : first + _ROWS_AT_ONCE]
            cursor = self._raw.cursor()
            tuples = ", ".join(cursor.mogrify(query, arguments(order, row)) for row in some)
            await self.send(f"{before}{tuples}{after}")

    async def commit(self) -> None:
        await self.send(f"/* {self._label} */ COMMIT")

    async def rollback(self) -> None:
        await self.send(f"/* {self._label} */ ROLLBACK")

    def drop(self) -> None:
        self._raw.close()

    async def quit(self) -> None:
        """Ends the session in order; the server would count an aborted one otherwise."""
        with suppress(*DRIVER_ERRORS, TimeoutError):
            async with asyncio.timeout(QUIT_TIMEOUT_S):
                await self._raw.ensure_closed()
        self.drop()

    async def send(self, query: str, values: Sequence[Any] | None = None) -> Any:
        """One round trip; returns the cursor of the last of its answers. Anything but answers, a cancellation among
        it, leaves the conversation in the middle of one: it is not taken up again."""
        cursor = self._raw.cursor()
        try:
            await cursor.execute(query, values)
            while await cursor.nextset():
                pass
        except BaseException as error:
            if not is_answer(error):
                self.drop()
            raise
        return cursor
