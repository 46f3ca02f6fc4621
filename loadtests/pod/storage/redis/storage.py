"""The storage contract on Redis: every change is one script, every script one transaction."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from loadtests.engines import ENGINES
from loadtests.pod.storage import rules
from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Resumed,
    Statistics,
    StorageRefusal,
    StorageUnavailable,
    Subscribed,
    TransactionSink,
)
from loadtests.pod.storage.redis.copying import decoded, pack_message, read_copy, read_event, stamp, write_copy
from loadtests.pod.storage.redis.driver import RedisDatabase
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Event
from loadtests.storagenames import promises

MAINTENANCE = Call("maintenance", "", "")
SETTINGS = (
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory",
    "maxmemory-policy",
    "maxclients",
)
TOUCHED_AT_ONCE = 500
"""Connections touched by one script: no other client is served while it runs."""

_LIVE = "live:seen"


def create(fsync: str, *, dsn: str, record: TransactionSink, pod: str) -> "RedisStorage":
    """`dsn` is a Redis URL."""
    return RedisStorage(fsync, RedisDatabase(dsn, record, pod))


class RedisStorage:
    """`fsync`: the weakest setting of `appendfsync` that keeps the promise."""

    def __init__(self, fsync: str, database: RedisDatabase) -> None:
        self.name = f"redis:{fsync}"
        self.promises = promises(self.name)
        self._fsync, self._database = fsync, database

    async def start(self) -> None:
        await self._database.start()
        try:
            self._check(await self.settings())
        except StorageUnavailable:
            await self.stop()
            raise

    def _check(self, settings: Mapping[str, str]) -> None:
        """Raises StorageUnavailable when the server is set to keep less than this storage system promises."""
        names = [choice.name for choice in ENGINES["redis"].choices]  # from the strongest setting
        wanted = {
            "appendonly": ["yes"],
            "appendfsync": names[names.index(self._fsync) :: -1],
            "maxmemory-policy": ["noeviction"],
        }
        for name, good in wanted.items():
            if settings[name] not in good:
                raise StorageUnavailable(
                    f"{self.name} promises more than this Redis keeps: its {name} is {settings[name]}, "
                    f"it must be {' or '.join(good)}"
                )

    async def stop(self) -> None:
        await self._database.stop()

    async def settings(self) -> Mapping[str, str]:
        server = decoded(await self._database.read("INFO", "server"))
        lines = dict(line.split(":", 1) for line in server.splitlines() if ":" in line)
        read = {name: await self._setting(name) for name in SETTINGS}
        isolation = "serializable (one script at a time)"
        return {"engine": "redis", "version": lines["redis_version"], **read, "isolation": isolation}

    async def _setting(self, name: str) -> str:
        answer = await self._database.read("CONFIG", "GET", name)
        return decoded(answer[1])

    async def open_connection(self, call: Call, row: ConnectionRow) -> Done:
        digest = rules.token_digest(row.resume_token)
        await self._write(call, "open_connection", call.account, row.connection, row.role, row.name, digest, _now())
        return Done()

    async def resume_connection(
        self, call: Call, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        digest = rules.token_digest(resume_token)
        answer = await self._write(call, "resume_connection", connection, digest, stamp(silent_since_ns), _now())
        if isinstance(answer, StorageRefusal):
            return answer
        role, name, *topics = answer
        row = ConnectionRow(connection, call.account, decoded(role), decoded(name), resume_token)  # type: ignore[arg-type]
        return Resumed(row, {decoded(topic): int(head) for topic, head in zip(topics[::2], topics[1::2], strict=True)})

    async def close_connection(self, call: Call, connection: str) -> Done | StorageRefusal:
        return _done(await self._write(call, "close_connection", connection, _now()))

    async def touch_connections(self, connections: Sequence[str], now_ns: int) -> None:
        for first in range(0, len(connections), TOUCHED_AT_ONCE):
            some = connections[first : first + TOUCHED_AT_ONCE]
            await self._database.write(MAINTENANCE, "touch_connections", _LIVE, stamp(now_ns), *some)

    async def reap_connections(self, call: Call, silent_since_ns: int, limit: int) -> Sequence[str]:
        _, *reaped = await self._database.write(call, "reap_connections", _LIVE, stamp(silent_since_ns), limit, _now())
        return [decoded(connection) for connection in reaped]

    async def subscribe(self, call: Call, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
        answer = await self._write(call, "subscribe", connection, topic, limit, _now())
        return answer if isinstance(answer, StorageRefusal) else Subscribed(int(answer[0]))

    async def unsubscribe(self, call: Call, connection: str, topic: str) -> Done | StorageRefusal:
        return _done(await self._write(call, "unsubscribe", connection, topic))

    async def offer_chat(self, call: Call, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
        now = _now()
        answer = await self._write(call, "offer_chat", connection, chat, call.key, subject, now)
        if isinstance(answer, StorageRefusal):
            return answer
        return Done(_events(call, answer, (QUEUE_TOPIC,), "chat.offered", chat, subject, now))

    async def accept_chat(self, call: Call, connection: str, chat: str) -> Accepted | AlreadyAccepted | StorageRefusal:
        now = _now()
        answer = await self._database.write(call, "accept_chat", _prefix(call.account), connection, chat, call.key, now)
        match answer[0]:
            case b"refused":
                return StorageRefusal(decoded(answer[1]))
            case b"taken":
                return AlreadyAccepted(decoded(answer[1]))
        return Accepted(_events(call, answer[1:], (chat_topic(chat), QUEUE_TOPIC), "chat.accepted", chat, "", now))

    async def send_message(self, call: Call, connection: str, chat: str, text: str) -> Done | StorageRefusal:
        now = _now()
        message = pack_message(chat, connection, text, int(now))
        answer = await self._write(call, "send_message", connection, chat, call.key, text, message, now)
        if isinstance(answer, StorageRefusal):
            return answer
        return Done(_events(call, answer, (chat_topic(chat),), "message.sent", chat, text, now))

    async def close_chat(self, call: Call, connection: str, chat: str) -> Done | StorageRefusal:
        now = _now()
        answer = await self._write(call, "close_chat", connection, chat, call.key, now)
        if isinstance(answer, StorageRefusal):
            return answer
        return Done(_events(call, answer, (chat_topic(chat), QUEUE_TOPIC), "chat.closed", chat, "", now))

    async def events_after(self, account: str, topic: str, sequence: int, limit: int) -> Sequence[Event]:
        stream = f"{_prefix(account)}events:{topic}"
        entries = await self._database.read("XRANGE", stream, f"{sequence + 1}-0", "+", "COUNT", limit)
        return [read_event(account, topic, *entry) for entry in entries]

    async def statistics(self, silent_since_ns: int) -> Statistics:
        connections = int(await self._database.read("ZCARD", _LIVE))
        totals = [0, 0, 0, 0]
        for account in await self._accounts():  # one by one, so that the server serves others in between
            row = await self._database.query("statistics", _prefix(account), stamp(silent_since_ns))
            totals = [total + number for total, number in zip(totals, row, strict=True)]
        return Statistics(connections, *totals)

    async def sweep_orphans(self, call: Call, silent_since_ns: int, limit: int) -> int:
        swept = 0
        for account in await self._accounts():
            values = stamp(silent_since_ns), limit - swept
            _, number = await self._database.write(call, "sweep_orphans", _prefix(account), *values)
            swept += number
            if swept >= limit:
                break
        return swept

    async def copy_account(self, account: str) -> AccountCopy:
        return read_copy(account, await self._database.query("copy_account", _prefix(account)))

    async def replace_account(self, call: Call, copy: AccountCopy) -> None:
        prefix = _prefix(copy.account)
        await self._database.write(call, "replace_account", prefix, copy.account, write_copy(copy))

    async def _accounts(self) -> Sequence[str]:
        return sorted(map(decoded, await self._database.read("SMEMBERS", "accounts")))

    async def _write(self, call: Call, script: str, *values: str | int) -> Sequence[Any] | StorageRefusal:
        """What a script about the call's account answered: what follows its `ok`, or why it refused."""
        word, *rest = await self._database.write(call, script, _prefix(call.account), *values)
        return StorageRefusal(decoded(rest[0])) if word == b"refused" else rest


def _prefix(account: str) -> str:
    return f"{{{account}}}:"


def _now() -> str:
    return stamp(time.time_ns())


def _done(answer: Sequence[Any] | StorageRefusal) -> Done | StorageRefusal:
    return answer if isinstance(answer, StorageRefusal) else Done()


def _events(  # noqa: PLR0913, PLR0917  an event's own fields
    call: Call, answer: Sequence[Any], topics: tuple[str, ...], kind: str, chat: str, text: str, now: str
) -> tuple[Event, ...]:
    """The events that a script published: it answered with the speaker's name and a number for each topic."""
    if not answer:
        return ()
    by, *numbers = answer
    return tuple(
        Event(call.account, topic, number, kind, chat, call.key, decoded(by), text, int(now))
        for topic, number in zip(topics, numbers, strict=True)
    )
