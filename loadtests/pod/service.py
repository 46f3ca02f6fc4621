"""The rules of the pod: permissions of clients, and replies. No sockets, no SQL.

Requests of one connection are carried out one after another, those of different connections at the same time.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from loadtests.accounts import account_of
from loadtests.pod.limits import Limits
from loadtests.pod.requests import OK, ServiceAnswer, no
from loadtests.pod.storage.contract import (
    Accepted,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Resumed,
    Storage,
    StorageError,
    StorageRefusal,
    Subscribed,
)
from loadtests.pod.topics import Outlet, Subscriber, Topic, Topics
from loadtests.protocols.contract import QUEUE_TOPIC, chat_topic
from loadtests.protocols.serverhalf import Request, Server

CLOSE_POLICY: Final = 1008
"""The close code for a client that breaks a rule; the reason says which."""

REAP_LIMIT: Final = 500
"""Connections reaped, and orphans swept, in one transaction."""

_log = logging.getLogger(__name__)

_MAINTENANCE = Call("maintenance", "", "")


class ClientSession:
    """A connection that has a WebSocket on this pod now."""

    __slots__ = ("account", "connection", "outlet", "role", "subscribers")

    def __init__(self, row: ConnectionRow, outlet: Outlet) -> None:
        self.connection, self.account, self.role = row.connection, row.account, row.role
        self.outlet = outlet
        self.subscribers: dict[str, Subscriber] = {}

    def call(self, request: Request) -> Call:
        return Call(request.type, request.key, self.account)


class Service:
    """One pod's connections on one storage."""

    def __init__(self, storage: Storage, token_secret: str, limits: Limits, protocol: Server) -> None:
        self.storage, self.limits, self.protocol = storage, limits, protocol
        self.sessions: dict[str, ClientSession] = {}
        self.topics = Topics(storage.events_after, limits.gap_wait_s, protocol)
        self.subscriber: type[Subscriber] = Subscriber
        self.draining = False
        self.reaped = 0
        self._token_secret = token_secret
        self._active: set[str] = set()
        self._touching = asyncio.Lock()

    async def create(self, request: Request, outlet: Outlet) -> tuple[ClientSession | None, ServiceAnswer]:
        """Raises StorageError."""
        account = account_of(request.body["token"], self._token_secret)
        if account is None:
            return None, no("unauthorized")
        name, role = request.body["name"], request.body["role"]
        row = ConnectionRow(secrets.token_hex(8), account, role, name, secrets.token_urlsafe(18))
        await self.storage.open_connection(Call("connection.create", request.key, account), row)
        return self._enter(row, outlet), ServiceAnswer(
            "ok",
            body={
                "connection": row.connection,
                "resume_token": row.resume_token,
                "resume_within_s": self.limits.resume_within_s,
                "heartbeat_s": self.limits.heartbeat_s,
                "max_message_bytes": self.limits.max_message_bytes,
            },
        )

    async def resume(self, request: Request, outlet: Outlet) -> tuple[ClientSession | None, ServiceAnswer]:
        """Sends what was missed, too. Raises StorageError."""
        connection, resume_token = request.body["connection"], request.body["resume_token"]
        account = account_of(request.body["token"], self._token_secret)
        if account is None:
            return None, no("unauthorized")
        async with self._touching:  # the storage is to know that it was alive a moment ago
            known = connection in self._active
        if known:
            await self.storage.touch_connections([connection], time.time_ns())
        call = Call("connection.create", request.key, account)
        resumed = await self.storage.resume_connection(
            call, connection, resume_token, _ago(self.limits.resume_within_s)
        )
        if not isinstance(resumed, Resumed):
            return None, no(resumed.value)
        session = self._enter(resumed.connection, outlet)
        for topic in resumed.topics:
            session.subscribers[topic] = self.subscriber(outlet)
            self.topics.enter(account, topic, session.subscribers[topic])
        try:
            await self._replay(session, request.body["positions"], resumed.topics)
        except BaseException:
            self.leave(session)
            raise
        return session, ServiceAnswer("ok", body={"topics": {name: s.after for name, s in session.subscribers.items()}})

    async def _replay(self, session: ClientSession, seen: Mapping[str, int], reached: Mapping[str, int]) -> None:
        for name, subscriber in list(session.subscribers.items()):
            if session.subscribers.get(name) is not subscriber:  # taken over meanwhile
                return
            topic = self.topics.enter(session.account, name, subscriber)
            await topic.catch_up(subscriber, min(seen.get(name, reached[name]), reached[name]))

    def _enter(self, row: ConnectionRow, outlet: Outlet) -> ClientSession:
        if before := self.sessions.get(row.connection):
            self.leave(before)
            before.outlet.close(CLOSE_POLICY, "resumed on another WebSocket")
        session = self.sessions[row.connection] = ClientSession(row, outlet)
        return session

    def leave(self, session: ClientSession) -> None:
        """The WebSocket is gone: nothing is pushed any more, but the connection can be resumed for a while."""
        if self.sessions.get(session.connection) is session:
            del self.sessions[session.connection]
            self._active.add(session.connection)
        for name, subscriber in session.subscribers.items():
            self.topics.leave(session.account, name, subscriber)
        session.subscribers.clear()

    async def depart(self, session: ClientSession) -> None:
        """The client announced its end, as a page does that is closed: its connection is closed at once, also
        while a request of its is under way. Where the storage cannot do that now, silence will."""
        self.leave(session)
        try:
            call = Call("connection.close", "", session.account)
            await self.storage.close_connection(call, session.connection)
            self._active.discard(session.connection)
        except StorageError as error:
            _log.warning("departure_not_stored", extra={"error": type(error).__name__})

    async def handle(self, session: ClientSession, request: Request) -> ServiceAnswer:
        """Carries a request out. Raises StorageError."""
        if self.draining:
            return no("draining")
        self._active.add(session.connection)
        handler = _HANDLERS.get(request.type)
        return await handler(self, session, request) if handler else no("bad_request")

    async def _heartbeat(self, _session: ClientSession, _request: Request) -> ServiceAnswer:
        return OK

    async def _subscribe(self, session: ClientSession, request: Request) -> ServiceAnswer:
        name = request.body["topic"]
        if name == QUEUE_TOPIC and session.role != "agent":
            return no("forbidden")
        there = session.subscribers.get(name)
        subscriber = there or self.subscriber(session.outlet)
        # In before the storage is asked: an event that is committed in between is not missed.
        topic = self.topics.enter(session.account, name, subscriber)
        session.subscribers[name] = subscriber
        subscribed = False
        try:
            answer = await self.storage.subscribe(
                session.call(request), session.connection, name, self.limits.max_subscriptions
            )
            subscribed = isinstance(answer, Subscribed)
        finally:
            if not (subscribed or there):
                self._unsubscribed(session, name)
        if isinstance(answer, StorageRefusal):
            return no(answer.value)
        if there:
            return ServiceAnswer("ok", body={"sequence": there.after})
        if session.subscribers.get(name) is not subscriber:  # it has left meanwhile
            self.topics.leave(session.account, name, subscriber)
            return OK
        join = partial(self._join, topic, subscriber, answer.sequence)
        return ServiceAnswer("ok", body={"sequence": answer.sequence}, afterwards=join)

    async def _join(self, topic: Topic, subscriber: Subscriber, after: int) -> None:
        if not topic.join(subscriber, after):
            await topic.catch_up(subscriber, after)

    def _unsubscribed(self, session: ClientSession, name: str) -> None:
        if subscriber := session.subscribers.pop(name, None):
            self.topics.leave(session.account, name, subscriber)

    async def _unsubscribe(self, session: ClientSession, request: Request) -> ServiceAnswer:
        name = request.body["topic"]
        answer = await self.storage.unsubscribe(session.call(request), session.connection, name)
        if isinstance(answer, Done):
            self._unsubscribed(session, name)
        return self._done(answer)

    async def _offer(self, session: ClientSession, request: Request) -> ServiceAnswer:
        call = session.call(request)
        # The chat's id is the key of its offer.
        return self._done(await self.storage.offer_chat(call, session.connection, request.key, request.body["subject"]))

    async def _accept(self, session: ClientSession, request: Request) -> ServiceAnswer:
        answer = await self.storage.accept_chat(session.call(request), session.connection, request.body["chat"])
        if isinstance(answer, AlreadyAccepted):
            return no("already_accepted", winner=answer.winner)
        return self._done(answer)

    async def _send(self, session: ClientSession, request: Request) -> ServiceAnswer:
        call, body = session.call(request), request.body
        return self._done(await self.storage.send_message(call, session.connection, body["chat"], body["text"]))

    async def _close_chat(self, session: ClientSession, request: Request) -> ServiceAnswer:
        answer = await self.storage.close_chat(session.call(request), session.connection, request.body["chat"])
        return self._done(answer)

    async def _close(self, session: ClientSession, request: Request) -> ServiceAnswer:
        answer = await self.storage.close_connection(session.call(request), session.connection)
        self.leave(session)
        if isinstance(answer, Done) and (resumed := self.sessions.get(session.connection)):
            self.leave(resumed)
            resumed.outlet.close(CLOSE_POLICY, "the connection was closed on another WebSocket")
        self._active.discard(session.connection)
        return self._done(answer)

    def _done(self, answer: Done | Accepted | StorageRefusal) -> ServiceAnswer:
        if isinstance(answer, StorageRefusal):
            return no(answer.value)
        self.topics.publish(answer.events)
        return OK

    def in_doubt(self, session: ClientSession, request: Request) -> None:
        """A change may have been made without an answer: its events are searched for."""
        chat = request.body.get("chat", request.key)
        self.topics.check(session.account, (QUEUE_TOPIC, chat_topic(chat)))

    async def touch(self) -> None:
        """Updates the storage with the connections that were active since the last time. Raises StorageError."""
        async with self._touching:  # who reaps waits for the one under way
            active, self._active = self._active, set()
            try:
                if active:
                    await self.storage.touch_connections(list(active), time.time_ns())
            except BaseException:
                self._active |= active
                raise

    async def touch_all(self) -> None:
        """As `touch`, for every connection that is open here: they can be resumed from now on."""
        self._active.update(self.sessions)
        await self.touch()

    async def reap(self) -> int:
        """Closes the connections that were silent for too long; returns how many. Raises StorageError."""
        await self.touch()
        before, reaped = self.reaped, REAP_LIMIT
        while reaped >= REAP_LIMIT:
            silent = await self.storage.reap_connections(_MAINTENANCE, _ago(self.limits.silent_s), REAP_LIMIT)
            for session in filter(None, map(self.sessions.get, silent)):
                self.leave(session)
                session.outlet.close(CLOSE_POLICY, "silent for too long")
            reaped = len(silent)
            self.reaped += reaped
        return self.reaped - before

    async def sweep(self) -> int:
        """Removes the subscriptions that no client receives; returns how many. Raises StorageError."""
        await self.touch()
        total, swept = 0, REAP_LIMIT
        while swept >= REAP_LIMIT:
            swept = await self.storage.sweep_orphans(_MAINTENANCE, _ago(self.limits.silent_s), REAP_LIMIT)
            total += swept
        return total


def _ago(seconds: float) -> int:
    return time.time_ns() - int(seconds * 1e9)


_HANDLERS: Final[Mapping[str, Callable[[Service, ClientSession, Request], Awaitable[ServiceAnswer]]]] = {
    "subscription.create": Service._subscribe,
    "subscription.delete": Service._unsubscribe,
    "chat.offer": Service._offer,
    "chat.accept": Service._accept,
    "message.send": Service._send,
    "chat.close": Service._close_chat,
    "heartbeat": Service._heartbeat,
    "connection.close": Service._close,
}
