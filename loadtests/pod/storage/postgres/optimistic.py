"""Compare and set: read without locks, then write only where what was read still holds; else begin again.

A transaction writes the connection or the chat that it was decided on, under the version that it read, and numbers
its events last. Row locks last from a write to the commit, in the order connection, chat, chat's topic, queue.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from loadtests.pod.storage import rules
from loadtests.pod.storage.contract import (
    Accepted,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Refusal,
    Resumed,
    Subscribed,
)
from loadtests.pod.storage.postgres.driver import Session
from loadtests.pod.storage.postgres.errors import OvertakenError
from loadtests.pod.storage.postgres.storage import (
    PostgresStorage,
    add_connection,
    add_message,
    draft,
    find_chat,
    find_speaker,
    resume,
)
from loadtests.wire.codecs.messages import QUEUE_TOPIC, Event, chat_topic


class OptimisticStorage(PostgresStorage):
    """Nothing is counted on the account's row, so that nobody meets there."""

    strategy = "optimistic"

    async def open_connection(self, call: Call, row: ConnectionRow) -> Done:
        async def job(db: Session) -> Done:
            await db.run("add_account", db.account)
            await add_connection(db, row)
            return Done()

        return await self._database.write(call, job)

    async def resume_connection(
        self, call: Call, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | Refusal:
        return await self._database.write(call, lambda db: resume(db, connection, resume_token, silent_since_ns))

    async def close_connection(self, call: Call, connection: str) -> Done | Refusal:
        async def job(db: Session) -> Done | Refusal:
            row = await db.row("connection", connection, db.account)
            if row is None:
                return Refusal.NO_SUCH_CONNECTION
            if row["closed_at"] is None:
                _set(await db.run("close_connection", connection, row["version"], time.time_ns()))
                await db.run("drop_subscriptions", connection)
            return Done()

        return await self._database.write(call, job)

    async def reap_connections(self, call: Call, silent_since_ns: int, limit: int) -> Sequence[str]:
        async def job(db: Session) -> Sequence[str]:
            silent = await db.rows("silent_connections", silent_since_ns, limit)
            reaped = []
            # In the order of their ids, as touching locks them. One that was taken up in the meantime stays.
            for row in sorted(silent, key=lambda row: str(row["id"])):
                if await db.run("reap_connection", row["id"], row["version"], time.time_ns(), silent_since_ns):
                    await db.run("drop_subscriptions", row["id"])
                    reaped.append(row["id"])
            return reaped

        return await self._database.write(call, job)

    async def subscribe(self, call: Call, connection: str, topic: str, limit: int) -> Subscribed | Refusal:
        async def job(db: Session) -> Subscribed | Refusal:
            speaker = await find_speaker(db, connection)
            if speaker is None:
                return Refusal.NO_SUCH_CONNECTION
            if there := await db.row("subscription", connection, topic):
                return Subscribed(there["head"])
            if refusal := rules.on_subscribe(await db.value("count_subscriptions", connection), limit):
                return refusal
            _set(await db.run("claim_connection", connection, speaker.version))
            await db.run("ensure_topic", db.account, topic)
            await db.run("subscribe", connection, topic, db.account, time.time_ns())
            return Subscribed(await db.value("topic_head", db.account, topic))

        return await self._database.write(call, job)

    async def unsubscribe(self, call: Call, connection: str, topic: str) -> Done | Refusal:
        async def job(db: Session) -> Done | Refusal:
            if await find_speaker(db, connection) is None:
                return Refusal.NO_SUCH_CONNECTION
            return Done() if await db.run("unsubscribe", connection, topic) else Refusal.NOT_SUBSCRIBED

        return await self._database.write(call, job)

    async def offer_chat(self, call: Call, connection: str, chat: str, subject: str) -> Done | Refusal:
        async def job(db: Session) -> Done | Refusal:
            speaker = await find_speaker(db, connection)
            if speaker is None:
                return Refusal.NO_SUCH_CONNECTION
            if not await db.run("offer_chat", db.account, chat, subject, connection, time.time_ns()):
                return Done()
            await db.run("ensure_topic", db.account, chat_topic(chat))
            return Done(await _publish(db, draft(db, speaker, "chat.offered", chat, subject), QUEUE_TOPIC))

        return await self._database.write(call, job)

    async def accept_chat(self, call: Call, connection: str, chat: str) -> Accepted | AlreadyAccepted | Refusal:
        async def job(db: Session) -> Accepted | AlreadyAccepted | Refusal:
            speaker, found = await find_speaker(db, connection), await find_chat(db, "chat", chat)
            if answer := rules.on_accept(speaker, found):
                return answer
            assert speaker is not None
            assert found is not None
            _set(await db.run("accept_chat", db.account, chat, found.version, connection, time.time_ns()))
            event = draft(db, speaker, "chat.accepted", chat, "")
            return Accepted(await _publish(db, event, chat_topic(chat), QUEUE_TOPIC))

        return await self._database.write(call, job)

    async def send_message(self, call: Call, connection: str, chat: str, text: str) -> Done | Refusal:
        async def job(db: Session) -> Done | Refusal:
            speaker, found = await find_speaker(db, connection), await find_chat(db, "chat", chat)
            if answer := rules.on_message(speaker, found):
                return answer
            assert speaker is not None
            assert found is not None
            # Under the chat's version, so that no message follows the chat's end.
            _set(await db.run("claim_chat", db.account, chat, found.version))
            if not await add_message(db, connection, chat, text):
                raise OvertakenError("the same message was sent at the same time")
            return Done(await _publish(db, draft(db, speaker, "message.sent", chat, text), chat_topic(chat)))

        return await self._database.write(call, job)

    async def close_chat(self, call: Call, connection: str, chat: str) -> Done | Refusal:
        async def job(db: Session) -> Done | Refusal:
            speaker, found = await find_speaker(db, connection), await find_chat(db, "chat", chat)
            if answer := rules.on_close_chat(speaker, found):
                return answer
            assert speaker is not None
            assert found is not None
            _set(await db.run("close_chat", db.account, chat, found.version, time.time_ns()))
            event = draft(db, speaker, "chat.closed", chat, "")
            return Done(await _publish(db, event, chat_topic(chat), QUEUE_TOPIC))

        return await self._database.write(call, job)


def _set(rows: int) -> None:
    """Raises OvertakenError, which begins the transaction again, when a compare-and-set found another version."""
    if rows == 0:
        raise OvertakenError("somebody else was faster")


async def _publish(db: Session, event: Event, *topics: str) -> tuple[Event, ...]:
    return tuple([await _publish_one(db, replace(event, topic=topic)) for topic in topics])


async def _publish_one(db: Session, event: Event) -> Event:
    values = (event.kind, event.chat, event.key, event.by, event.text, event.published_ns)
    return replace(event, sequence=await db.value("publish", event.account, event.topic, *values))
