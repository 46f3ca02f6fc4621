"""The observer beside real contention in a real MariaDB."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import pytest
from asyncmy.errors import MySQLError
from availability import unavailable
from observers import Observer, observing

from loadtests.probes.contract import Database
from loadtests.probes.innodb.probe import MariadbProbe
from loadtests.records.vocabulary import KNOWN
from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.registry import create_server

HOLD_S = 0.9
PERIOD_NS = 200_000_000


class Session:
    """A session that says in front of every statement what it does, as the reference pod's do."""

    def __init__(self, connection: Any, label: str) -> None:
        self._connection, self._label = connection, label

    @classmethod
    async def open(cls, dsn: str, label: str) -> "Session":
        at = urlsplit(dsn)
        login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}
        return cls(await asyncmy.connect(**login, database="pod", autocommit=True), label)

    @property
    def number(self) -> int:
        number: int = self._connection.thread_id()
        return number

    async def run(self, sql: str) -> None:
        async with self._connection.cursor() as cursor:
            await cursor.execute(f"/* {self._label} */ {sql}")

    def close(self) -> None:
        self._connection.close()


@dataclass
class Story:
    """What happened, by our own clock. Sessions by name."""

    sessions: dict[str, int] = field(default_factory=dict)
    asked_ns: int = 0
    released_ns: int = 0
    answered_ns: int = 0


def lock(row: int) -> str:
    return f"SELECT n FROM hot WHERE id = {row} FOR UPDATE"


async def opened(dsn: str, story: Story, **operations: str) -> list[Session]:
    sessions = [await Session.open(dsn, f"{operation}@pod-1") for operation in operations.values()]
    story.sessions |= {name: s.number for name, s in zip(operations, sessions, strict=True)}
    return sessions


async def until_sampled(observer: Observer, ticks_wanted: int = 2) -> None:
    """Until so many more ticks have seen."""
    for _ in range(ticks_wanted):
        await asyncio.to_thread(observer.until_tick, lambda t: t["error"] is None, probe="mariadb")


async def known_hold(dsn: str, observer: Observer, story: Story) -> None:
    """One session holds a row for a known time, and is seen at work in its transaction; another waits for the row."""
    holder, waiter = await opened(dsn, story, holder="chat.accept", waiter="subscription.create")
    await holder.run("BEGIN")
    await holder.run(lock(1))
    working = asyncio.create_task(holder.run("DO SLEEP(0.5)"))
    await until_sampled(observer, 1)
    await working
    await waiter.run("BEGIN")
    story.asked_ns = observer.now_ns()
    waiting = asyncio.create_task(waiter.run(lock(1)))
    await asyncio.sleep(HOLD_S)
    await until_sampled(observer)
    story.released_ns = observer.now_ns()
    await holder.run("COMMIT")
    await waiting
    story.answered_ns = observer.now_ns()
    await waiter.run("COMMIT")
    holder.close()
    waiter.close()


async def chain(dsn: str, observer: Observer, story: Story) -> None:
    """c waits for b, b for a, which is idle while it is sampled."""
    a, b, c = await opened(dsn, story, a="chat.offer", b="message.send", c="connection.close")
    for row, session in enumerate((a, b), 11):
        await session.run("BEGIN")
        await session.run(lock(row))
    waiting = asyncio.create_task(b.run(lock(11)))
    await asyncio.sleep(0.05)
    behind = asyncio.create_task(c.run(lock(12)))
    await until_sampled(observer, 3)
    await a.run("COMMIT")
    await waiting
    await b.run("COMMIT")
    await behind
    for session in (a, b, c):
        session.close()


async def queue(dsn: str, observer: Observer, story: Story) -> None:
    """Two wait for the same row: the second one's blocker is who holds it, not who asked before."""
    holder, first, second = await opened(dsn, story, held="chat.accept", first="chat.close", second="chat.offer")
    await holder.run("BEGIN")
    await holder.run(lock(3))
    waiting = [asyncio.create_task(first.run(lock(3)))]
    await asyncio.sleep(0.05)
    waiting.append(asyncio.create_task(second.run(lock(3))))
    await until_sampled(observer, 3)
    await holder.run("COMMIT")
    await asyncio.gather(*waiting)
    for session in (holder, first, second):
        session.close()


async def metadata(dsn: str, observer: Observer, story: Story) -> None:
    """A table is changed that a transaction still uses; later readers wait for that change."""
    reader, changer, late = await opened(dsn, story, reader="chat.accept", changer="migration", late="chat.close")
    await reader.run("BEGIN")
    await reader.run("SELECT n, sleep(0.3) FROM hot WHERE id = 20")
    changing = asyncio.create_task(changer.run("ALTER TABLE hot ADD COLUMN m int"))
    await until_sampled(observer, 1)
    reading = asyncio.create_task(late.run("SELECT n FROM hot WHERE id = 19"))
    await until_sampled(observer, 3)
    await reader.run("COMMIT")
    await asyncio.gather(changing, reading)
    for session in (reader, changer, late):
        session.close()


async def user_level(dsn: str, observer: Observer, story: Story) -> None:
    """A lock that the application names, held outside of any transaction by a session that has fallen idle."""
    keeper, asker = await opened(dsn, story, keeper="billing.close", asker="billing.open")
    held = asyncio.create_task(keeper.run("SELECT get_lock('invoice:4711', 5), sleep(0.3)"))
    await until_sampled(observer, 1)
    await held
    asking = asyncio.create_task(asker.run("SELECT get_lock('invoice:4711', 5)"))
    await until_sampled(observer, 3)
    await keeper.run("DO release_lock('invoice:4711')")
    await asking
    keeper.close()
    asker.close()


async def unfinished(dsn: str, observer: Observer, story: Story) -> None:
    """A wait that lasts longer than the observer."""
    holder, waiter = await opened(dsn, story, last_holder="chat.accept", unfinished="chat.close")
    await holder.run("BEGIN")
    await holder.run(lock(7))
    waiting = asyncio.create_task(waiter.run(lock(7)))
    await until_sampled(observer)
    await asyncio.to_thread(observer.stop)
    await holder.run("COMMIT")
    await waiting
    holder.close()
    waiter.close()


@pytest.fixture(scope="module")
def observed(mariadb_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Observer, Story]:
    """Everything happens once, under one observer; the tests check what it wrote."""
    dsn, story = mariadb_server.pod_dsn, Story()
    scenes: list[Callable[[str, Observer, Story], Awaitable[None]]] = [
        known_hold,
        chain,
        queue,
        metadata,
        user_level,
        unfinished,
    ]

    async def play(observer: Observer) -> None:
        setup = await Session.open(dsn, "setup")
        await setup.run("CREATE OR REPLACE TABLE hot (id int PRIMARY KEY, n int) ENGINE = InnoDB")
        await setup.run("INSERT INTO hot SELECT seq, 0 FROM seq_1_to_20")
        for scene in scenes:
            await scene(dsn, observer, story)
        await setup.run("DROP TABLE hot")
        setup.close()

    with observing(tmp_path_factory.mktemp("run"), {"mariadb:mariadb": mariadb_server.dsn}) as observer:
        asyncio.run(play(observer))
    return observer, story


def waits_of(observed: tuple[Observer, Story], session: str) -> list[dict[str, Any]]:
    observer, story = observed
    return [w for w in observer.rows("lock_waits") if w["waiter_session"] == story.sessions[session]]


def test_ready_line_names_the_probe_and_the_clock(observed: tuple[Observer, Story]) -> None:
    ready = observed[0].ready
    assert ready["probes"] == ["mariadb", "resources"]
    offset = ready["database_offsets"]["mariadb"]
    assert abs(offset["offset_ns"]) <= offset["error_ns"] + 1000  # the same clock, read in microseconds


def test_known_wait_is_seen_with_all_of_its_sessions(observed: tuple[Observer, Story]) -> None:
    _, story = observed
    (wait,) = waits_of(observed, "waiter")
    expected = {
        "known": KNOWN.index("sampled"),
        "engine": "mariadb",
        "database": "mariadb",
        "pod": "pod-1",
        "waiter_operation": "subscription.create",
        "blocker_session": story.sessions["holder"],
        "blocker_operation": "chat.accept",
        "root_session": story.sessions["holder"],
        "root_operation": "chat.accept",
        "depth": 1,
        "object": "row of hot",
        "mode": "X",
        "statement": "SELECT n FROM hot WHERE id = ? FOR UPDATE",
    }
    assert {name: wait[name] for name in expected} == expected


def test_a_known_wait_lasts_as_long_as_it_did(observed: tuple[Observer, Story]) -> None:
    """Its beginning is its statement's, as the server times it, or half a period before it was first seen; its end lies
    between the last tick that saw it and the next that saw."""
    observer, story = observed
    (wait,) = waits_of(observed, "waiter")
    ticks = [t for t in observer.ticks("mariadb") if t["error"] is None]
    longest_ns = max(t["ended_ns"] - t["started_ns"] for t in ticks)
    last_ns = wait["ended_ns"] - PERIOD_NS // 2
    following = min(t["ended_ns"] for t in ticks if t["started_ns"] > last_ns)
    assert story.asked_ns - longest_ns <= wait["started_ns"]
    first = min(t["ended_ns"] for t in ticks if t["started_ns"] > story.asked_ns)
    assert wait["started_ns"] <= first
    assert last_ns <= story.answered_ns
    assert following >= story.released_ns
    assert wait["hits"] >= 2


def test_chain_has_its_root(observed: tuple[Observer, Story]) -> None:
    _, story = observed
    (wait,) = waits_of(observed, "c")
    assert (wait["blocker_session"], wait["blocker_operation"]) == (story.sessions["b"], "message.send")
    assert (wait["root_session"], wait["depth"]) == (story.sessions["a"], 2)


def test_who_asked_before_is_not_who_holds(observed: tuple[Observer, Story]) -> None:
    _, story = observed
    (wait,) = waits_of(observed, "second")
    assert (wait["blocker_session"], wait["depth"]) == (story.sessions["held"], 1)


def test_waits_for_a_table_itself_are_seen(observed: tuple[Observer, Story]) -> None:
    (wait,) = waits_of(observed, "changer")
    assert (wait["object"], wait["lock"], wait["waiter_operation"]) == ("relation hot", "relation hot", "migration")
    assert (wait["blocker_session"], wait["depth"]) == (observed[1].sessions["reader"], 1)
    assert wait["blocker_operation"] == "chat.accept"
    assert (wait["mode"], wait["statement"]) == ("EXCLUSIVE", "ALTER TABLE hot ADD COLUMN m int")


def test_who_waits_behind_a_change_of_the_table_has_its_reader_as_root(observed: tuple[Observer, Story]) -> None:
    _, story = observed
    (wait,) = waits_of(observed, "late")
    assert (wait["blocker_session"], wait["blocker_operation"]) == (story.sessions["changer"], "migration")
    assert (wait["root_session"], wait["root_operation"]) == (story.sessions["reader"], "chat.accept")
    assert (wait["depth"], wait["mode"]) == (2, "SHARED_READ")


def test_locks_that_the_application_names_have_a_holder(observed: tuple[Observer, Story]) -> None:
    """Its holder is in no transaction: it keeps its last operation. The name may be a customer's."""
    _, story = observed
    (wait,) = waits_of(observed, "asker")
    assert (wait["object"], wait["depth"]) == ("advisory invoice", 1)
    assert (wait["blocker_session"], wait["blocker_operation"]) == (story.sessions["keeper"], "billing.close")
    assert "4711" not in "".join(map(str, wait.values()))


def test_counters_grow_by_what_was_waited(observed: tuple[Observer, Story]) -> None:
    """Each wait is cut to whole milliseconds; those for tables and of the application's own names are not in it."""
    observer, story = observed
    rows = observer.rows("counters")
    assert {(r["engine"], r["database"]) for r in rows} == {("mariadb", "mariadb")}
    values = {name: [r["value"] for r in rows if r["counter"] == name] for name in {r["counter"] for r in rows}}
    assert values.keys() == {"lock_waits", "lock_wait_ms", "deadlocks", "commits", "rollbacks"}
    assert values["lock_waits"][-1] - values["lock_waits"][0] in {5, 6}  # the one that outlasts the observer, perhaps
    rows_waited = [w for w in observer.rows("lock_waits") if w["object"] == "row of hot" and w["ended_ns"]]
    seen_ms = sum(w["ended_ns"] - w["started_ns"] for w in rows_waited) / 1e6
    grown_ms = values["lock_wait_ms"][-1] - values["lock_wait_ms"][0]
    assert grown_ms >= (story.released_ns - story.asked_ns) / 1e6 - 1
    assert abs(grown_ms - seen_ms) <= len(rows_waited) * PERIOD_NS / 1e6


def test_row_has_one_name_for_every_waiter(observed: tuple[Observer, Story]) -> None:
    first, second, elsewhere = (waits_of(observed, name)[0]["lock"] for name in ("first", "second", "waiter"))
    assert re.fullmatch(r"hot \d+:\d+", first)
    assert first == second != elsewhere


def test_source_names_sampling_and_counters(observed: tuple[Observer, Story]) -> None:
    found = observed[0].ready["lock_sources"]["mariadb"]
    assert found == {"known": ["sampled", "counter"], "period_ns": PERIOD_NS, "threshold_ns": None, "reason": ""}


def test_a_wait_that_outlasts_the_observer_is_written_without_an_end(observed: tuple[Observer, Story]) -> None:
    (wait,) = waits_of(observed, "unfinished")
    assert (wait["ended_ns"], wait["object"]) == (None, "row of hot")


def test_sessions_table_has_what_was_waited_for(observed: tuple[Observer, Story]) -> None:
    sessions = observed[0].rows("sessions")
    assert {"subscription.create", "message.send"} <= {s["operation"] for s in sessions if s["wait_class"] == "lock"}
    assert "chat.accept" in {s["operation"] for s in sessions if s["wait_class"] == "idle in transaction"}
    assert {(s["engine"], s["database"]) for s in sessions} == {("mariadb", "mariadb")}


def test_period_too_short_for_innodb_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than"):
        MariadbProbe(Database("mariadb", "mariadb"), "mariadb://127.0.0.1", time.monotonic_ns, period_s=0.1)


def test_a_server_that_is_made_anew_is_another_one(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Killed under a wait, then made anew: the wait is over; sessions' numbers begin again, and another wait of the
    same number is another wait."""

    async def waiting(then: Callable[[], None]) -> int:
        setup = await Session.open(server.pod_dsn, "setup")
        await setup.run("CREATE OR REPLACE TABLE hot (id int PRIMARY KEY, n int) ENGINE = InnoDB")
        await setup.run("INSERT INTO hot VALUES (1, 0)")
        holder, waiter = [await Session.open(server.pod_dsn, s) for s in ("chat.accept@pod-1", "chat.close@pod-1")]
        await holder.run("BEGIN")
        await holder.run(lock(1))
        task = asyncio.create_task(waiter.run(lock(1)))
        await until_sampled(observer, 3)
        await asyncio.to_thread(then)
        with suppress(MySQLError, OSError):
            await (task if then is killed else holder.run("COMMIT"))
            await task
        number = waiter.number
        for session in (setup, holder, waiter):
            session.close()
        return number

    def killed() -> None:
        server.kill()
        observer.until_tick(lambda t: t["error"] is not None, probe="mariadb")

    try:
        server = create_server("mariadb", tmp_path_factory.mktemp("own") / "mariadb")
    except ServerUnavailable as error:
        unavailable(str(error))
    with server, observing(tmp_path, {"mariadb:mariadb": server.dsn}) as observer:
        first = asyncio.run(waiting(killed))
        server.recreate()
        observer.until_tick(lambda t: t["error"] is None, probe="mariadb")
        second = asyncio.run(waiting(lambda: None))
        observer.until_tick(lambda t: t["error"] is None, probe="mariadb")
        observer.stop()
    waits = observer.rows("lock_waits")
    assert [w["waiter_session"] for w in waits] == [first, second]
    blind = [t for t in observer.ticks("mariadb") if t["error"]]
    assert waits[0]["ended_ns"] <= blind[0]["ended_ns"] + PERIOD_NS
    assert waits[1]["started_ns"] >= blind[-1]["started_ns"]
