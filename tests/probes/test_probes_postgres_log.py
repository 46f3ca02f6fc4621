"""The observer beside a server that logs its lock waits: real contention of every kind, and a log that goes away."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from observers import Observer, observing

from loadtests.records.vocabulary import KNOWN, WAIT_OUTCOMES
from loadtests.servers.postgres.server import PostgresServer

MS = 1_000_000
HOLD_S = 0.12
ERROR_NS = 5 * MS
"""How far a wait may be from what its client saw, in either direction; the client sees the way there and back too."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One of its own: its settings change, and its log is taken away."""
    with PostgresServer.create(tmp_path_factory.mktemp("own") / "postgres") as server:
        if not log_of(server).exists():
            pytest.skip("this PostgreSQL is older than 15: it writes no log as JSON")
        yield server


def log_of(server: PostgresServer) -> Path:
    return server.directory / "log" / "postgres.json"


@dataclass
class Sessions:
    """Connections by what they are called, and what happened to them by our own clock."""

    server: PostgresServer
    observer: Observer
    pids: dict[str, int] = field(default_factory=dict)
    waited: dict[str, tuple[int, int]] = field(default_factory=dict)
    reset_ns: int = 0

    @asynccontextmanager
    async def open(self, *names: str, dsn: str = "", application: str = "") -> Any:
        """Named as a pod's sessions, unless they have an application's own name."""
        connections = []
        for name in names:
            settings = {"application_name": application or f"{name}@pod-1"}
            connections.append(await asyncpg.connect(dsn or self.server.pod_dsn, server_settings=settings))
            self.pids[name] = connections[-1].get_server_pid()
        yield connections if len(names) > 1 else connections[0]
        for connection in connections:
            connection.terminate()

    async def wait(self, name: str, connection: Any, sql: str) -> None:
        """A statement that waits; errors are part of the story."""
        begun_ns = self.observer.now_ns()
        with suppress(asyncpg.PostgresError, OSError):
            await connection.execute(sql)
        self.waited[name] = begun_ns, self.observer.now_ns()

    async def until_waiting(self, name: str) -> None:
        """Until the server says that the session waits for a lock."""
        connection = await asyncpg.connect(self.server.dsn)
        asked, end = "SELECT wait_event_type FROM pg_stat_activity WHERE pid = $1", time.monotonic() + 20
        while await connection.fetchval(asked, self.pids[name]) != "Lock":
            assert time.monotonic() < end, f"{name} never waited"
        await connection.close()

    async def until_seen_for_most_of(self, begun_ns: int, changed_ns: int) -> None:
        """Until the observer has many more samples since something changed than before."""
        before, after, end = 0, 0, time.monotonic() + 20
        while after <= 2 * before + 2:
            assert time.monotonic() < end, f"the observer made {after} samples only"
            await asyncio.sleep(0.05)
            good_ticks = [t["started_ns"] for t in self.observer.ticks("postgres") if t["error"] is None]
            before, after = (
                sum(a < ns < b for ns in good_ticks) for a, b in ((begun_ns, changed_ns), (changed_ns, 1 << 62))
            )

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [w for w in self.observer.rows("lock_waits") if w["waiter_session"] == self.pids[name]]


UPDATE = "UPDATE hot SET n = n + 1 WHERE id = {}"


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def hot_row(s: Sessions) -> None:
    """One holds a row, four want it, one after another, and hold it a while themselves."""
    names = [f"hot.{n}" for n in range(5)]
    async with s.open(*names) as (holder, *waiters):

        async def one(name: str, connection: Any) -> None:
            async with connection.transaction():
                await s.wait(name, connection, UPDATE.format(1))
                await asyncio.sleep(HOLD_S / 2)

        await holder.execute("BEGIN; " + UPDATE.format(1))
        tasks = []
        for name, connection in zip(names[1:], waiters, strict=True):
            tasks.append(asyncio.create_task(one(name, connection)))
            await s.until_waiting(name)
        await asyncio.sleep(HOLD_S / 2)
        await holder.execute("COMMIT")
        await asyncio.gather(*tasks)


async def errors(s: Sessions) -> None:
    """One holds a row; those who want it are timed out, cancelled and terminated."""
    async with s.open("holder", "lock.timeout", "statement.timeout", "cancelled", "terminated", "caught") as several:
        holder, *waiters = several
        await holder.execute("BEGIN; " + UPDATE.format(2))
        await waiters[0].execute("SET lock_timeout = 100")
        await waiters[1].execute("SET statement_timeout = 100")
        await waiters[4].execute("SET lock_timeout = 100")
        caught = "DO $$ BEGIN UPDATE hot SET n = 0 WHERE id = 2; EXCEPTION WHEN lock_not_available THEN END $$"
        texts = [UPDATE.format(2)] * 4 + [caught]
        names = ["lock.timeout", "statement.timeout", "cancelled", "terminated", "caught"]
        tasks = [asyncio.create_task(s.wait(*each)) for each in zip(names, waiters, texts, strict=True)]
        await s.until_waiting("cancelled")
        await s.until_waiting("terminated")
        await asyncio.sleep(HOLD_S)
        await holder.execute("SELECT pg_cancel_backend($1)", s.pids["cancelled"])
        await holder.execute("SELECT pg_terminate_backend($1)", s.pids["terminated"])
        await asyncio.gather(*tasks)


async def deadlock(s: Sessions) -> None:
    async with s.open("dead.a", "dead.b") as (a, b):
        await a.execute("BEGIN; " + UPDATE.format(3))
        await b.execute("BEGIN; " + UPDATE.format(4))
        first = asyncio.create_task(s.wait("dead.a", a, UPDATE.format(4)))
        await s.until_waiting("dead.a")
        await asyncio.sleep(0.05)
        await s.wait("dead.b", b, UPDATE.format(3))
        await b.execute("ROLLBACK")
        await first


async def reloaded(s: Sessions) -> None:
    """The server logs a wait again: once for each reload."""
    async with s.open("reload.holder", "reload.waiter") as (holder, waiter):
        await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(-1)")
        task = asyncio.create_task(s.wait("reload.waiter", waiter, "SELECT pg_advisory_lock(-1)"))
        await s.until_waiting("reload.waiter")
        for _ in range(3):
            await asyncio.sleep(HOLD_S / 3)
            await execute(s.server.dsn, "SELECT pg_reload_conf()")
        await holder.execute("COMMIT")
        await task


async def relations(s: Sessions) -> None:
    """A reader behind a migration behind a long reader, each by a name of its own."""
    async with (
        s.open("dump", application="pg_dump") as dump,
        s.open("ddl", application="flyway") as ddl,
        s.open("reader", application="uvicorn") as reader,
    ):
        await dump.execute("BEGIN; SELECT count(*) FROM hot")
        altered = asyncio.create_task(s.wait("ddl", ddl, "ALTER TABLE hot ADD COLUMN IF NOT EXISTS extra int"))
        await s.until_waiting("ddl")
        text = "SELECT count(*) FROM hot WHERE n = 4711 /*controller='chats',action='index',traceparent='00-1'*/"
        read = asyncio.create_task(s.wait("reader", reader, text))
        await s.until_waiting("reader")
        await asyncio.sleep(2 * HOLD_S)
        await dump.execute("COMMIT")
        await asyncio.gather(altered, read)


SHARED = {
    "table": ("SELECT count(*) FROM shared", "LOCK TABLE shared IN ACCESS EXCLUSIVE MODE"),
    "advisory": ("SELECT pg_advisory_xact_lock_shared(12)", "SELECT pg_advisory_xact_lock(12)"),
}
"""What several may hold, and who wants it alone."""


async def shared(s: Sessions) -> None:
    """One of two holders soon lets go, and does something else; the other one is in the way for most of the wait. The
    server names them in the same order whichever it is."""
    await execute(s.server.pod_dsn, "CREATE TABLE shared ()")
    for lock, (share, alone) in SHARED.items():
        names = [f"{lock}.{name}" for name in ("a", "b", "behind.a", "behind.b")]
        async with s.open(*names) as (a, b, *waiters):
            for name, brief, long, waiter in ((names[2], b, a, waiters[0]), (names[3], a, b, waiters[1])):
                await a.execute(f"BEGIN; {share}")
                await b.execute(f"BEGIN; {share}")
                begun_ns = s.observer.now_ns()
                task = asyncio.create_task(s.wait(name, waiter, f"BEGIN; {alone}; COMMIT"))
                await s.until_waiting(name)
                await asyncio.sleep(HOLD_S / 2)
                await brief.execute("COMMIT; SET application_name = 'next@pod-1'")
                await brief.execute("BEGIN; SELECT 1")
                await s.until_seen_for_most_of(begun_ns, s.observer.now_ns())
                await brief.execute("COMMIT; RESET application_name")
                await long.execute("COMMIT")
                await task


async def notify(s: Sessions) -> None:
    """A commit that waits for a standby that is not there holds the lock that all commits with notifications take."""
    standby = "ALTER SYSTEM {} synchronous_standby_names"
    async with s.open("notify.1", "notify.2") as (first, second):
        await execute(s.server.dsn, standby.format("SET") + " = 'nobody'", "SELECT pg_reload_conf()")
        await asyncio.sleep(0.1)
        one = asyncio.create_task(s.wait("notify.1", first, f"BEGIN; {UPDATE.format(8)}; NOTIFY events; COMMIT"))
        await asyncio.sleep(0.05)
        two = asyncio.create_task(s.wait("notify.2", second, "NOTIFY events"))
        await s.until_waiting("notify.2")
        await asyncio.sleep(HOLD_S)
        await execute(s.server.dsn, "SET synchronous_commit = local", "ALTER SYSTEM RESET synchronous_standby_names")
        await execute(s.server.dsn, "SELECT pg_reload_conf()")
        await asyncio.gather(one, two)


async def forged(s: Sessions) -> None:
    """A client writes into the log what a server would, during another session's wait."""
    async with s.open("forged.holder", "forged.waiter", "forger") as (holder, waiter, forger):
        await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(13)")
        task = asyncio.create_task(s.wait("forged.waiter", waiter, "SELECT pg_advisory_lock(13)"))
        await s.until_waiting("forged.waiter")
        await asyncio.sleep(HOLD_S / 2)
        acquired = "process {} acquired ExclusiveLock on advisory lock [5,0,13,1] after 60000.000 ms"
        words = [acquired.format(s.pids[name]) for name in ("forger", "forged.waiter")]
        for text in (*words, "starting PostgreSQL 18.1"):
            await forger.execute(f"DO $$ BEGIN RAISE LOG '{text}'; END $$")
        await asyncio.sleep(HOLD_S / 2)
        await holder.execute("COMMIT")
        await task


async def elsewhere(s: Sessions) -> None:
    """What waits in another database of the server is not ours."""
    dsn = s.server.dsn.rpartition("/")[0] + "/postgres"
    async with s.open("other.1", "other.2", dsn=dsn) as (holder, waiter):
        await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(9)")
        task = asyncio.create_task(s.wait("other.2", waiter, "SELECT pg_advisory_lock(9)"))
        await s.until_waiting("other.2")
        await asyncio.sleep(HOLD_S)
        await holder.execute("COMMIT")
        await task


async def statistics_reset(s: Sessions) -> None:
    """The server's totals are set back during a wait."""
    async with s.open("reset.holder", "reset.waiter") as (holder, waiter):
        await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(11)")
        task = asyncio.create_task(s.wait("reset.waiter", waiter, "SELECT pg_advisory_lock(11)"))
        await s.until_waiting("reset.waiter")
        await execute(s.server.dsn, "SELECT pg_stat_reset()")
        s.reset_ns = s.observer.now_ns()
        await asyncio.to_thread(s.observer.until_tick, lambda t: t["rows"] > 2)
        await asyncio.sleep(HOLD_S)
        await holder.execute("COMMIT")
        await task


SCENES: list[Callable[[Sessions], Awaitable[None]]] = [
    *(hot_row, errors, deadlock, reloaded, relations, shared, notify, forged, elsewhere, statistics_reset)
]


@pytest.fixture(scope="module")
def story(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Sessions:
    """Everything happens once, under one observer; the tests check what it wrote."""

    async def play(sessions: Sessions) -> None:
        create = "CREATE TABLE hot (id int PRIMARY KEY, n int)"
        await execute(server.pod_dsn, create, "INSERT INTO hot SELECT i, 0 FROM generate_series(1, 9) AS i")
        for scene in SCENES:
            await scene(sessions)
        await asyncio.to_thread(sessions.observer.until_tick, lambda t: True, probe="postgres/log")

    with observing(tmp_path_factory.mktemp("run"), {"postgres:postgres": server.dsn}) as observer:
        sessions = Sessions(server, observer)
        asyncio.run(play(sessions))
        observer.stop()
    return sessions


def expect(story: Sessions, name: str, **expected: Any) -> dict[str, Any]:
    """The one wait of the session, which lasted as long as its client waited, as far as its statement did nothing
    else."""
    (wait,) = story.rows(name)
    begun_ns, ended_ns = story.waited[name]
    assert wait["known"] == KNOWN.index("event")
    assert wait["hits"] is None
    assert begun_ns - ERROR_NS <= wait["started_ns"] <= wait["ended_ns"] <= ended_ns + ERROR_NS
    assert {key: wait[key] for key in expected} == expected
    return wait


def outcome(wait: dict[str, Any]) -> str:
    return WAIT_OUTCOMES[wait["outcome"]]


def test_source_states_what_it_knows(story: Sessions) -> None:
    assert story.observer.ready["lock_sources"]["postgres"] == {
        "known": ["event", "sampled"],
        "period_ns": 50 * MS,
        "threshold_ns": 10 * MS,
        "reason": "",
    }
    assert {t["error"] for t in story.observer.ticks("postgres/log")} == {None}


def test_every_session_waits_once_for_a_hot_row(story: Sessions) -> None:
    assert story.rows("hot.0") == []
    waits = [expect(story, f"hot.{n}", object="row of hot") for n in (1, 2, 3, 4)]
    lasted = sum(w["ended_ns"] - w["started_ns"] for w in waits)
    seen = sum(end - begin for begin, end in (story.waited[f"hot.{n}"] for n in (1, 2, 3, 4)))
    assert 0.5 * seen <= lasted <= seen + 4 * ERROR_NS
    assert {outcome(w) for w in waits} == {"acquired"}
    assert {w["lock"] for w in waits[:2]} == {"hot (0,1)"}
    names = {story.pids[f"hot.{n}"]: f"hot.{n}" for n in range(5)}
    assert all(w["root_operation"] in (names[w["root_session"]], None) for w in waits)
    assert (waits[0]["root_session"], waits[0]["depth"]) == (story.pids["hot.0"], 1)


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("lock.timeout", "timed_out"),
        ("statement.timeout", "timed_out"),
        ("cancelled", "cancelled"),
        ("terminated", "cancelled"),
    ],
)
def test_waits_that_come_to_nothing(story: Sessions, name: str, ending: str) -> None:
    wait = expect_nothing(story, name, ending)
    begun_ns, ended_ns = story.waited[name]
    assert 90 * MS <= wait["ended_ns"] - wait["started_ns"] <= ended_ns - begun_ns + 60 * MS


def test_caught_error_is_not_logged_and_ends_between_samples(story: Sessions) -> None:
    wait = expect_nothing(story, "caught", "unknown")
    begun_ns, ended_ns = story.waited["caught"]
    good_ticks = [t for t in story.observer.ticks("postgres") if t["error"] is None]
    last_ns = max(t["started_ns"] for t in good_ticks if t["ended_ns"] < begun_ns + 100 * MS)
    next_ns = min(t["ended_ns"] for t in good_ticks if t["started_ns"] > ended_ns)
    assert last_ns - ERROR_NS <= wait["ended_ns"] <= next_ns + ERROR_NS


def expect_nothing(story: Sessions, name: str, ending: str) -> dict[str, Any]:
    (wait,) = story.rows(name)
    assert outcome(wait) == ending
    assert (wait["known"], wait["root_session"]) == (KNOWN.index("event"), story.pids["holder"])
    assert wait["root_operation"] == "holder"
    return wait


def test_a_deadlock_is_two_waits(story: Sessions) -> None:
    survivor = expect(story, "dead.a", root_session=story.pids["dead.b"], depth=1)
    victim = expect(story, "dead.b", blocker_session=story.pids["dead.a"], depth=1)
    assert (outcome(survivor), outcome(victim)) == ("acquired", "deadlock")


def test_a_reload_is_not_another_wait(story: Sessions) -> None:
    wait = expect(story, "reload.waiter", object="advisory -1", lock="advisory -1", blocker_operation="reload.holder")
    assert wait["ended_ns"] - wait["started_ns"] >= HOLD_S * 1e9


def test_queue_for_a_table_is_reported_with_names(story: Sessions) -> None:
    dump = story.pids["dump"]
    expect(story, "ddl", blocker_session=dump, blocker_operation="pg_dump", waiter_operation="flyway", depth=1)
    reader = expect(story, "reader", object="relation hot", lock="relation hot", waiter_operation="chats.index")
    assert (reader["blocker_operation"], reader["root_operation"], reader["depth"]) == ("flyway", "pg_dump", 2)
    assert reader["statement"] == "SELECT count(*) FROM hot WHERE n = ?"


@pytest.mark.parametrize("lock", list(SHARED))
def test_of_several_holders_the_one_in_the_way_for_longest_is_blamed(story: Sessions, lock: str) -> None:
    for name in (f"{lock}.a", f"{lock}.b"):
        pid = story.pids[name]
        waiter = name.replace(".", ".behind.")
        expect(story, waiter, blocker_session=pid, root_session=pid, blocker_operation=name, depth=1)


def test_the_lock_of_notifications(story: Sessions) -> None:
    assert story.rows("notify.1") == []
    expect(
        story, "notify.2", object="commit of NOTIFY", lock="commit of NOTIFY", blocker_session=story.pids["notify.1"]
    )


def test_lines_forged_by_a_client_are_ignored(story: Sessions) -> None:
    assert story.rows("forger") == []
    wait = expect(story, "forged.waiter", object="advisory 13", blocker_operation="forged.holder")
    assert wait["ended_ns"] - wait["started_ns"] >= HOLD_S * 1e9


def test_other_databases_are_not_ours(story: Sessions) -> None:
    assert story.rows("other.2") == []


def test_totals_once_a_second(story: Sessions) -> None:
    rows = story.observer.rows("counters")
    assert {r["counter"] for r in rows} == {"commits", "rollbacks", "deadlocks"}
    deadlocks = [r["value"] for r in rows if r["counter"] == "deadlocks"]
    assert deadlocks[-1] - deadlocks[0] <= 1
    assert all(later - earlier > 900 * MS for earlier, later in zip(times(rows), times(rows)[1:], strict=False))


def test_totals_that_were_set_back_do_not_fail_a_tick(story: Sessions) -> None:
    commits = [(r["t_ns"], r["value"]) for r in story.observer.rows("counters") if r["counter"] == "commits"]
    before = max(value for t_ns, value in commits if t_ns < story.reset_ns)
    assert min(value for t_ns, value in commits if t_ns > story.reset_ns) < before
    assert {t["error"] for t in story.observer.ticks("postgres/log")} == {None}
    expect(story, "reset.waiter", object="advisory 11", blocker_operation="reset.holder")


def times(rows: list[dict[str, Any]]) -> list[int]:
    return sorted({r["t_ns"] for r in rows})


async def contend(sessions: Sessions, name: str) -> None:
    """One known wait."""
    async with sessions.open("holds", name) as (holder, waiter):
        await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(5)")
        task = asyncio.create_task(sessions.wait(name, waiter, "SELECT pg_advisory_xact_lock(5)"))
        await sessions.until_waiting(name)
        await asyncio.sleep(HOLD_S)
        await holder.execute("COMMIT")
        await task


def test_a_log_that_goes_away_and_comes_back(server: PostgresServer, tmp_path: Path) -> None:
    """Cut, rotated, switched off and on, and the server started anew: waits are known as well as they can be."""
    log = log_of(server)

    def until(error: str | None) -> None:
        observer.until_tick(lambda t: t["error"] is None if error is None else error in (t["error"] or ""), probe=LOG)

    def asked() -> None:
        """Until the server was asked once more where its log is."""
        known, end = len(times(observer.rows("counters"))), time.monotonic() + 30
        while len(times(observer.rows("counters"))) < known + 2 and time.monotonic() < end:
            time.sleep(0.05)

    def go(name: str) -> None:
        asyncio.run(contend(sessions, name))

    def alter(*statements: str) -> None:
        asyncio.run(execute(server.dsn, *statements, "SELECT pg_reload_conf()"))

    with observing(tmp_path, {"postgres:postgres": server.dsn}) as observer:
        sessions = Sessions(server, observer)
        os.truncate(log, 0)
        asked()
        go("cut")
        log.rename(log.with_name("old.json"))
        go("renamed")
        asyncio.run(execute(server.dsn, "SELECT pg_rotate_logfile()"))
        go("rotated")
        alter("ALTER SYSTEM SET log_filename = 'other.log'")
        go("elsewhere")
        asked()
        alter("ALTER SYSTEM RESET log_filename", "ALTER SYSTEM SET log_lock_waits = off")
        until("log_lock_waits = on")
        go("switched.off")
        alter("ALTER SYSTEM RESET log_lock_waits", "ALTER SYSTEM SET deadlock_timeout = '20ms'")
        until("deadlock_timeout is 20 ms now")
        alter("ALTER SYSTEM RESET deadlock_timeout")
        until(None)
        server.stop()
        server.start()
        until(None)
        go("anew")
        observer.stop()
    waits = {name: sessions.rows(name) for name in sessions.waited}
    assert {name: [KNOWN[w["known"]] for w in of] for name, of in waits.items()} == {
        **{name: ["event"] for name in ("cut", "renamed", "rotated", "elsewhere", "anew")},
        "switched.off": ["sampled"],
    }
    assert {w["object"] for of in waits.values() for w in of} == {"advisory 5"}
    assert any("was cut" in (t["error"] or "") for t in observer.ticks(LOG))


LOG = "postgres/log"


def watcher(server: PostgresServer, *grants: str) -> str:
    """The address for a role with those privileges only."""
    create = ("DROP ROLE IF EXISTS watcher", "CREATE ROLE watcher LOGIN PASSWORD 'secret'")
    revoke = ("DROP OWNED BY watcher",) if exists(server) else ()
    connect = "GRANT CONNECT ON DATABASE pod TO watcher"
    asyncio.run(execute(server.dsn, *revoke, *create, connect, *grants))
    return server.dsn.replace(server.dsn.split("@")[0], "postgresql://watcher:secret")


def exists(server: PostgresServer) -> bool:
    async def ask() -> bool:
        connection = await asyncpg.connect(server.dsn)
        found = await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = 'watcher'")
        await connection.close()
        return bool(found)

    return asyncio.run(ask())


def test_role_with_few_privileges_samples_what_it_may_see(server: PostgresServer, tmp_path: Path) -> None:
    """It sees who waits for whom, and their applications' names; statements and the log are not for it."""
    with observing(tmp_path, {"postgres:postgres": watcher(server)}) as observer:
        sessions = Sessions(server, observer)
        asyncio.run(contend(sessions, "watched"))
        observer.until_tick(lambda t: True)
        observer.stop()
    source = observer.ready["lock_sources"]["postgres"]
    assert (source["known"], source["threshold_ns"]) == (["sampled"], None)
    assert "pg_monitor" in source["reason"]
    assert "pg_read_all_stats" in source["reason"]
    (wait,) = sessions.rows("watched")
    assert (wait["waiter_operation"], wait["root_operation"]) == ("watched", "holds")
    assert (wait["statement"], wait["object"], KNOWN[wait["known"]]) == (None, "advisory 5", "sampled")
    assert wait["hits"] >= 1
    assert {t["error"] for t in observer.ticks("postgres")} == {None}
    assert all("pg_monitor" in t["error"] for t in observer.ticks(LOG))


MONITOR = ("GRANT pg_monitor TO watcher", "GRANT EXECUTE ON FUNCTION pg_current_logfile(text) TO watcher")
SETTINGS = (
    "GRANT pg_read_all_settings, pg_read_all_stats TO watcher",
    "GRANT EXECUTE ON FUNCTION pg_current_logfile(text) TO watcher",
)


@pytest.mark.parametrize(
    ("grants", "revoke"),
    [(MONITOR, "REVOKE pg_monitor FROM watcher"), (SETTINGS, "REVOKE pg_read_all_stats FROM watcher")],
)
def test_privileges_that_are_withdrawn_leave_the_sampler(
    server: PostgresServer, tmp_path: Path, grants: tuple[str, ...], revoke: str
) -> None:
    """Lock waits are sampled still, from the first sample on; operations are not, and none is invented."""

    async def play() -> int:
        async with sessions.open(*(f"idle.{n}" for n in range(3))):
            await contend(sessions, "granted")
            await asyncio.to_thread(observer.until_tick, lambda t: True)
            await execute(server.dsn, revoke)
            revoked_ns = observer.now_ns()
            await contend(sessions, "withdrawn")
            await asyncio.to_thread(
                observer.until_tick, lambda t: "not what they were" in (t["error"] or ""), probe=LOG
            )
            await contend(sessions, "later")
            await asyncio.to_thread(observer.until_tick, lambda t: True)
        return revoked_ns

    with observing(tmp_path, {"postgres:postgres": watcher(server, *grants)}) as observer:
        sessions = Sessions(server, observer)
        revoked_ns = asyncio.run(play())
        observer.stop()
    assert observer.ready["lock_sources"]["postgres"]["known"] == ["event", "sampled"]
    assert observer.ready["lock_sources"]["postgres"]["reason"] == ""
    (why,) = {t["error"] for t in observer.ticks(LOG)} - {None}
    assert "pg_monitor" in why
    assert "pg_read_all_stats" in why
    waits = {name: [KNOWN[w["known"]] for w in sessions.rows(name)] for name in ("granted", "withdrawn", "later")}
    assert waits["granted"] == ["event"]
    assert len(waits["withdrawn"]) == 1
    assert waits["later"] == ["sampled"]
    assert {t["error"] for t in observer.ticks("postgres")} == {None}
    rows = observer.rows("sessions")
    assert {"idle.0", "idle.1", "idle.2"} <= {r["operation"] for r in rows if r["wait_class"] == "client"}
    assert [r for r in rows if r["t_ns"] > revoked_ns] == []
    assert {r["wait_class"] for r in rows} <= {"client", "lock", "idle in transaction", "running"}
