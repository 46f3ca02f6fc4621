"""The probe of PostgreSQL: lock waits, and what sessions do."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.drivers import postgres
from loadtests.drivers.addresses import parse_address
from loadtests.probes import locknames, naming
from loadtests.probes.clocks import ServerClock, clock_offset
from loadtests.probes.contract import BlindError, Clock, Database, Rows, ServerClockOffset, Source
from loadtests.probes.jsonlog.log_reader import LogReader
from loadtests.probes.jsonlog.names import TransactionActivity
from loadtests.probes.locknames import Named
from loadtests.probes.postgres import encodings
from loadtests.probes.postgres.log_probe import FIRST_WITH_JSONLOG, WITHDRAWN, LogProbe, LogSettings, source
from loadtests.probes.rows import counter_rows, session_rows, wait_rows
from loadtests.probes.waits import Lock, Wait, Waits, waits_in

_OLDEST = 13
_SQL = Path(__file__).parents[1] / "sql"
_OPEN_S = 2.0
_SETTINGS = {"jit": "off"}
_LOG_ANSWERS_S = 1.0
_SLOWLY_NS = 1_000_000_000
_CLOCK_LASTS_NS = 30_000_000_000
_CLOCK = "SELECT (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint"
_GRANTS = (
    "grant the observer's role pg_monitor, and EXECUTE on pg_current_logfile(text), so that it may ask for the log"
)
_SERVER = """
SELECT
    current_database() AS database,
    current_setting('server_encoding') AS encoding,
    pg_postmaster_start_time() AS started,
    setting::int - 4 AS whole
FROM pg_settings WHERE name = 'track_activity_query_size'
"""
"""Statements are cut to fewer bytes than that setting, and between two characters."""
_HIDDEN = "hidden"
"""What sessions.sql says of those that this role may not see."""
_SEES_ALL = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
_QUERIES = ("sessions", "relations", "postgres-counters")


class PostgresProbe:
    """One connection, opened before the load on a slot reserved for superusers, so that a full server still has it.

    Its companion reads the server's log: this probe queries the server about the log, and the two report each
    wait once.
    """

    def __init__(self, database: Database, dsn: str, clock: Clock, period_s: float = 0.05) -> None:
        self.name = database.probe
        self._database = database
        self.period_s, self.deadline_s = period_s, 5 * period_s
        self.offset: ServerClockOffset | None = None
        self.source = Source(("sampled",), int(period_s * 1e9), reason="not opened yet")
        self._dsn, self._clock = dsn, clock
        self._connection: Any = None
        self._asked: dict[str, Any] = {}
        self._server_clock = ServerClock(clock)
        self._log = LogReader(self._server_clock)
        self._waits = Waits(int(period_s * 1e9))
        self._numbers = count()
        self._started: Any = None
        self._whole = 0
        self._has_raw_text = False
        self._sees_all = self._saw_all = False
        self._slowly_ns = self._clock_ns = 0
        self.beside = (LogProbe(f"{self.name}/log", self._log, self._wait_rows),)

    async def open(self) -> None:
        address = parse_address("postgres", self._dsn)
        self._connection = await postgres.connect(address, "loadtests observer", _SETTINGS, timeout_s=_OPEN_S)
        async with asyncio.timeout(_OPEN_S):
            await self._open(self._connection)

    async def _open(self, connection: Any) -> None:
        version = connection.get_server_version().major
        if version < _OLDEST:
            raise RuntimeError(f"PostgreSQL {version} is older than {_OLDEST}, the oldest that can be watched")
        self._has_raw_text = connection.get_settings().server_encoding == encodings.RAW
        if self._has_raw_text:
            await connection.execute(encodings.READ_RAW)
        names = {name: name for name in _QUERIES} | {"locks": f"locks-{14 if version >= 14 else 13}"}
        if version >= FIRST_WITH_JSONLOG:
            names["log"] = "postgres-log"
        self._asked = {k: await connection.prepare((_SQL / f"{name}.sql").read_text()) for k, name in names.items()}
        await self._read_clock()
        self._begin_incarnation(await connection.fetchrow(_SERVER))
        await self._follow_log()
        await self._confirm_log()
        await connection.execute(f"SET statement_timeout = {int(self.period_s * 800)}")  # ms: four fifths of a period

    async def _read_clock(self) -> None:
        """Now and then: clocks drift, and a reading in a quiet moment is surer than one under load."""
        self._clock_ns = self._clock() + _CLOCK_LASTS_NS
        self.offset = await clock_offset(lambda: self._connection.fetchval(_CLOCK))
        self._log.learn_clock(self.offset)

    def _begin_incarnation(self, server: Any) -> None:
        """A server that was started anew, or made anew, gives old process ids to new sessions."""
        self._log.database, self._whole = server["database"], server["whole"]
        self._log.encoding = encodings.codec(server["encoding"])
        if server["started"] != self._started:
            self._started = server["started"]
            self._waits.cut()
            self._log.relations.forget()

    async def _follow_log(self) -> None:
        """Asks what there is to know of waits, and with which privileges."""
        self._sees_all = await self._connection.fetchval(_SEES_ALL)
        self._saw_all |= self._sees_all
        try:
            why = await self._find_log() if self._sees_all or not self._saw_all else WITHDRAWN
        except asyncpg.InsufficientPrivilegeError as error:
            why = f"{error}: {_GRANTS}"
        except OSError as error:
            why = f"the server's log cannot be read from here: {error}"
        if why is not None:
            self._log.stop(why)

    async def _find_log(self) -> str | None:
        """Why it is not followed."""
        if "log" not in self._asked:
            return f"PostgreSQL writes its log as JSON from version {FIRST_WITH_JSONLOG} on only"
        settings = LogSettings.of(await self._asked["log"].fetchrow())
        first_ns = self.source.threshold_ns
        if first_ns not in (None, settings.threshold_ns):
            return f"deadlock_timeout is {settings.threshold_ns / 1e6:g} ms now, and was {first_ns / 1e6:g} ms at first"
        if settings.why_not is None and settings.path is not None:
            self._log.follow(settings.path, settings.threshold_ns, settings.zone_s)
        return settings.why_not

    async def _confirm_log(self) -> None:
        """The file that was found is this server's, and no other's of the same name, when a word of ours comes
        through it."""
        await self._beat()
        until_ns = self._clock() + int(_LOG_ANSWERS_S * 1e9)
        while self._log.why is not None and self._log.is_open and self._clock() < until_ns:
            await asyncio.sleep(0.01)
            self._log.read()
            if self._log.doubts_clock:
                await self._read_clock()
        if self.source.threshold_ns is None:
            threshold_ns = self._log.waits.threshold_ns
            self.source = source(int(self.period_s * 1e9), threshold_ns, self._log.why, self._sees_all)

    async def _beat(self) -> None:
        if not self._log.is_open:
            return
        words = self._log.beat(self._server_clock.there(self._clock()))
        try:
            await self._connection.execute(f"DO $$BEGIN RAISE LOG '{words}'; END$$")
        except (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedObjectError) as error:
            self._log.not_sent(words)
            self._log.stop(f"nothing can be written to the server's log to find it by: {error}")
        except BaseException:
            self._log.not_sent(words)
            raise

    async def sample(self) -> Rows:
        """Lock rows are asked for only when a session waits: the quiet server is asked one cheap question."""
        try:
            seen = await self._read_now()
        except asyncpg.QueryCanceledError as error:
            raise BlindError("the server took longer than the statement timeout") from error
        counters: Rows = {}
        with suppress(asyncpg.QueryCanceledError):  # the sample is made; the rest can wait
            counters = await self._read_slowly()
        over = [] if self._log.why is None else self._log.over()  # the log's probe reports them while there is one
        return {**seen, **counters, **self._wait_rows(over)}

    async def _read_now(self) -> Rows:
        now_ns = self._clock()
        sessions = await self._fetch_text("sessions", self._whole)
        asked_ns = self._clock()
        waiting = any(r["wait_class"] in ("lock", _HIDDEN) for r in sessions)
        rows = await self._fetch_text("locks", self._whole) if waiting else []
        # The ages were read somewhere between question and answer: in the middle, give or take half of that.
        half_ns = (self._clock() - asked_ns) // 2
        self._compare(asked_ns + half_ns, half_ns, rows)
        return {"sessions": session_rows(now_ns, self._database, _sessions(sessions))}

    def _own_text(self, names: Sequence[str]) -> Sequence[str]:
        return encodings.encoded(names) if self._has_raw_text else names

    async def _fetch_text(self, query: str, *values: Any) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = await self._asked[query].fetch(*values)
        return [encodings.decoded(row) for row in rows] if self._has_raw_text else rows

    def _compare(self, at_ns: int, error_ns: int, rows: Sequence[Any]) -> None:
        """Reconciles a sample with the log."""
        locks = [_lock(row) for row in rows]
        ours = {row["pid"] for row in rows if row["ours"]}
        seen = [s for s in waits_in(locks) if s.lock.session in ours]
        self._log.reconciler.sampled(self._waits.observe(at_ns, error_ns, seen))
        there_ns = self._server_clock.there(at_ns)
        self._log.note_sample(there_ns, {s.lock.session for s in seen})
        if self._log.why is None:
            self._note_holders(locks, rows, there_ns)

    def _note_holders(self, locks: Sequence[Lock], rows: Sequence[Any], there_ns: int) -> None:
        """Records what holders do, which is not in the log; waiters are named by their own lines there."""
        holders = {
            (lock.session, lock.began): (lock, row) for lock, row in zip(locks, rows, strict=True) if lock.granted
        }
        for lock, row in holders.values():
            if lock.session is not None and lock.began is not None:
                own = naming.is_own(lock.operation, row["application_name"], row["backend_type"])
                activity = TransactionActivity(lock.began, lock.began * 1000, there_ns, lock.operation, own)
                self._log.names.see(lock.session, activity)

    async def _read_slowly(self) -> Rows:
        """Once a second: totals, what became of the log, and names that the log gave as numbers."""
        now_ns = self._clock()
        if any(wanted := self._log.relations.wanted()):
            ids, names = wanted
            self._log.relations.learn(await self._fetch_text("relations", ids, self._own_text(names)))
        if now_ns < self._slowly_ns:
            return {}
        self._slowly_ns = now_ns + _SLOWLY_NS
        counters = await self._asked["postgres-counters"].fetchrow()
        if now_ns > self._clock_ns or self._log.doubts_clock:
            await self._read_clock()
        await self._follow_log()
        await self._beat()
        return {"counters": counter_rows(now_ns, self._database, dict(counters))}

    def _wait_rows(self, waits: Sequence[Wait]) -> Rows:
        return {"lock_waits": wait_rows(self._database, self._numbers, waits)}

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def rest(self) -> Rows:
        self._log.reconciler.sampled(self._waits.rest())
        return self._wait_rows(self._log.end(self.name))


def _operation(row: Any) -> str | None:
    if row["prepared"] is not None:
        return naming.prepared(row["prepared"])
    comment = naming.comment(row["statement"], row["whole"])
    return naming.operation(row["application_name"], comment, row["backend_type"])


def _lock(row: Any) -> Lock:
    return Lock(
        session=row["pid"],
        tag=row["tag"],
        kind=row["locktype"],
        mode=row["mode"],
        granted=row["granted"],
        relation=row["relation"],
        since=row["since"],
        age_ns=row["age_ns"],
        operation=_operation(row),
        pod=naming.pod(row["application_name"]),
        statement=None if row["granted"] else naming.fingerprint(row["statement"]),
        named=_named(row),
        began=row["began"],
        asked=row["asked"],
    )


def _named(row: Any) -> Named:
    kind, relation = row["locktype"], row["relation"]
    if kind == "tuple":
        return locknames.row(relation, f"({row['page']},{row['tuple']})")
    if kind == "relation":
        return locknames.relation(relation)
    if kind == "transactionid":
        return locknames.transaction(row["number"])
    if kind == "advisory":
        return locknames.advisory(row["class_id"], row["object_id"], row["keys"])
    if kind == "object":
        return locknames.of_class(row["class_id"], row["object_id"], row["class_name"])
    words = " ".join(str(w) for w in (kind, row["page"], row["number"], relation and f"of {relation}") if w is not None)
    return Named(f"{kind} of {relation}" if relation else kind, words)


def _sessions(rows: Sequence[Any]) -> Counter[tuple[str, str | None]]:
    """Sessions by class and operation; several pods and statements may share both. Hidden ones may be idle or at work:
    they are none."""
    totals: Counter[tuple[str, str | None]] = Counter()
    for row in (row for row in rows if row["wait_class"] != _HIDDEN):
        name = naming.operation(row["application_name"], naming.comment(row["comment"]), row["backend_type"])
        totals[row["wait_class"], name] += row["sessions"]
    return totals
