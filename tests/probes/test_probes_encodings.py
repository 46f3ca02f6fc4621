"""Databases in other encodings than UTF-8: real waits, known by the server's log, with names as they are."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from observers import observing

from loadtests.probes.jsonlog.lines import event
from loadtests.probes.postgres.encodings import codec, decoded, encoded
from loadtests.records.vocabulary import KNOWN
from loadtests.servers.postgres.server import PostgresServer


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("LATIN1", "iso8859-1"), ("WIN1252", "cp1252"), ("KOI8R", "koi8-r"), ("KOI8U", "koi8-u")),
        *(("EUC_JP", "euc_jp"), ("UTF8", "utf-8"), ("SQL_ASCII", "utf-8")),
    ],
)
def test_codec_of_an_encoding(name: str, expected: str) -> None:
    assert codec(name) == expected


def test_raw_text_is_read_as_utf_8() -> None:
    raw = {"name": "Zoë".encode().decode("latin-1"), "odd": "Zo\xeb", "number": 7}
    assert decoded(raw) == {"name": "Zoë", "odd": "Zo\ufffd", "number": 7}
    assert encoded(["Zoë", "Zo\ufffd"]) == ["Zo\xc3\xab"]


def test_line_that_is_not_utf_8_is_read() -> None:
    line = (
        '{"timestamp":"2026-06-13 10:00:00.500 UTC","pid":7,"session_id":"a.b","error_severity":"LOG",'
        '"message":"process 7 still waiting for ShareLock on transaction 9 after 10.066 ms",'
        '"statement":"UPDATE \\"Zoë\\" SET v = 1","backend_type":"client backend"}'
    )
    assert event(line.encode()) == event(line.encode("latin-1"), encoding="latin-1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    if shutil.which("psql") is None:
        pytest.skip("asyncpg sends UTF-8 only: this needs psql")
    with PostgresServer.create(tmp_path_factory.mktemp("own") / "postgres") as server:
        yield server


@contextmanager
def psql(dsn: str) -> Iterator[subprocess.Popen[bytes]]:
    """A session that sends the bytes that it is given."""
    environment = {**os.environ, "PGCLIENTENCODING": "SQL_ASCII", "PGAPPNAME": "psql"}
    with subprocess.Popen(
        ["psql", "-q", dsn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.communicate(timeout=20)


def send(process: subprocess.Popen[bytes], sql: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(sql + b";\n")
    process.stdin.flush()


def wait_for_echo(process: subprocess.Popen[bytes]) -> None:
    """Returns when all that was sent before has been done."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\\echo ready\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"ready\n"


async def create_database(dsn: str, name: str, encoding: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    await connection.close()


async def wait_for_blocked(dsn: str) -> None:
    """Returns when a session of the database has waited for a lock for longer than the log's threshold."""
    connection = await asyncpg.connect(dsn)
    until = time.monotonic() + 20
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND waitstart < now() - interval '100 ms'"
    while not await connection.fetchval(query):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    await connection.close()


@pytest.mark.server
@pytest.mark.parametrize(
    ("encoding", "name", "shown"),
    [  # a name that is not UTF-8 cannot be asked for: it stays as the log has it, without quotes
        ("LATIN1", "Zoë".encode("latin-1"), '"Zoë"'),
        ("EUC_JP", "会話".encode("euc_jp"), '"会話"'),
        ("SQL_ASCII", "Zoë".encode(), '"Zoë"'),
        ("SQL_ASCII", b"Zo\xeb", "Zo\ufffd"),
    ],
)
def test_wait_in_another_encoding(
    tmp_path: Path, server: PostgresServer, encoding: str, name: bytes, shown: str
) -> None:
    database = f"db_{encoding.lower()}_{len(name)}"
    asyncio.run(create_database(server.dsn, database, encoding))
    dsn = f"{server.dsn.rpartition('/')[0]}/{database}"
    with observing(tmp_path, {"postgres:postgres": dsn}) as observer, psql(dsn) as holder, psql(dsn) as waiter:
        table = b'"' + name + b'"'
        send(holder, b"CREATE TABLE " + table + b" (v text); INSERT INTO " + table + b" VALUES ('x')")
        send(holder, b"BEGIN; UPDATE " + table + b" SET v = 'y'")
        wait_for_echo(holder)
        send(waiter, b"/* chat.accept */ UPDATE " + table + b" SET v = '" + name + b"'")
        asyncio.run(wait_for_blocked(dsn))
        send(holder, b"COMMIT")
        observer.until_tick(lambda tick: tick["error"] is None)
        observer.until_tick(lambda tick: tick["error"] is None, probe="postgres/log")
        observer.stop()
    (wait,) = observer.rows("lock_waits")
    assert (KNOWN[wait["known"]], wait["waiter_operation"], wait["object"]) == (
        "event",
        "chat.accept",
        f"row of {shown}",
    )
    assert {tick["error"] for tick in observer.rows("ticks")} == {None}
