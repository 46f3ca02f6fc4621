"""Actions on one real PostgreSQL: each is over when the server answers again, and the next one waits for that."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest
from test_timeline_action_runner import FakeControl, Played

from loadtests.servers.contract import DatabaseServer
from loadtests.servers.registry import create_server
from loadtests.timeline.context import ActionContext, DatabaseHandle, PodHandle

pytestmark = pytest.mark.server

ROWS = 200_000


@pytest.fixture
def server(postgres_server, tmp_path):
    """One that may be hurt."""
    with create_server("postgres", tmp_path / "server") as server:
        yield server


@pytest.fixture
def run_context(server):
    pods = {"17": PodHandle("17", "http://127.0.0.1:1", "token", (), {"postgres": "postgres"})}
    return ActionContext(pods, {"postgres": DatabaseHandle("postgres", "postgres", server.dsn, server)}, FakeControl())


def asked(server: DatabaseServer, *statements: str):
    """The last one's value, by the first connection that is tried."""

    async def ask():
        connection = await asyncpg.connect(server.dsn)
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(ask())


def write(server: DatabaseServer) -> None:
    """Leaves a log to recover from."""
    asked(server, f"CREATE TABLE t AS SELECT generate_series(1, {ROWS}) AS n")
    asked(server, "UPDATE t SET n = n + 1")


def test_a_kill_is_over_when_the_server_has_recovered(server, run_context):
    write(server)
    played = Played(run_context, "do: kill, database: postgres, for: 50ms")
    (kill,) = played.until(1)
    assert (kill.result, kill.error) == ("ok", "")
    assert asked(server, "SELECT count(*) FROM t") == ROWS
    played.stop()


def test_a_resize_that_comes_amid_a_recovery_waits_for_it(server, run_context):
    write(server)
    played = Played(
        run_context,
        "do: kill, database: postgres, for: 200ms",
        "after: 200ms, do: resize, connections: 60, memory_mb: 64",
        "after: 201ms, do: resize, connections: 70",
    )
    kill, *resizes = played.until(3)
    assert asked(server, "SELECT current_setting('max_connections')::int") >= 70
    assert asked(server, "SELECT count(*) FROM t") == ROWS
    played.stop()
    assert [(a.result, a.error) for a in (kill, *resizes)] == [("ok", "")] * 3
    assert kill.waited_ns == 0 < resizes[0].waited_ns < resizes[1].waited_ns
    assert kill.ended_ns <= resizes[0].started_ns <= resizes[0].ended_ns <= resizes[1].started_ns


def test_end_of_run_waits_for_recovery_but_not_for_queue(server, run_context):
    write(server)
    played = Played(
        run_context, "do: kill, database: postgres, for: 50s", "after: 20ms, do: pause, database: postgres, for: 50s"
    )
    played.run_until(lambda: any(message.startswith("action queued") for message in played.messages))
    outcomes = {outcome.action.do: outcome for outcome in played.stop()}
    assert asked(server, "SELECT count(*) FROM t") == ROWS
    assert outcomes["kill"].error == "the run ended before it"
    assert outcomes["pause"].error == "the run ended while it was queued"


def test_server_that_does_not_restart_is_reported_in_one_line(server, run_context):
    (server.directory / "data" / "postgresql.conf").write_text("nonsense")
    played = Played(run_context, "do: kill, database: postgres, for: 50ms")
    (kill,) = played.until(1)
    played.stop()
    assert kill.result == "failed"
    assert kill.error == f"PostgreSQL {server.version} on port {urlsplit(server.dsn).port} ended"
