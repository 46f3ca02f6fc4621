"""SQLite's write lock against a real blocker."""

import asyncio
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from storage_systems import System, sit_down

from loadtests.pod.storage.contract import (
    Accepted,
    Call,
    OutcomeUnknown,
    StorageConflict,
    StorageUnavailable,
    Transaction,
)
from loadtests.pod.storage.sqlite import driver
from loadtests.records.vocabulary import TRANSACTION_OUTCOMES

ERROR_NS = 2_000_000_000
"""How much later than the release a waiting writer may say it began: it asks every millisecond, on a busy machine."""


async def test_wait_for_the_write_lock_is_timed(tmp_path: Path) -> None:
    system = System("sqlite", str(tmp_path / "pod.db"))
    async with system.started() as storage:
        agent, customer = await sit_down(storage), await sit_down(storage, "customer", "Bob")
        chat, _ = await customer.offer()
        blocker = apsw.Connection(system.dsn or "")
        blocker.execute("BEGIN IMMEDIATE")
        asked_ns = time.monotonic_ns()
        accept = asyncio.create_task(agent.accept(chat))
        await asyncio.sleep(0.3)
        assert not accept.done()
        released_ns = time.monotonic_ns()
        blocker.execute("ROLLBACK")
        blocker.close()
        assert isinstance(await accept, Accepted)
    (recorded,) = [t for t in system.transactions if t.call.operation == "chat.accept"]
    assert recorded.waiting_ns is not None
    assert asked_ns <= recorded.waiting_ns <= released_ns <= recorded.begun_ns <= released_ns + ERROR_NS


@pytest.mark.alone
async def test_total_of_the_waits_is_what_others_held_the_lock(tmp_path: Path) -> None:
    """Within 2 %, in the best of three rounds: a busy machine may wake the waiter late."""
    system = System("sqlite", str(tmp_path / "pod.db"))
    async with system.started() as storage:
        agent, blocker = await sit_down(storage), apsw.Connection(system.dsn or "")
        errors = [await _error_of_a_round(system, agent, blocker, f"topic-{n}") for n in range(3)]
        blocker.close()
    assert min(errors) >= 0
    assert min(errors) <= 0.02


async def _error_of_a_round(system: System, agent: Any, blocker: apsw.Connection, topic: str) -> float:
    before, truth_ns = len(system.transactions), 0
    for hold_s in (0.1, 0.15, 0.2):
        blocker.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(agent.subscribe(f"{topic}-{hold_s}"))
        await asyncio.sleep(hold_s)
        released_ns = time.monotonic_ns()
        blocker.execute("ROLLBACK")
        await waiting
        await asyncio.sleep(0)
        truth_ns += released_ns - (system.transactions[-1].waiting_ns or 0)
    recorded_ns = sum(t.begun_ns - (t.waiting_ns or 0) for t in system.transactions[before:])
    return recorded_ns / truth_ns - 1


def test_reader_that_writes_changed_rows_gets_busy_snapshot(tmp_path: Path) -> None:
    """A real one: it waits for no session, and has a name of its own."""
    reader, writer = apsw.Connection(str(tmp_path / "f.db")), apsw.Connection(str(tmp_path / "f.db"))
    reader.execute("PRAGMA journal_mode = WAL; CREATE TABLE t (n)").fetchall()
    reader.execute("BEGIN; SELECT * FROM t").fetchall()
    writer.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(apsw.BusyError) as caught:
        reader.execute("INSERT INTO t VALUES (2)")
    reader.execute("ROLLBACK")
    outcome, raised = driver.classify(caught.value, False)
    assert outcome == "busy_snapshot"
    assert outcome in TRANSACTION_OUTCOMES
    assert isinstance(raised, StorageConflict)
    assert "has changed the file" in str(raised)


async def test_a_busy_snapshot_of_the_storage_is_recorded_as_one(tmp_path: Path) -> None:
    """Its transactions lock before they read, so that none happens by itself: here one begins like a reader."""
    transactions: list[Transaction] = []
    database = driver.SqliteDatabase(str(tmp_path / "pod.db"), transactions.append)
    await database.start()
    other = apsw.Connection(str(tmp_path / "pod.db"))

    def read_then_write(session: driver.SqliteSession) -> None:
        session.rollback()
        session.begin_snapshot()
        session.rows("statistics", 0)
        other.execute("INSERT INTO topics (account, topic) VALUES ('b', 't')")
        session.run("ensure_topic", "a", "t")

    with pytest.raises(StorageConflict, match="since this transaction read it"):
        await database.write(Call("chat.accept", "", "a"), read_then_write)
    await asyncio.sleep(0)
    await database.stop()
    other.close()
    assert [t.outcome for t in transactions] == ["busy_snapshot"]


async def test_busy_timeout_is_a_definite_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = System("sqlite", str(tmp_path / "pod.db"))
    async with system.started() as storage:
        agent = await sit_down(storage)
        monkeypatch.setattr(driver, "BUSY_TIMEOUT_S", 0.05)
        blocker = apsw.Connection(system.dsn or "")
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageConflict, match=r"not free for 0\.05 s"):
            await agent.subscribe("queue")
        blocker.close()
        assert (await storage.statistics(0)).subscriptions == 0
        await asyncio.sleep(0)
    recorded = system.transactions[-1]
    assert recorded.outcome == "lock_timeout"
    assert recorded.begun_ns == recorded.ended_ns
    assert recorded.ended_ns - (recorded.waiting_ns or 0) >= 50_000_000


async def test_writers_contend_and_all_are_served(tmp_path: Path) -> None:
    system = System("sqlite", str(tmp_path / "pod.db"))
    async with system.started() as storage:
        agents = await asyncio.gather(*(sit_down(storage, name=f"Agent {n}") for n in range(40)))
        await asyncio.gather(*(agent.subscribe("queue") for agent in agents))
        await asyncio.sleep(0)
    assert len({t.session for t in system.transactions}) > 1
    assert [t.outcome for t in system.transactions] == ["committed"] * 80


async def test_stopped_storage_is_unavailable(tmp_path: Path) -> None:
    system = System("sqlite", str(tmp_path / "pod.db"))
    async with system.started() as storage:
        agent = await sit_down(storage)
    with pytest.raises(StorageUnavailable):
        await agent.subscribe("queue")


@pytest.mark.parametrize(
    ("error", "committing", "outcome", "kind"),
    [
        (apsw.BusyError("x"), False, "lock_timeout", StorageConflict),
        (apsw.BusyError("x"), True, "lock_timeout", StorageConflict),
        (apsw.exception_for(apsw.SQLITE_BUSY_RECOVERY), False, "lock_timeout", StorageUnavailable),
        (apsw.exception_for(apsw.SQLITE_BUSY_TIMEOUT), False, "lock_timeout", StorageConflict),
        (apsw.exception_for(apsw.SQLITE_BUSY_SNAPSHOT), False, "busy_snapshot", StorageConflict),
        (apsw.FullError("x"), True, "rolled_back", StorageUnavailable),
        (apsw.IOError("x"), False, "rolled_back", StorageUnavailable),
        (apsw.IOError("x"), True, "unknown", OutcomeUnknown),
    ],
)
def test_what_errors_of_sqlite_mean(error: Exception, committing: bool, outcome: str, kind: type) -> None:
    found = driver.classify(error, committing)
    assert found[0] == outcome
    assert type(found[1]) is kind


async def test_full_file_is_unavailable_and_takes_nothing_back(tmp_path: Path) -> None:
    """The page limit of SQLite stands for a full disk: the same error at the same place."""
    system = System("sqlite", str(tmp_path / "pod.db"))
    async with system.started() as storage:
        agent = await sit_down(storage)
        await agent.subscribe("queue")
        for session in storage._database._writers._all:  # type: ignore[attr-defined]
            session._connection.pragma("max_page_count", 60)
        with pytest.raises(StorageUnavailable, match="full"):
            for n in range(10_000):
                await agent.subscribe(f"agent/topic-{n}", limit=10_000)
        s = await storage.statistics(0)
        assert (s.connections, s.subscriptions) == (1, 1 + n)
        await asyncio.sleep(0)
    assert system.transactions[-1].outcome == "rolled_back"
