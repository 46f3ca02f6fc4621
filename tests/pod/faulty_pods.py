"""Pods with a fault on real databases, and what these say of the sessions of a pod meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg
from pods import ACCOUNT, new_key, running

from loadtests.pod.application import PodApplication
from loadtests.pod.storage.contract import Accepted, Call, ConnectionRow, Done, Storage, Subscribed, Transaction
from loadtests.pod.storage.sql.storage import SqlStorage
from loadtests.storagenames import parse

AGENT, CUSTOMER = "agent", "customer"
"""Connections of the account, by their role."""


class FreshDatabase(Protocol):
    """What `postgres_database` and `mariadb_database` are."""

    dsn: str
    pod_dsn: str


@asynccontextmanager
async def faulty(fault: str, storage: str, dsn: str) -> AsyncIterator[PodApplication]:
    """A pod with the fault, or with none; an agent and a customer of one account are connected."""
    engine = parse(storage).engine
    async with running(storage=storage, dsns={engine: dsn}, faults=(fault,) if fault else ()) as pod:
        for role in (AGENT, CUSTOMER):
            await connect(pod.storage, role)
        yield pod


def call(operation: str) -> Call:
    return Call(operation, new_key(), ACCOUNT)


async def connect(storage: Storage, role: str, name: str = "") -> None:
    row = ConnectionRow(name or role, ACCOUNT, "agent" if role == AGENT else "customer", name or role, "token")
    await storage.open_connection(call("connection.create"), row)


async def offer(storage: Storage) -> str:
    chat = new_key()
    assert isinstance(await storage.offer_chat(Call("chat.offer", chat, ACCOUNT), CUSTOMER, chat, "help"), Done)
    return chat


async def accept(storage: Storage, chat: str, agent: str = AGENT) -> object:
    return await storage.accept_chat(call("chat.accept"), agent, chat)


async def accepted_chat(storage: Storage) -> str:
    chat = await offer(storage)
    assert isinstance(await accept(storage, chat), Accepted)
    return chat


async def send(storage: Storage, chat: str) -> object:
    return await storage.send_message(call("message.send"), CUSTOMER, chat, "hello")


async def subscribe(storage: Storage, connection: str, topic: str = "queue") -> None:
    assert isinstance(await storage.subscribe(call("subscription.create"), connection, topic, 64), Subscribed)


def recorded(pod: PodApplication) -> list[Transaction]:
    """The transactions of the pod from now on."""
    assert isinstance(pod.storage, SqlStorage)
    found: list[Transaction] = []
    pod.storage.database.record = found.append
    return found


@asynccontextmanager
async def holding(dsn: str, statement: str) -> AsyncIterator[Any]:
    """A session of another user that has run the statement in a transaction, until left."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "holder"})
    try:
        await connection.execute("BEGIN")
        await connection.execute(statement)
        yield connection
    finally:
        await connection.execute("ROLLBACK")
        await connection.close()


async def ask(dsn: str, query: str, *values: object) -> Sequence[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        rows: Sequence[Any] = await connection.fetch(query, *values)
        return rows
    finally:
        await connection.close()


async def until_rows(dsn: str, query: str, *values: object) -> Sequence[Any]:
    """The first rows that the query finds."""
    async with asyncio.timeout(10):
        while not (rows := await ask(dsn, query, *values)):  # noqa: ASYNC110  a server is asked
            await asyncio.sleep(0.02)
    return rows


async def waiting(dsn: str, sessions: int) -> None:
    """Returns when so many sessions wait for locks."""
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() OFFSET $1"
    await until_rows(dsn, query, sessions - 1)


WAITING = """
SELECT array(
    SELECT split_part(b.application_name, '@', 1) FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids(w.pid))
) AS blockers
FROM pg_stat_activity w
WHERE w.wait_event_type = 'Lock' AND w.datname = current_database() AND split_part(w.application_name, '@', 1) = $1
"""


async def blockers_of(dsn: str, operation: str) -> set[str]:
    """What the sessions are called that a transaction of this operation waits for, as soon as one does."""
    return {name for row in await until_rows(dsn, WAITING, operation) for name in row["blockers"]}
