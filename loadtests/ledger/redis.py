"""Reads a Redis server, by the keys that the pod's storage documents.

Redis has no snapshot for readers: the pods are to be quiet.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

from redis.exceptions import RedisError

from loadtests.drivers import redis
from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.contract import AddressError
from loadtests.ledger.stored import Read, Row, StorageUnreadableError

_ROWS = 5_000
_CONNECT_S = 5.0


@asynccontextmanager
async def reading(dsn: str, silent_since_ns: int) -> AsyncIterator[Read]:
    """Raises UnreadableError."""
    client = None
    try:
        client = await redis.open_client(parse_address("redis", dsn), timeout_s=_CONNECT_S, decode_responses=True)
        accounts = sorted(map(str, await client.smembers("accounts")))

        async def read(table: str) -> AsyncIterator[Sequence[Row]]:
            for account in accounts:
                async for rows in _TABLES[table](_AccountKeys(client, account, silent_since_ns)):
                    yield rows

        yield read
    except (AddressError, RedisError, OSError) as error:
        raise StorageUnreadableError(f"Redis: {error or type(error).__name__}") from error
    finally:
        if client is not None:
            await client.aclose()


class _AccountKeys:
    """One account's keys."""

    def __init__(self, client: Any, name: str, silent_since_ns: int) -> None:
        self.client, self.name, self.silent_since_ns = client, name, silent_since_ns

    def key(self, *parts: str) -> str:
        return ":".join((f"{{{self.name}}}", *parts))

    async def each(
        self, members: str, ask: Callable[[Any, str], Awaitable[Any]]
    ) -> AsyncIterator[list[tuple[str, Any]]]:
        """The members of a set, some at a time, each with what `ask` found, all of them in one round trip."""
        ids = iter(sorted(await self.client.smembers(self.key(members))))
        while some := list(islice(ids, _ROWS)):
            pipeline = self.client.pipeline(transaction=False)
            for one in some:
                ask(pipeline, one)
            yield list(zip(some, await pipeline.execute(), strict=True))


async def _connections(of: _AccountKeys) -> AsyncIterator[Sequence[Row]]:
    async for found in of.each("connections", lambda p, i: p.hmget(of.key("connection", i), "role", "closed_at")):
        yield [(of.name, i, role, "closed" if closed else "open") for i, (role, closed) in found]


async def _subscriptions(of: _AccountKeys) -> AsyncIterator[Sequence[Row]]:
    async for found in of.each("subscribers", lambda p, i: p.hkeys(of.key("subscriptions", i))):
        yield [(of.name, i, topic) for i, topics in found for topic in sorted(topics)]


async def _orphans(of: _AccountKeys) -> AsyncIterator[Sequence[Row]]:
    async for found in of.each("subscribers", lambda p, i: p.hmget(of.key("connection", i), "closed_at", "seen_at")):
        for connection, (closed_at, seen_at) in found:
            if why := _why(of, closed_at, seen_at):
                topics = await of.client.hgetall(of.key("subscriptions", connection))
                yield [
                    (of.name, connection, topic, why, int(closed_at or seen_at or since))
                    for topic, since in sorted(topics.items())
                ]


def _why(of: _AccountKeys, closed_at: str | None, seen_at: str | None) -> str | None:
    if closed_at:
        return "closed"
    if not seen_at:
        return "missing"
    return "silent" if int(seen_at) < of.silent_since_ns else None


async def _topics(of: _AccountKeys) -> AsyncIterator[Sequence[Row]]:
    heads = await of.client.hgetall(of.key("topics"))
    yield [(of.name, topic, int(head)) for topic, head in heads.items() if int(head)]


async def _chats(of: _AccountKeys) -> AsyncIterator[Sequence[Row]]:
    async for found in of.each("chats", lambda p, i: p.hmget(of.key("chat", i), "state", "accepted_by")):
        yield [(of.name, i, state, accepted_by) for i, (state, accepted_by) in found if state]


async def _messages(of: _AccountKeys) -> AsyncIterator[Sequence[Row]]:
    rows: list[Row] = []
    async for key, message in of.client.hscan_iter(of.key("messages"), count=_ROWS):
        rows.append((of.name, key, json.loads(message)[0]))
        if len(rows) >= _ROWS:
            yield rows
            rows = []
    yield rows


async def _events(of: _AccountKeys) -> AsyncIterator[Sequence[Row]]:
    for topic in await of.client.hkeys(of.key("topics")):
        after = "-"
        while entries := await of.client.xrange(of.key("events", topic), after, "+", _ROWS):
            yield [
                (of.name, topic, int(i.partition("-")[0]), e["kind"], e["key"], int(e["published_ns"]))
                for i, e in entries
            ]
            after = f"({entries[-1][0]}"


_TABLES: dict[str, Callable[[_AccountKeys], AsyncIterator[Sequence[Row]]]] = {
    "connections": _connections,
    "subscriptions": _subscriptions,
    "orphans": _orphans,
    "topics": _topics,
    "chats": _chats,
    "messages": _messages,
    "events": _events,
}
