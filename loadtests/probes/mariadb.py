"""MariaDB as a probe sees it: who waits for whom, and what sessions do. The one module that knows asyncmy here.

InnoDB answers from a copy of its lock tables, which it makes anew only when nobody has read them for 100 ms: the one
reader waits that long between two looks, and whoever else reads them makes this one see old waits.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import asyncmy
from asyncmy.errors import MySQLError

from loadtests.probes import naming
from loadtests.probes.clocks import clock_offset
from loadtests.probes.contract import BlindError, Clock, ClockOffset, Rows, Source
from loadtests.probes.databases import Database
from loadtests.probes.rows import session_rows, wait_rows
from loadtests.probes.waits import Lock, Waits, waits_behind

SHORTEST_PERIOD_S = 0.15
_OLDEST = (10, 6)
_SQL = Path(__file__).parent / "sql"
_OPEN_S = 2.0
_COPY_LASTS_S = 0.11
_TIMED_OUT = 1969
_STARTED_WITHIN_S = 2
"""Uptime is told in whole seconds: how far two readings of one server's start may be apart."""
_CLOCK = "SELECT CAST(unix_timestamp(sysdate(6)) * 1000000 AS SIGNED)"
_STARTED = (
    "SELECT CAST(unix_timestamp(sysdate()) AS SIGNED) - CAST(variable_value AS SIGNED)"
    " FROM information_schema.global_status WHERE variable_name = 'Uptime'"
)


class Session(NamedTuple):
    """One client's session at a look. `transaction` None: in none that InnoDB knows of."""

    session: int
    wait_class: str
    transaction: int | None
    state: str | None
    said: str | None
    query: int
    age_ns: int
    statement: str | None


class InTheWay(NamedTuple):
    """One who waits and one whom it waits for; `queues`: that one only asked before. `blocker` 0: nobody's session."""

    waiter: int
    blocker: int
    queues: int
    tag: str
    mode: str
    type: str
    relation: str


class MariadbProbe:
    """One connection, opened before the load."""

    def __init__(self, database: Database, dsn: str, clock: Clock, period_s: float = 0.2) -> None:
        """Raises ValueError for a period in which InnoDB would not look again."""
        if period_s < SHORTEST_PERIOD_S:
            raise ValueError(f"a period of {period_s:g} s is shorter than {SHORTEST_PERIOD_S:g} s")
        self.name = database.probe
        self.period_s, self.deadline_s = period_s, 5 * period_s
        self.offset: ClockOffset | None = None
        self.source = Source(("sampled",), int(period_s * 1e9))
        self._database, self._dsn, self._clock = database, dsn, clock
        self._connection: Any = None
        self._read_s = 0.0
        self._started_s = 0
        self._names = Names()
        self._waits = Waits(int(period_s * 1e9))
        self._numbers = count()
        self._texts = {name: (_SQL / f"mariadb-{name}.sql").read_text() for name in ("sessions", "locks")}

    async def open(self) -> None:
        async with asyncio.timeout(_OPEN_S):
            await self._open()

    async def _open(self) -> None:
        url = urlsplit(self._dsn)
        self._connection = await asyncmy.connect(
            host=url.hostname or "127.0.0.1",
            port=url.port or 3306,
            user=unquote(url.username or ""),
            password=unquote(url.password or ""),
            autocommit=True,
            # Seconds: four fifths of a period.
            init_command=f"SET time_zone = '+00:00', max_statement_time = {self.period_s * 0.8:.3f}",
        )
        _check((await self._fetch("SELECT version()"))[0][0])
        self.offset = await clock_offset(self._now_us)
        self._begin_life((await self._fetch(_STARTED))[0][0])

    async def _now_us(self) -> int:
        return int((await self._fetch(_CLOCK))[0][0])

    def _begin_life(self, started_s: int) -> None:
        """A server that was started anew, or made anew, gives old numbers to new sessions and transactions."""
        if abs(started_s - self._started_s) > _STARTED_WITHIN_S:
            self._waits.cut()
            self._names = Names()
        self._started_s = started_s

    async def sample(self) -> Rows:
        """Locks are asked for only when a session waits: both questions are answered from one copy of the tables."""
        await asyncio.sleep(self._read_s + _COPY_LASTS_S - time.monotonic())
        try:
            now_ns = self._clock()
            sessions = [Session(*row) for row in await self._fetch(self._texts["sessions"])]
            asked_ns = self._clock()
            waiting = any(s.wait_class == "lock" for s in sessions)
            ways = [InTheWay(*row) for row in await self._fetch(self._texts["locks"])] if waiting else []
        except MySQLError as error:
            if error.args and error.args[0] == _TIMED_OUT:
                raise BlindError("the server took longer than the statement timeout") from error
            raise
        finally:
            self._read_s = time.monotonic()
        self._names.note(sessions)
        looks = Looks({s.session: s for s in sessions}, self._names, int(self.period_s * 1e9))
        over = self._waits.observe(asked_ns, asked_ns - now_ns, waits_behind(looks.waits(ways)))
        return {
            "sessions": session_rows(now_ns, self._database, looks.totals()),
            "lock_waits": wait_rows(self._database, self._numbers, over),
        }

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
        return {"lock_waits": wait_rows(self._database, self._numbers, self._waits.rest())}


def _check(version: str) -> None:
    found = re.match(r"(\d+)\.(\d+)", version)
    if "MariaDB" not in version or not found or tuple(map(int, found.groups())) < _OLDEST:
        raise RuntimeError(f"{version} cannot be watched: MariaDB {'.'.join(map(str, _OLDEST))} or newer can")


class Names:
    """What sessions last said that they do, for as long as their transaction lasts: who is idle in it says nothing."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[int | None, str]] = {}

    def note(self, sessions: Sequence[Session]) -> None:
        before, self._said = self._said, {}
        for s in sessions:
            if s.said:
                self._said[s.session] = s.transaction, s.said
            elif (known := before.get(s.session)) and s.transaction is not None and s.transaction == known[0]:
                self._said[s.session] = known

    def of(self, session: int) -> str | None:
        """`chat.accept@pod-1`, or None."""
        known = self._said.get(session)
        return known and known[1]


class Looks:
    """One look at the server: sessions by number, and what is known of them from before."""

    def __init__(self, sessions: Mapping[int, Session], names: Names, period_ns: int) -> None:
        self._sessions, self._names, self._period_ns = sessions, names, period_ns

    def totals(self) -> Counter[tuple[str, str | None]]:
        """(wait class, operation) → sessions."""
        return Counter((s.wait_class, self._operation(s.session)) for s in self._sessions.values())

    def waits(self, ways: Sequence[InTheWay]) -> list[tuple[Lock, Lock | None]]:
        """Every waiter with its blocker: a holder, else the one who asked before. Waits for a table's metadata do not
        say who is in the way."""
        blockers: dict[int, InTheWay] = {}
        for way in sorted(ways, key=lambda w: (w.queues, w.blocker)):
            blockers.setdefault(way.waiter, way)
        rows = [(self._row(way), self._blocker(way)) for way in blockers.values() if way.waiter in self._sessions]
        metadata = [
            (self._metadata(s), None)
            for s in self._sessions.values()
            if s.wait_class == "lock" and s.session not in blockers and (s.state or "").startswith("Waiting for")
        ]
        return [*rows, *metadata]

    def _row(self, way: InTheWay) -> Lock:
        kind = "row" if way.type == "RECORD" else "relation"
        return self._lock(self._sessions[way.waiter], way.tag, kind, way.mode, way.relation)

    def _blocker(self, way: InTheWay) -> Lock:
        """A transaction that no session serves has none."""
        session = way.blocker or None
        return Lock(session, way.tag, "row", "", not way.queues, operation=self._operation(way.blocker))

    def _metadata(self, s: Session) -> Lock:
        kind = (s.state or "").removeprefix("Waiting for ")
        return self._lock(s, kind, kind, "", None)

    def _lock(self, s: Session, tag: str, kind: str, mode: str, relation: str | None) -> Lock:
        """A statement that began since the last look has waited since then, but for its own work; of an older one
        only the looks can tell."""
        age_ns = s.age_ns if s.age_ns < self._period_ns else None
        said = self._names.of(s.session)
        return Lock(
            s.session,
            tag,
            kind,
            mode,
            granted=False,
            relation=relation,
            since=s.query,
            age_ns=age_ns,
            operation=self._operation(s.session),
            pod=naming.pod(said),
            statement=naming.fingerprint(s.statement),
        )

    def _operation(self, session: int) -> str | None:
        return naming.operation(self._names.of(session), None)
