"""The probe of MariaDB, and of MySQL 8 by its documentation: lock waits, what sessions do, and the server's
totals.

InnoDB answers from a copy of its lock tables, which it renews only when no session has read them for 100 ms: the one
reader waits that long between two samples. Another reader makes this one see old waits: a sample is answered in a
transaction of its own, which the copy shows, and one that was answered from an old copy sees nothing. So waits are
sampled, at 200 ms; their number times the period is their time, without bias. A wait's beginning is its statement's,
whose work before it is counted in, when the statement began since the last sample; else it lies somewhere in the last
period. Its end does. How it ended cannot be seen.

What the counters count, by experiment on 10.11. `lock_waits`: waits for a lock of InnoDB's, when they begin.
`lock_wait_ms`: their time, when they end, each one cut to whole milliseconds: the truth lies up to one millisecond a
wait above it. Both count waits that were granted, that timed out, that were killed and that a deadlock ended; neither
NOWAIT, nor metadata and user-level locks. FLUSH STATUS leaves them as they are, a start begins at nothing. `commits`
and `rollbacks` are statements: neither what commits by itself nor what is rolled back by an error.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from asyncmy.errors import MySQLError

from loadtests.drivers import mariadb
from loadtests.drivers.addresses import parse_address
from loadtests.probes.clocks import clock_offset
from loadtests.probes.contract import BlindError, Clock, Database, Rows, ServerClockOffset, Source
from loadtests.probes.innodb.lock_sample import OLD, Freshness, InnodbSample, InnodbSession, InTheWay, SessionLabels
from loadtests.probes.innodb.tickets import Ticket
from loadtests.probes.rows import counter_rows, session_rows, wait_rows
from loadtests.probes.waits import Wait, Waits, waits_behind

UNTESTED = "MySQL is supported by its documentation; not tested"
NO_PROCESS = (
    "only totals are seen, of no session: the observer's user needs PROCESS (GRANT PROCESS ON *.* TO …) and, on MySQL,"
    " SELECT on performance_schema.*"
)
NO_HOLDERS = (
    "holders of a table's metadata lock or a user-level lock are unknown: performance_schema does not list these locks"
    " (instrument wait/lock/metadata/sql/mdl), nor is the plugin metadata_lock_info there"
)
GUESSED_HOLDERS = (
    "holders of metadata and user-level locks are inferred from the waiting statement: the plugin"
    " metadata_lock_info lists holders only"
)
_OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 0)}


@dataclass(frozen=True)
class ServerProduct:
    """`flavour` begins the names of the `.sql` files that it is asked with; `limit` limits a statement's time."""

    flavour: str
    limit: str

    @classmethod
    def of(cls, version: str) -> "ServerProduct":
        """Of what version() says. Raises RuntimeError for a server that cannot be watched."""
        name = "MariaDB" if "MariaDB" in version else "MySQL"
        found = re.match(r"(\d+)\.(\d+)", version)
        if not found or tuple(map(int, found.groups())) < _OLDEST[name]:
            oldest = " or ".join(f"{product} {major}.{minor}" for product, (major, minor) in _OLDEST.items())
            raise RuntimeError(f"{version} cannot be watched: {oldest}, or newer, can")
        # MariaDB's in seconds and of any statement, MySQL's in milliseconds and of SELECT.
        return cls(name.lower(), "max_statement_time = {:.3f}" if name == "MariaDB" else "max_execution_time = {:.0f}")

    def limited(self, seconds: float) -> str:
        return self.limit.format(seconds if self.flavour == "mariadb" else seconds * 1000)


def source(
    product: ServerProduct, period_ns: int, counters_ns: int, sees_sessions: bool, holders: str | None
) -> Source:
    """`holders`: by which list holders of metadata locks are known; None: none."""
    reasons = [UNTESTED] if product.flavour == "mysql" else []
    if not sees_sessions:
        return Source(("counter",), counters_ns, None, "; ".join([*reasons, NO_PROCESS]))
    if holders != "metadata":
        reasons.append(GUESSED_HOLDERS if holders else NO_HOLDERS)
    return Source(("sampled", "counter"), period_ns, None, "; ".join(reasons))


SHORTEST_PERIOD_S = 0.15
_SQL = Path(__file__).parents[1] / "sql"
_OPEN_S = 2.0
_SETTINGS = ("SET time_zone = '+00:00'",)
_COPY_LASTS_S = 0.11
_SLOWLY_NS = 1_000_000_000
_TIMED_OUT = (1969, 3024)
_DENIED = (1044, 1142, 1143, 1227)
_STARTED_WITHIN_S = 2
"""Uptime is in whole seconds: the greatest difference of two readings of one server's start."""
_CLOCK = "SELECT CAST(unix_timestamp(sysdate(6)) * 1000000 AS SIGNED)"
_UPTIME = "SHOW GLOBAL STATUS LIKE 'Uptime'"
_SHOW_US = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
_HIDE_US = "BEGIN"
"""Ends the transaction and begins none of InnoDB's. COMMIT would be counted among the pod's."""
_LISTS = {"metadata": "metadata-locks", "plugin": "metadata-plugin"}


class MariadbProbe:
    """One connection, opened before the load."""

    def __init__(self, database: Database, dsn: str, clock: Clock, period_s: float = 0.2) -> None:
        """Raises ValueError for a period in which InnoDB would not renew its copy."""
        if period_s < SHORTEST_PERIOD_S:
            raise ValueError(f"a period of {period_s:g} s is shorter than {SHORTEST_PERIOD_S:g} s")
        self.name = database.probe
        self.period_s, self.deadline_s = period_s, 5 * period_s
        self.offset: ServerClockOffset | None = None
        self.source: Source | None = None
        self._database, self._dsn, self._clock = database, dsn, clock
        self._connection: Any = None
        self._read_s = 0.0
        self._started_s = 0
        self._over: list[Wait] = []  # kept until a whole sample was good
        self._asked: dict[str, str] = {}
        self._holders: str | None = None
        self._names = SessionLabels()
        self._waits = Waits(int(period_s * 1e9))
        self._freshness = Freshness()
        self._numbers, self._snapshots = count(), count()
        self._sampled_ns: int | None = None
        self._slowly_ns = 0

    async def open(self) -> None:
        address = parse_address("mariadb", self._dsn)
        self._connection = await mariadb.connect(
            address, "loadtests observer", _SETTINGS, timeout_s=_OPEN_S, database=False
        )
        async with asyncio.timeout(_OPEN_S):
            await self._open()

    async def _open(self) -> None:
        product = ServerProduct.of((await self._fetch("SELECT version()"))[0][0])
        await self._fetch(f"SET SESSION {product.limited(self.period_s * 0.8)}")  # four fifths of a period
        self.offset = await clock_offset(self._now_us)
        uptime_s = int((await self._fetch(_UPTIME))[0][1])
        self._begin_incarnation(await self._now_us() // 1_000_000 - uptime_s)
        await self._find_source(product)
        self._read_s = time.monotonic()

    async def _now_us(self) -> int:
        return int((await self._fetch(_CLOCK))[0][0])

    def _begin_incarnation(self, started_s: int) -> None:
        """A server that was started anew, or made anew, gives old numbers to new sessions and transactions."""
        if abs(started_s - self._started_s) > _STARTED_WITHIN_S:
            self._waits.cut()
            self._names = SessionLabels()
        self._started_s = started_s
        self._sampled_ns, self._freshness = None, Freshness()

    async def _find_source(self, product: ServerProduct) -> None:
        """What this role may see, and by which lists. Raises RuntimeError when it is less than at first."""
        questions = ("sessions", "locks", "counters")
        self._asked = {name: (_SQL / f"{product.flavour}-{name}.sql").read_text() for name in questions}
        self._asked |= {"programs": (_SQL / "programs.sql").read_text(), "us": (_SQL / "innodb-us.sql").read_text()}
        sees_sessions = all([await self._may(self._asked[name]) is not None for name in ("sessions", "locks")])
        self._holders = await self._find_holders(product) if sees_sessions else None
        found = source(product, int(self.period_s * 1e9), _SLOWLY_NS, sees_sessions, self._holders)
        if self.source is None:
            self.source = found
        elif found.known[0] != self.source.known[0]:
            raise RuntimeError(f"privileges are not what they were: {found.reason or 'there are more of them now'}")

    async def _find_holders(self, product: ServerProduct) -> str | None:
        """The best list of who holds metadata locks, of those that there are and that this role may read."""
        lists = await self._may((_SQL / f"{product.flavour}-holders.sql").read_text()) or ()
        for (name,) in lists:
            self._asked["held"] = (_SQL / f"{_LISTS[name]}.sql").read_text()
            if await self._may(self._asked["held"]) is not None:
                return str(name)
        return None

    async def _may(self, statement: str) -> Sequence[Any] | None:
        """Its rows; None when it is forbidden."""
        try:
            return await self._fetch(statement)
        except MySQLError as error:
            if error.args and error.args[0] in _DENIED:
                return None
            raise

    async def sample(self) -> Rows:
        sees_sessions = self.source is not None and self.source.known[0] == "sampled"
        try:
            rows = await self._read_now() if sees_sessions else {}
            rows = {**rows, **await self._read_slowly(sees_sessions)}
        except MySQLError as error:
            if error.args and error.args[0] in _TIMED_OUT:
                raise BlindError("the server took longer than the statement timeout") from error
            if error.args and error.args[0] in _DENIED:
                raise RuntimeError(f"{error.args[-1]}: {NO_PROCESS}") from error
            raise
        over, self._over = self._over, []
        return {**rows, "lock_waits": wait_rows(self._database, self._numbers, over)} if over else rows

    async def _read_now(self) -> Rows:
        """Locks are asked for only when a session waits. Raises BlindError when the answers are outdated."""
        await asyncio.sleep(self._read_s + _COPY_LASTS_S - time.monotonic())
        mark = f"/* sample {next(self._snapshots)} */"
        try:
            await self._fetch(_SHOW_US)
            now_ns = self._clock()
            sessions = [InnodbSession(*row) for row in await self._fetch(f"{mark} {self._asked['sessions']}")]
            asked_ns = self._clock()
            waiting = any(s.wait_class == "lock" for s in sessions)
            ways = [InTheWay(*row) for row in await self._fetch(self._asked["locks"])] if waiting else []
            us = await self._fetch(self._asked["us"])
            await self._fetch(_HIDE_US)
        finally:
            self._read_s = time.monotonic()
        if not self._freshness.fresh(mark, us[0][0] if us else None):
            raise BlindError(OLD)
        held = [Ticket(*row) for row in await self._fetch(self._asked["held"])] if waiting and self._holders else None
        self._names.note(sessions)
        shown = InnodbSample(sessions, self._names, self._since_last_ns(now_ns))
        seen = waits_behind(shown.waits(ways, held, self._holders == "metadata"))
        self._over += self._waits.observe(asked_ns, asked_ns - now_ns, seen)
        return {"sessions": session_rows(now_ns, self._database, shown.totals())}

    def _since_last_ns(self, now_ns: int) -> int:
        """A period, or longer where samples were missed."""
        before_ns, self._sampled_ns = self._sampled_ns, now_ns
        period_ns = int(self.period_s * 1e9)
        return period_ns if before_ns is None else max(period_ns, now_ns - before_ns)

    async def _read_slowly(self, sees_sessions: bool) -> Rows:
        """Once a second: totals, and what programs there are."""
        now_ns = self._clock()
        if now_ns < self._slowly_ns:
            return {}
        self._slowly_ns = now_ns + _SLOWLY_NS
        counters = {name: int(value) for name, value in await self._fetch(self._asked["counters"])}
        if sees_sessions:
            self._names.programs = dict(await self._may(self._asked["programs"]) or ())
        return {"counters": counter_rows(now_ns, self._database, counters)}

    async def _fetch(self, statement: str) -> Sequence[Any]:
        async with self._connection.cursor() as cursor:
            await cursor.execute(statement)
            rows: Sequence[Any] = await cursor.fetchall()
            return rows

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def rest(self) -> Rows:
        return {"lock_waits": wait_rows(self._database, self._numbers, [*self._over, *self._waits.rest()])}
