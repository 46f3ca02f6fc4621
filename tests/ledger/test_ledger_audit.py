"""The ledger against real storages: what was claimed and what is there."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest

from loadtests.ledger import read_ledger
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.vocabulary import OPERATIONS, OUTCOMES

STORAGE = Path(__file__).parents[2] / "loadtests" / "pod" / "storage"
LONG_AGO_NS = time.time_ns() - 3600 * 10**9

Fill = Callable[[str], None]


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, Fill]:
    """Engine, where the ledger finds it, and a way to run SQL in it; with the pod's own schema."""
    engine = request.param
    schema = (STORAGE / engine / "schema.sql").read_text()
    if engine == "sqlite":
        where = str(tmp_path / "storage.sqlite")
        connection = apsw.Connection(where)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(schema)
        request.addfinalizer(connection.close)
        return engine, where, connection.execute
    database = request.getfixturevalue("postgres_database")
    asyncio.run(_execute(database.pod_dsn, schema))
    asyncio.run(_execute(database.pod_dsn, "INSERT INTO accounts (account) VALUES ('account-0001')"))
    return engine, database.dsn, lambda sql: asyncio.run(_execute(database.pod_dsn, sql))


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _connection(name: str, seen_ns: int, closed_ns: int | None = None) -> str:
    closed = "NULL" if closed_ns is None else str(closed_ns)
    return (
        "INSERT INTO connections (id, account, role, name, resume_digest, opened_at, seen_at, closed_at)"
        f" VALUES ('{name}', 'account-0001', 'agent', 'Ada', '', 1, {seen_ns}, {closed});"
        f" INSERT INTO topics (account, topic, head) VALUES ('account-0001', 'agent/{name}', 0);"
        " INSERT INTO subscriptions (connection, topic, account, subscribed_at)"
        f" VALUES ('{name}', 'agent/{name}', 'account-0001', 1);"
    )


def _chat(key: int, accepted_by: str | None) -> str:
    winner, state = (f"'{accepted_by}'", "accepted") if accepted_by else ("NULL", "offered")
    return (
        "INSERT INTO chats (account, id, state, subject, offered_by, accepted_by, offered_at)"
        f" VALUES ('account-0001', '{key:016x}', '{state}', '', 'live', {winner}, 1);"
    )


def _message(key: int, chat: int) -> str:
    return (
        "INSERT INTO messages (account, key, chat, sender, text, sent_at)"
        f" VALUES ('account-0001', '{key:016x}', '{chat:016x}', 'live', '', 1);"
    )


Operation = tuple[str, int, int | None, str, int]
"""Name, key, chat, outcome, connection."""


def _operations(directory: RunDirectory, worker: str, operations: list[Operation]) -> None:
    with directory.create_table("operations", worker, pod=["pod-1"]) as table:
        table.write(
            [
                (n, 0, 0, 0, connection, OPERATIONS.index(name), key, chat, OUTCOMES.index(outcome), 1, 1, 2, None, 0)
                for n, (name, key, chat, outcome, connection) in enumerate(operations)
            ]
        )


def _by_name(document: dict[str, Any]) -> dict[str, Any]:
    assert document["format"] == 1
    return {check["check"]: check for check in document["checks"]}


def test_storage_that_holds_what_was_claimed_passes(storage: tuple[str, str, Fill], tmp_path: Path) -> None:
    engine, where, fill = storage
    fill(_connection("live", time.time_ns()) + _chat(0xA1, "live") + _message(0xB1, 0xA1))
    run = RunDirectory(tmp_path)
    _operations(run, "0", [("chat.accept", 1, 0xA1, "ok", 4), ("message.send", 0xB1, 0xA1, "ok", 4)])
    # Accepting again over the same connection is harmless; losing the race is no claim.
    _operations(run, "1", [("chat.accept", 3, 0xA1, "refused", 4)])
    found = _by_name(read_ledger(engine, where, run))
    assert {name: check["verdict"] for name, check in found.items()} == {
        "orphans": "pass",
        "accepted_twice": "pass",
        "lost_accepts": "pass",
        "lost_messages": "pass",
    }


def test_differences_are_found_and_named(storage: tuple[str, str, Fill], tmp_path: Path) -> None:
    engine, where, fill = storage
    fill(
        _connection("live", time.time_ns())
        + _connection("gone", time.time_ns(), time.time_ns())
        + _connection("mute", LONG_AGO_NS)
    )
    fill(_chat(0xA1, "live") + _chat(0xFFFFFFFFFFFFFFA2, None))
    run = RunDirectory(tmp_path)
    _operations(run, "0", [("chat.accept", 1, 0xA1, "ok", 4), ("message.send", 0xFFFFFFFFFFFFFFB1, 0xA1, "ok", 4)])
    _operations(run, "1", [("chat.accept", 2, 0xA1, "ok", 4), ("chat.accept", 3, 0xFFFFFFFFFFFFFFA2, "ok", 5)])
    found = _by_name(read_ledger(engine, where, run))
    assert found["orphans"]["count"] == 2
    assert found["orphans"]["evidence"] == ["gone agent/gone (closed)", "mute agent/mute (silent)"]
    assert found["accepted_twice"]["evidence"] == ["00000000000000a1"]
    assert found["lost_accepts"]["evidence"] == ["ffffffffffffffa2"]
    assert found["lost_messages"]["evidence"] == ["ffffffffffffffb1"]
    assert {check["verdict"] for check in found.values()} == {"fail"}


def test_evidence_is_at_most_ten(storage: tuple[str, str, Fill], tmp_path: Path) -> None:
    engine, where, fill = storage
    fill("".join(_connection(f"mute-{n:02}", LONG_AGO_NS) for n in range(15)))
    check = _by_name(read_ledger(engine, where, RunDirectory(tmp_path)))["orphans"]
    assert (check["count"], len(check["evidence"])) == (15, 10)


@pytest.mark.parametrize(
    ("engine", "where", "why"),
    [
        ("memory", None, "memory cannot be read"),
        (None, None, "not our storage"),
        ("sqlite", "absent.sqlite", "no file absent.sqlite"),
        ("postgres", "postgresql://pod:hidden-word@127.0.0.1:1/pod", "PostgreSQL"),
    ],
)
def test_unreadable_storage_is_unknown(engine: str | None, where: str | None, why: str, tmp_path: Path) -> None:
    document = read_ledger(engine, where, RunDirectory(tmp_path))
    orphans = _by_name(document)["orphans"]
    assert (orphans["verdict"], orphans["count"]) == ("unknown", None)
    assert why in orphans["reason"]
    assert "hidden-word" not in str(document)


def test_a_file_that_is_no_database_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "storage.sqlite"
    path.write_bytes(b"not a database, but long enough to look at" * 50)
    assert _by_name(read_ledger("sqlite", str(path), RunDirectory(tmp_path)))["orphans"]["verdict"] == "unknown"
