"""The observer as a process, beside real contention in a real server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pyarrow as pa
import pytest
from observers import Observer, observing

from loadtests.records.vocabulary import KNOWN, WAIT_OUTCOMES
from loadtests.servers.postgres.server import PostgresServer
from loadtests.servers.size import Size

HOLD_S = 0.4


async def session(dsn: str, application: str) -> Any:
    return await asyncpg.connect(dsn, server_settings={"application_name": application})


async def begin(dsn: str, operation: str) -> Any:
    """A pod's session in a transaction, named as the reference pod does it."""
    connection = await session(dsn, "idle@pod-1")
    await connection.execute(f"BEGIN; SET LOCAL application_name = '{operation}@pod-1'")
    return connection


def lock(row: int, comment: str = "") -> str:
    return f"{comment}SELECT n FROM hot WHERE id = {row} FOR UPDATE"


@dataclass
class Story:
    """What happened, by our own clock, to compare with what the observer saw. Sessions by name."""

    sessions: dict[str, int] = field(default_factory=dict)
    asked_ns: int = 0
    released_ns: int = 0
    answered_ns: int = 0


async def known_hold(dsn: str, observer: Observer, story: Story) -> None:
    """One session holds a row for a known time, another waits for it."""
    holder, waiter = await begin(dsn, "chat.accept"), await begin(dsn, "subscription.create")
    story.sessions |= {"holder": holder.get_server_pid(), "waiter": waiter.get_server_pid()}
    await holder.execute(lock(1))
    story.asked_ns = observer.now_ns()
    waiting = asyncio.create_task(waiter.execute(lock(1)))
    await asyncio.sleep(HOLD_S)
    story.released_ns = observer.now_ns()
    await holder.execute("COMMIT")
    await waiting
    story.answered_ns = observer.now_ns()
    await waiter.execute("COMMIT")
    await holder.close()
    await waiter.close()


async def chain(dsn: str, observer: Observer, story: Story) -> None:
    """d waits for c, c for b, b for a."""
    names = {"a": "chat.offer", "b": "chat.close", "c": "message.send", "d": "connection.close"}
    connections = {name: await begin(dsn, operation) for name, operation in names.items()}
    story.sessions |= {name: c.get_server_pid() for name, c in connections.items()}
    for row, connection in enumerate(connections.values(), 11):
        await connection.execute(lock(row))
    waiting = []
    for row, name in enumerate("bcd", 11):
        waiting.append(asyncio.create_task(connections[name].execute(lock(row))))
        await asyncio.sleep(0.05)
    await asyncio.sleep(HOLD_S)
    for name, task in zip("abc", waiting, strict=True):
        await connections[name].execute("COMMIT")
        await task
    for connection in connections.values():
        await connection.close()


async def stranger(dsn: str, observer: Observer, story: Story) -> None:
    """Another program holds a whole table; the waiter is named by its comment only."""
    dump, waiter = await session(dsn, "pg_dump"), await session(dsn, "idle@pod-2")
    story.sessions |= {"dump": dump.get_server_pid(), "commented": waiter.get_server_pid()}
    await dump.execute("BEGIN; LOCK TABLE hot IN ACCESS EXCLUSIVE MODE")
    waiting = asyncio.create_task(waiter.execute("/* chat.offer */ SELECT count(*) FROM hot WHERE n = 4711"))
    await asyncio.sleep(HOLD_S)
    await dump.execute("COMMIT")
    await waiting
    await dump.close()
    await waiter.close()


async def unfinished(dsn: str, observer: Observer, story: Story) -> None:
    """A wait that lasts longer than the observer."""
    holder, waiter = await begin(dsn, "chat.accept"), await begin(dsn, "chat.close")
    story.sessions |= {"unfinished": waiter.get_server_pid()}
    await holder.execute("SELECT pg_advisory_xact_lock(77)")
    waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_xact_lock(77)"))
    await asyncio.sleep(HOLD_S)
    observer.stop()
    await holder.execute("COMMIT")
    await waiting
    await holder.close()
    await waiter.close()


@pytest.fixture(scope="module")
def observed(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Observer, Story]:
    """Everything happens once, under one observer; the tests check what it wrote."""
    dsn, story = postgres_server.pod_dsn, Story()
    scenes: list[Callable[[str, Observer, Story], Awaitable[None]]] = [known_hold, chain, stranger, unfinished]

    async def play(observer: Observer) -> None:
        setup = await session(dsn, "setup")
        await setup.execute("DROP TABLE IF EXISTS hot; CREATE TABLE hot (id int PRIMARY KEY, n int)")
        await setup.execute("INSERT INTO hot SELECT i, 0 FROM generate_series(1, 20) AS i")
        for scene in scenes:
            await scene(dsn, observer, story)
        await setup.execute("DROP TABLE hot")
        await setup.close()

    database = f"database:postgres:{postgres_server.pid}"
    with observing(tmp_path_factory.mktemp("run"), {"postgres:postgres": postgres_server.dsn}, database) as observer:
        assert observer.process.stdin
        observer.process.stdin.write(b'{"watch": "nonsense"}\n{"watch": "generator:locust:%d"}\n' % os.getpid())
        observer.process.stdin.flush()
        asyncio.run(play(observer))
    return observer, story


def waits_of(observed: tuple[Observer, Story], session: str) -> list[dict[str, Any]]:
    observer, story = observed
    return [w for w in observer.rows("lock_waits") if w["waiter_session"] == story.sessions[session]]


def test_ready_line_names_probes_and_the_clock(observed: tuple[Observer, Story]) -> None:
    ready = observed[0].ready
    assert ready["probes"] == ["postgres", "postgres/log", "resources"]
    offset = ready["database_offsets"]["postgres"]
    assert abs(offset["offset_ns"]) <= offset["error_ns"] + 1000  # the same clock, read in microseconds


def test_known_wait_is_seen_with_all_of_its_sessions(observed: tuple[Observer, Story]) -> None:
    _, story = observed
    (wait,) = waits_of(observed, "waiter")
    expected = {
        "known": KNOWN.index("event"),
        "engine": "postgres",
        "database": "postgres",
        "pod": "pod-1",
        "waiter_operation": "subscription.create",
        "blocker_session": story.sessions["holder"],
        "blocker_operation": "chat.accept",
        "root_session": story.sessions["holder"],
        "root_operation": "chat.accept",
        "depth": 1,
        "object": "row of hot",
        "lock": "hot (0,1)",
        "hits": None,
        "outcome": WAIT_OUTCOMES.index("acquired"),
        "mode": "ShareLock",
        "statement": "SELECT n FROM hot WHERE id = ? FOR UPDATE",
    }
    assert {name: wait[name] for name in expected} == expected


def test_a_known_wait_lasts_as_long_as_it_did(observed: tuple[Observer, Story]) -> None:
    """Its length is the server's word; its place in time as good as a stamp and the clock."""
    observer, story = observed
    (wait,) = waits_of(observed, "waiter")
    error_ns = 1_000_000 + observer.ready["database_offsets"]["postgres"]["error_ns"]
    assert story.asked_ns - error_ns <= wait["started_ns"] < wait["ended_ns"] <= story.answered_ns + error_ns
    assert wait["ended_ns"] >= story.released_ns - error_ns
    assert wait["ended_ns"] - wait["started_ns"] <= story.answered_ns - story.asked_ns


def test_chain_of_three_has_its_root(observed: tuple[Observer, Story]) -> None:
    _, story = observed
    (wait,) = waits_of(observed, "d")
    assert (wait["blocker_session"], wait["blocker_operation"]) == (story.sessions["c"], "message.send")
    assert (wait["root_session"], wait["root_operation"]) == (story.sessions["a"], "chat.offer")
    assert wait["depth"] == 3
    assert [waits_of(observed, name)[0]["depth"] for name in "bc"] == [1, 2]


def test_strangers_go_by_their_own_name(observed: tuple[Observer, Story]) -> None:
    (wait,) = waits_of(observed, "commented")
    assert (wait["blocker_operation"], wait["root_operation"]) == ("pg_dump", "pg_dump")
    assert (wait["waiter_operation"], wait["pod"]) == ("chat.offer", "pod-2")
    assert (wait["object"], wait["mode"]) == ("relation hot", "AccessShareLock")
    assert wait["statement"] == "SELECT count(*) FROM hot WHERE n = ?"


def test_a_wait_that_outlasts_the_observer_is_written_without_an_end(observed: tuple[Observer, Story]) -> None:
    (wait,) = waits_of(observed, "unfinished")
    assert wait["ended_ns"] is None
    assert (wait["object"], wait["lock"], wait["known"]) == ("advisory 77", "advisory 77", KNOWN.index("event"))


def test_sessions_table_has_what_was_waited_for(observed: tuple[Observer, Story]) -> None:
    sessions = observed[0].rows("sessions")
    assert {"subscription.create", "chat.offer"} <= {s["operation"] for s in sessions if s["wait_class"] == "lock"}
    assert "chat.accept" in {s["operation"] for s in sessions if s["wait_class"] == "idle in transaction"}
    assert all(s["sessions"] > 0 for s in sessions)


def test_resources_of_every_role_grow_only(observed: tuple[Observer, Story]) -> None:
    resources = observed[0].rows("resources")
    for key in (("database", "postgres"), ("generator", "locust"), ("observer", "observer")):
        cpu = [r["cpu_ns"] for r in resources if (r["role"], r["name"]) == key]
        assert len(cpu) >= 2
        assert cpu == sorted(cpu)
    assert all(r["rss_bytes"] > 0 for r in resources)


def backends_of_observer(server: PostgresServer) -> list[psutil.Process]:
    """The server processes that serve the superuser."""
    found = []
    for process in psutil.Process(server.pid).children():
        with suppress(psutil.NoSuchProcess):  # it was one that is just ending
            found += [process] if "postgres: loadtests pod " in " ".join(process.cmdline()) else []
    return found


def test_failed_ticks_are_visible_and_end(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> None:
    """A server that is frozen, killed, and full: reported each time; the observer comes back on its reserved slot."""

    async def fill(dsn: str) -> list[Any]:
        taken: list[Any] = []
        while len(taken) < 50:
            try:
                taken.append(await asyncpg.connect(dsn))
            except asyncpg.TooManyConnectionsError:
                return taken
        raise AssertionError("the server was never full")

    async def full() -> None:
        taken = await fill(server.pod_dsn)
        frozen.send_signal(signal.SIGCONT)
        for process in backends_of_observer(server):
            process.send_signal(signal.SIGTERM)
        observer.until_tick(lambda t: t["error"] is not None)
        observer.until_tick(lambda t: t["error"] is None)
        for connection in taken:
            connection.terminate()

    server = PostgresServer.create(tmp_path_factory.mktemp("own") / "postgres", Size(connections=10))
    with server:
        with (server.directory / "data" / "postgresql.conf").open("a") as file:
            file.write("autovacuum = off\nmax_wal_senders = 0\n")
        server.stop()
        server.start()
        with observing(tmp_path, {"postgres:postgres": server.dsn}) as observer:
            observer.until_tick(lambda t: t["error"] is None)
            (frozen,) = backends_of_observer(server)
            frozen.send_signal(signal.SIGSTOP)
            assert "TimeoutError" in observer.until_tick(lambda t: t["error"] is not None)["error"]
            observer.until_tick(lambda t: t["error"] is None)
            asyncio.run(full())
            server.kill()
            observer.until_tick(lambda t: "Connect" in (t["error"] or ""))
            server.start()
            observer.until_tick(lambda t: t["error"] is None)
            observer.stop()
        assert observer.rows("lock_waits") == []
        assert max(s["sessions"] for s in observer.rows("sessions")) >= 1


def test_engines_without_a_probe_are_watched_as_processes(tmp_path: Path) -> None:
    with observing(tmp_path, {"sqlite:sqlite": "storage.sqlite"}, f"pod:pod-1:{os.getpid()}") as observer:
        assert observer.ready == {"probes": ["resources"], "database_offsets": {}, "lock_sources": {}}
        end = time.monotonic() + 20
        while not observer.ticks("resources") and time.monotonic() < end:
            time.sleep(0.05)
        observer.stop()
    assert {r["role"] for r in observer.rows("resources")} == {"pod", "observer"}
    assert {t["error"] for t in observer.ticks("resources")} == {None}
    assert pa.Table.from_batches(list(observer.directory.batches("ticks"))).num_rows > 0


def _unused(name: str, scheme: str) -> str:
    """Where no server listens."""
    return json.dumps({name: f"{scheme}://pod:hidden-word@127.0.0.1:1/pod"})


@pytest.mark.parametrize(
    ("asked", "dsns", "code", "message"),
    [
        (["--database", "legacy:postgres"], None, 64, "LOADTESTS_DSNS has no address of legacy"),
        (["--database", "legacy:postgres"], "postgresql://pod:hidden-word@127.0.0.1:1/pod", 64, "is not a JSON object"),
        (["--database", ":postgres"], None, 64, "expected NAME:ENGINE"),
        (["--watch", "cat:a:1"], None, 64, "expected ROLE:NAME:PID"),
        (["--nonsense"], None, 64, "--nonsense"),
        (["--database", "old:postgres"], _unused("old", "postgresql"), 69, "cannot see postgres:old"),
        (["--database", "old:mariadb"], _unused("old", "mariadb"), 69, "cannot see mariadb:old"),
        (["--database", "old:redis"], _unused("old", "redis"), 69, "cannot see redis:old"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, asked: list[str], dsns: str | None, code: int, message: str
) -> None:
    argv = [sys.executable, "-m", "loadtests.probes", "--run-directory", str(tmp_path), "--origin-ns", "0", *asked]
    environment = {k: v for k, v in os.environ.items() if k != "LOADTESTS_DSNS"} | (
        {"LOADTESTS_DSNS": dsns} if dsns else {}
    )
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "hidden-word" not in done.stderr


def test_tables_that_are_there_already_are_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "ticks.arrows").touch()
    argv = [sys.executable, "-m", "loadtests.probes", "--run-directory", str(tmp_path)]
    done = subprocess.run([*argv, "--origin-ns", "0"], capture_output=True, text=True, check=False)
    assert (done.returncode, "cannot write its tables" in done.stderr) == (69, True)
    assert "Traceback" not in done.stderr


def test_a_server_that_is_made_anew_is_another_one(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two databases under one observer. One is killed under a wait and another takes its place: the wait is over, the
    probe is blind and comes back, and the other database's never was."""

    async def wait_for_ever(dsn: str, ticks: int) -> Any:
        holder, waiter = await begin(dsn, "chat.accept"), await begin(dsn, "chat.close")
        pid = waiter.get_server_pid()
        await holder.execute("SELECT pg_advisory_xact_lock(77)")
        waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_xact_lock(77)"))
        for _ in range(ticks):
            await asyncio.to_thread(observer.until_tick, lambda t: t["error"] is None, probe="postgres:legacy")
        await asyncio.to_thread(end)
        with suppress(asyncpg.PostgresError, OSError):
            await waiting
        for connection in (holder, waiter):
            connection.terminate()
        return pid

    def end() -> None:
        server.kill()
        observer.until_tick(lambda t: t["error"] is not None, probe="postgres:legacy")

    path = tmp_path_factory.mktemp("own") / "postgres"
    with PostgresServer.create(path) as server, PostgresServer.create(path.with_name("other")) as other:
        databases = {"legacy:postgres": server.dsn, "upgraded:postgres": other.dsn}
        with observing(tmp_path, databases) as observer:
            assert observer.ready["probes"] == [
                *("postgres:legacy", "postgres:legacy/log", "postgres:upgraded", "postgres:upgraded/log", "resources")
            ]
            assert set(observer.ready["database_offsets"]) == {"legacy", "upgraded"}
            pid = asyncio.run(wait_for_ever(server.pod_dsn, 3))
            server.start()
            observer.until_tick(lambda t: t["error"] is None, probe="postgres:legacy")
            observer.stop()
    (wait,) = observer.rows("lock_waits")
    assert (wait["waiter_session"], wait["engine"], wait["database"]) == (pid, "postgres", "legacy")
    blind = [t for t in observer.ticks("postgres:legacy") if t["error"]]
    assert wait["ended_ns"] is not None
    assert wait["ended_ns"] < blind[0]["ended_ns"] + 50_000_000
    assert {t["error"] for t in observer.ticks("postgres:upgraded")} == {None}
    assert {s["database"] for s in observer.rows("sessions")} <= {"legacy", "upgraded"}
