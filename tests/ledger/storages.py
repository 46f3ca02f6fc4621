"""Real storages that a test fills with arbitrary rows, sound or not, in the pod's own tables."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import apsw
import asyncmy
import asyncpg
import pytest
import redis

SCHEMAS = Path(__file__).parents[2] / "loadtests" / "pod" / "storage"
ENGINES = ("sqlite", "postgres", "mariadb", "redis")
ACCOUNT = "account-0001"
NOW_NS = time.time_ns()
LONG_AGO_NS = NOW_NS - 3600 * 10**9
LATER_NS = NOW_NS + 3600 * 10**9
"""When live connections were last seen: a suite takes minutes until it comes here."""

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "connections": {
        "id": "00000000000000c1",
        "account": ACCOUNT,
        "role": "agent",
        "name": "Ada",
        "resume_digest": "",
        "opened_at": LONG_AGO_NS,
        "seen_at": LATER_NS,
        "closed_at": None,
    },
    "topics": {"account": ACCOUNT, "topic": "queue", "head": 0},
    "subscriptions": {
        "connection": "00000000000000c1",
        "topic": "queue",
        "account": ACCOUNT,
        "subscribed_at": LONG_AGO_NS,
    },
    "chats": {
        "account": ACCOUNT,
        "id": "",
        "state": "offered",
        "subject": "",
        "offered_by": "00000000000000c1",
        "accepted_by": None,
        "offered_at": 1,
        "accepted_at": None,
        "closed_at": None,
    },
    "messages": {"account": ACCOUNT, "key": "", "chat": "", "sender": "00000000000000c1", "text": "", "sent_at": 1},
    "events": {
        "account": ACCOUNT,
        "topic": "queue",
        "sequence": 1,
        "kind": "chat.offered",
        "chat": "",
        "key": "",
        "by": "Ada",
        "text": "",
        "published_at": NOW_NS,
    },
}


@dataclass
class Storage:
    """`add` puts a row into a table, as it is: nothing is checked."""

    engine: str
    dsn: str
    put: Callable[[str, Mapping[str, Any]], None]

    def add(self, table: str, **columns: Any) -> None:
        self.put(table, {**DEFAULTS[table], **columns})

    def connection(self, name: str, **columns: Any) -> None:
        """A connection with a subscription to a topic of its own name."""
        self.add("connections", id=name, **columns)
        self.add("subscriptions", connection=name, topic=f"agent/{name}", account=columns.get("account", ACCOUNT))

    def chat(self, key: int, accepted_by: str | None = None, **columns: Any) -> None:
        state = "accepted" if accepted_by else "offered"
        self.add("chats", **{"id": f"{key:016x}", "state": state, "accepted_by": accepted_by, **columns})

    def message(self, key: int, chat: int, **columns: Any) -> None:
        self.add("messages", key=f"{key:016x}", chat=f"{chat:016x}", **columns)

    def events(self, topic: str, *events: tuple[str, int], account: str = ACCOUNT, head: int | None = None) -> None:
        """Kind and key of the topic's events, numbered from 1."""
        self.add("topics", topic=topic, account=account, head=len(events) if head is None else head)
        for number, (kind, key) in enumerate(events, 1):
            self.event(topic, number, kind, key, account=account)

    def event(self, topic: str, number: int, kind: str, key: int, **columns: Any) -> None:
        chat = topic.removeprefix("chat/") if topic != "queue" else f"{key:016x}"
        self.add(
            "events",
            **{"topic": topic, "sequence": number, "kind": kind, "chat": chat, "key": f"{key:016x}", **columns},
        )


def sqlite(path: Path) -> Storage:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(_schema("sqlite"))
    return Storage("sqlite", str(path), lambda t, row: _insert(connection.execute, t, row, '"', "?"))


def postgres(dsn: str) -> Storage:
    """By the superuser, whom foreign keys do not hold."""

    async def run(sql: str, values: tuple[Any, ...] = ()) -> None:
        connection = await asyncpg.connect(dsn, server_settings={"session_replication_role": "replica"})
        try:
            await connection.execute(sql, *values)
        finally:
            await connection.close()

    asyncio.run(run(_schema("postgres")))
    return Storage("postgres", dsn, lambda t, row: _insert(lambda *a: asyncio.run(run(*a)), t, row, '"', "${}"))


def mariadb(dsn: str) -> Storage:
    at = urlsplit(dsn)
    login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}

    async def run(sql: str, values: tuple[Any, ...] = ()) -> None:
        async with (
            asyncmy.connect(**login, database=at.path.lstrip("/"), autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            await cursor.execute(sql, values or None)

    for statement in _schema("mariadb").split(";\n"):
        if statement.strip():
            asyncio.run(run(statement))
    return Storage("mariadb", dsn, lambda t, row: _insert(lambda *a: asyncio.run(run(*a)), t, row, "`", "%s"))


def redis_at(dsn: str) -> Storage:
    client = redis.Redis.from_url(dsn, decode_responses=True)
    return Storage("redis", dsn, lambda t, row: _REDIS[t](client, f"{{{row['account']}}}:", dict(row)))


def _schema(engine: str) -> str:
    return (SCHEMAS / engine / "schema.sql").read_text(encoding="utf-8")


def _insert(run: Callable[..., Any], table: str, row: Mapping[str, Any], quote: str, mark: str) -> None:
    columns = ", ".join(f"{quote}{name}{quote}" for name in row)
    marks = ", ".join(mark.format(n) for n in range(1, len(row) + 1))
    run(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))


def _connection(client: Any, at: str, row: dict[str, Any]) -> None:
    name = row.pop("id")
    client.sadd("accounts", row.pop("account"))
    client.sadd(f"{at}connections", name)
    client.hset(f"{at}connection:{name}", mapping={k: v for k, v in row.items() if v is not None})


def _subscription(client: Any, at: str, row: dict[str, Any]) -> None:
    client.sadd("accounts", row["account"])
    client.sadd(f"{at}subscribers", row["connection"])
    client.hset(f"{at}subscriptions:{row['connection']}", row["topic"], row["subscribed_at"])


def _topic(client: Any, at: str, row: dict[str, Any]) -> None:
    client.sadd("accounts", row["account"])
    client.hset(f"{at}topics", row["topic"], row["head"])


def _chat(client: Any, at: str, row: dict[str, Any]) -> None:
    client.sadd("accounts", row.pop("account"))
    client.sadd(f"{at}chats", row["id"])
    client.hset(f"{at}chat:{row.pop('id')}", mapping={k: v for k, v in row.items() if v is not None})


def _message(client: Any, at: str, row: dict[str, Any]) -> None:
    client.sadd("accounts", row["account"])
    client.hset(f"{at}messages", row["key"], json.dumps([row["chat"], row["sender"], row["text"], row["sent_at"]]))


def _event(client: Any, at: str, row: dict[str, Any]) -> None:
    fields = {name: row[name] for name in ("kind", "chat", "key", "by", "text")}
    client.xadd(
        f"{at}events:{row['topic']}", {**fields, "published_ns": row["published_at"]}, id=f"{row['sequence']}-0"
    )


_REDIS: Mapping[str, Callable[[Any, str, dict[str, Any]], None]] = {
    "connections": _connection,
    "subscriptions": _subscription,
    "topics": _topic,
    "chats": _chat,
    "messages": _message,
    "events": _event,
}


def a_storage(engine: str, request: pytest.FixtureRequest, directory: Path) -> Storage:
    if engine == "sqlite":
        return sqlite(directory / "storage.sqlite")
    database = request.getfixturevalue(f"{engine}_database")
    make = {"postgres": postgres, "mariadb": mariadb, "redis": redis_at}[engine]
    return make(database.dsn)
