"""What was committed is there after kill -9: of the process that wrote it, and of the database server."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from storage_systems import ACCOUNT, Desk, System, sit_down

from loadtests import storagenames
from loadtests.pod.storage.contract import (
    AlreadyAccepted,
    OutcomeUnknown,
    Resumed,
    Storage,
    StorageUnavailable,
    Subscribed,
)
from loadtests.protocols.contract import chat_topic
from loadtests.servers.postgres.server import PostgresServer

WRITER = Path(__file__).with_name("storage_writer.py")
LINES = 60


def write_until_killed(system: System) -> dict[str, list[str]]:
    """What the writer had reported when it was killed: kind → keys."""
    environment = {**os.environ, **{storagenames.dsn_variable(name): dsn for name, dsn in system.by_database().items()}}
    argv = [sys.executable, str(WRITER), system.name]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        try:
            lines = [writer.stdout.readline() for _ in range(LINES)]
        finally:
            writer.kill()
        lines += writer.stdout.readlines()
    assert writer.returncode == -signal.SIGKILL
    reported = defaultdict(list)
    for line in lines:
        what, _, which = line.rstrip("\n").partition(" ")
        reported[what].append(which)
    return reported


async def assert_there(storage: Storage, reported: dict[str, list[str]]) -> None:
    (connection,) = reported["connection"]
    agent = Desk(storage, ACCOUNT, connection, "Ada")
    resumed = await storage.resume_connection(agent.call("connection.create"), connection, "token", 0)
    assert isinstance(resumed, Resumed)
    assert set(reported["subscription"]) <= set(resumed.topics)
    late = await sit_down(storage, name="Grace")
    for chat in reported["chat"]:
        assert await late.accept(chat) == AlreadyAccepted("Ada")
    for chat in reported["message"]:
        kinds = [e.kind for e in await storage.events_after(ACCOUNT, chat_topic(chat), 0, 9)]
        assert kinds == ["chat.accepted", "message.sent"]
    queue = [e.sequence for e in await storage.events_after(ACCOUNT, "queue", 0, 10_000)]
    assert queue == list(range(1, len(queue) + 1))


async def check(system: System, reported: dict[str, list[str]]) -> None:
    async with system.started() as storage:
        await assert_there(storage, reported)


def test_what_was_committed_survives_the_writer_killed(system: System) -> None:
    if storagenames.promises(system.name).commit_survives == "nothing":
        pytest.skip("promises to survive nothing")
    reported = write_until_killed(system)
    assert len(reported["subscription"]) >= LINES // 4
    asyncio.run(check(system, reported))


@pytest.fixture
def doomed_server(tmp_path: Path, postgres_server: PostgresServer) -> PostgresServer:
    """A server that a test may kill; skipped where the other cannot be made."""
    return PostgresServer.create(tmp_path / "server")


@pytest.mark.parametrize("strategy", ["pessimistic", "optimistic"])
def test_what_was_committed_survives_the_server_killed(doomed_server: PostgresServer, strategy: str) -> None:
    with doomed_server as server:
        asyncio.run(_outlive(System(f"postgres:{strategy}", server.pod_dsn), server))


async def _outlive(system: System, server: PostgresServer) -> None:
    async with system.started() as storage:
        agent, customer = await sit_down(storage), await sit_down(storage, "customer", "Bob")
        reported: dict[str, list[str]] = defaultdict(list, connection=[agent.connection])
        load = asyncio.create_task(_load(agent, customer, reported))
        while len(reported["message"]) < 10:
            assert not load.done()
            await asyncio.sleep(0.005)
        await asyncio.to_thread(server.kill)
        with pytest.raises((StorageUnavailable, OutcomeUnknown)):
            await load
        with pytest.raises(StorageUnavailable, match="PostgreSQL"):
            await agent.subscribe("queue")
        await asyncio.to_thread(server.start)
        await assert_there(storage, reported)
        assert isinstance(await agent.subscribe("queue"), Subscribed)


async def _load(agent: Desk, customer: Desk, reported: dict[str, list[str]]) -> None:
    for n in range(10_000):
        await agent.subscribe(f"agent/topic-{n}", limit=1_000_000)
        reported["subscription"].append(f"agent/topic-{n}")
        chat, _ = await customer.offer()
        await agent.accept(chat)
        reported["chat"].append(chat)
        await customer.send(chat)
        reported["message"].append(chat)


def test_start_reports_the_reason(tmp_path: Path) -> None:
    """No server, and a directory in the database file's place: one line, and nothing of the password in it."""
    began = time.monotonic()
    for system in (
        System("postgres", "postgresql://pod:hush@127.0.0.1:1/pod"),
        System("sqlite", str(tmp_path)),
    ):
        with pytest.raises(StorageUnavailable, match=r"PostgreSQL|SQLite") as caught:
            asyncio.run(system.open().start())
        assert "hush" not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 60
