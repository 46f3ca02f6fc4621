"""One connection of one person, every operation recorded. What the pod does is an outcome, never an exception."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic_ns

from loadtests.protocols.contract import (
    QUEUE_TOPIC,
    Command,
    Frame,
    Identity,
    Push,
    Reply,
    chat_number,
    chat_of_topic,
    chat_topic,
)
from loadtests.records.vocabulary import PUBLISHING
from loadtests.users.load import AccountEndpoint, Load
from loadtests.users.recording import PushTimes, TopicPosition, Who
from loadtests.wire.connection import Connection
from loadtests.wire.failures import ConnectionFailed, TimedReply, local_error
from loadtests.wire.opening import Endpoint

PushHandler = Callable[[Push, int], None]
"""Gets every push and when it came (ns since the origin)."""

_HEARTBEAT_S = 10.0
"""How often a heartbeat is sent to a pod that names no period of its own."""

_FARTHEST_NS = 1 << 62
"""146 years, the farthest stamp that readers of tables accept (`records.conformity`)."""

_HEARTBEATS_S = (0.1, 3600.0)
"""The shortest and the longest period that a pod may name."""

_CLOSE_S = 1.0
"""How long we wait for the pod's part of closing the WebSocket, after its reply."""


class Backoff:
    """Growing pauses between attempts, with jitter, so that a dead pod is not hammered: 0.1 s at first, 5 s at most."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._attempts = 0

    def next_ns(self) -> int:
        longest_s = min(0.1 * 2**self._attempts, 5.0)
        self._attempts = min(self._attempts + 1, 16)
        return int(longest_s * self._chance.uniform(0.5, 1.0) * 1e9)

    def reset(self) -> None:
        self._attempts = 0


@dataclass(frozen=True, slots=True)
class Person:
    """Who opens connections: the user's number in this worker, its account, `agent` or `customer`, its name."""

    number: int
    endpoint: AccountEndpoint
    role: str
    name: str


class Session:
    """`on_push` gets every push, `on_lost` an end that was not requested; both run in the hub and must not wait."""

    def __init__(self, load: Load, person: Person, on_push: PushHandler, on_lost: Callable[[str, str], None]) -> None:
        endpoint = person.endpoint
        self._load = load
        self._recorder = load.recorder
        self._account = endpoint
        self._identity = Identity(endpoint.token, person.role, person.name)
        self._client = load.protocol.client(self._identity)
        self._on_push = on_push
        self._on_lost = on_lost
        self.who = Who(endpoint.pod, endpoint.account, person.number, load.next_connection())
        self._connection: Connection | None = None
        self._own: set[int] = set()
        self._heartbeat_ns = int(_HEARTBEAT_S * 1e9)
        self.heartbeat_due_ns = 0

    def open(self, planned_ns: int) -> bool:
        """`connection.create`: from the TCP connect to the pod's "created". Whether it did."""
        key = self._load.new_key()
        pending = self._recorder.begin(self.who, "connection.create", key, None, planned_ns)
        outcome, error, ended_ns = "unknown", "cut_off", None
        try:
            outcome, error, ended_ns = self._create(key, planned_ns, self._load.timeouts_s["connection.create"])
        except BaseException as fault:  # this user is being killed: only this frame has the connection yet
            error = local_error(fault) or self._cut_short
            self.drop()
            raise
        finally:
            self._recorder.end(pending, outcome, error, ended_ns)
        if outcome != "ok":
            self.drop()
            return False
        self._load.sessions.add(self)
        return True

    def _create(self, key: int, planned_ns: int, timeout_s: float) -> tuple[str, str, int | None]:
        until_ns = monotonic_ns() + int(timeout_s * 1e9)
        try:
            # Guarded: the connection only logs what these raise.
            pushed, ended = (partial(self._load.guarded, handle) for handle in (self._pushed, self._ended))
            spec, identity, account = self._load.protocol.spec, self._identity, self._account
            url, headers = spec.url(account.url, identity), spec.headers(identity)
            endpoint = Endpoint(url, spec.subprotocols, headers, account.networks)
            self._connection = Connection.open(
                endpoint, self._client, timeout_s=timeout_s, on_push=pushed, on_lost=ended
            )
        except ConnectionFailed as failure:
            self._load.note_connection_failure(planned_ns, failure)
            return failure.outcome, failure.error, None
        self._load.unstamped_connections += not self._connection.kernel_times
        left_s = max((until_ns - monotonic_ns()) / 1e9, 0.001)
        connection = self._connection
        reply, ended_ns = connection.request(key, self._client.open(key), left_s)
        named = connection.opened.heartbeat_s if connection.opened is not None else None
        self._heartbeat_ns = int(heartbeat_s(named) * 1e9)
        self._note_sent()
        return reply.outcome, reply.error, ended_ns - self._load.clock.origin_ns

    def request(  # noqa: PLR0913  by keyword
        self,
        operation: str,
        planned_ns: int,
        *,
        chat: str = "",
        topic: str = "",
        text: str = "",
        key: int | None = None,
    ) -> Reply:
        """One recorded operation, due at `planned_ns`, about a chat or a topic; `key` where it is not to be a new
        one."""
        key = self._load.new_key() if key is None else key
        command = Command(operation, key, topic, chat, text)
        frames = self._client.close(key) if operation == "connection.close" else self._client.send(command)
        about = chat or chat_of_topic(topic)
        pending = self._recorder.begin(self.who, operation, key, chat_number(about) if about else None, planned_ns)
        if operation in PUBLISHING:
            self._load.causes.note(key, pending)
            if operation == "message.send":
                self._own.add(key)
        outcome, error, ended_ns, sequence = "unknown", "cut_off", None, None
        try:
            reply, ended_ns = self._send(key, frames, self._load.timeouts_s[operation])
            outcome, error, ended_ns = reply.outcome, reply.error, ended_ns - self._load.clock.origin_ns
            sequence = reply.sequence
        except BaseException as fault:
            error = local_error(fault) or self._cut_short
            raise
        finally:
            self._recorder.end(pending, outcome, error, ended_ns, TopicPosition(_topic_name(topic), sequence))
        return reply

    @property
    def _cut_short(self) -> str:
        """Why an operation ends that is killed in the middle: with the run, or with its user."""
        return "run_ended" if self._load.ending else "cut_off"

    def _send(self, key: int, frames: Sequence[Frame], timeout_s: float) -> TimedReply:
        if self._connection is None:
            return TimedReply(Reply(key, "unknown", "cut_off"), monotonic_ns())
        self._note_sent()
        connection = self._connection
        ended = connection.request(key, frames, timeout_s)
        if connection.lost is not None and self._connection is connection:
            self._ended(*connection.lost)  # at once: nothing more is begun on a connection that is no more
        return ended

    def is_own(self, key: int | None) -> bool:
        """Whether a message with that key was sent here; each is asked about once, when it comes back."""
        if key is not None and key in self._own:
            self._own.discard(key)
            return True
        return False

    def heartbeat(self) -> None:
        """Shows the pod that we are alive; a pod that does not answer is taken for gone. Not an operation."""
        connection = self._connection
        if connection is None or connection.busy:  # requests are answered in order: it would wait for the one before
            return
        key = self._load.new_key()
        frames = self._client.heartbeat(key)
        self._note_sent()
        if not frames:
            return
        reply, _ = connection.request(key, frames, self._load.timeouts_s["default"])
        if reply.error == "timeout" and self._connection is connection:
            self.drop()
            self._on_lost("cut_off", "the pod did not answer a heartbeat")

    def close(self, planned_ns: int) -> None:
        """`connection.close`, then the WebSocket's own close."""
        self.request("connection.close", planned_ns)
        if (connection := self._release()) is not None:
            connection.close(_CLOSE_S)

    def drop(self) -> None:
        """Drops the connection without a closing handshake; requests that are waiting end with `cut_off`."""
        if (connection := self._release()) is not None:
            connection.abort()

    def depart(self) -> None:
        """Goes away for good without `connection.close`, as a page does that is loaded again; not an operation."""
        if (connection := self._release()) is not None:
            connection.depart()

    def _release(self) -> Connection | None:
        """The connection, which this session uses no longer."""
        connection, self._connection = self._connection, None
        self._load.sessions.discard(self)
        return connection

    def _note_sent(self) -> None:
        self.heartbeat_due_ns = self._load.clock.now() + self._heartbeat_ns

    # In the hub.

    def _ended(self, error: str, detail: str) -> None:
        if self._release() is not None:
            self._on_lost(error, detail)

    def _pushed(self, push: Push, arrived_ns: int) -> None:
        clock = self._load.clock
        received_ns = arrived_ns - clock.origin_ns
        published_ns = None if push.published_ns is None else _published_ns(clock.of_unix(push.published_ns))
        if not push.chat:  # recorded; no user can use it
            times = PushTimes(received_ns, published_ns, at=TopicPosition("other"))
            self._recorder.push(self.who, "event.deliver", push.key or 0, None, times)
            return
        planned_ns, started_ns = (None, None) if push.key is None else self._load.causes.find(push.key)
        topic = "queue" if push.topic == QUEUE_TOPIC else "chat" if push.topic == chat_topic(push.chat) else "other"
        times = PushTimes(received_ns, published_ns, planned_ns, started_ns, TopicPosition(topic, push.sequence))
        self._recorder.push(self.who, "event.deliver", push.key or 0, chat_number(push.chat), times)
        self._on_push(push, received_ns)


def _published_ns(stamp_ns: int) -> int | None:
    """A server's stamp since the origin; None for one that no clock shows, with which no reader could calculate."""
    return stamp_ns if abs(stamp_ns) <= _FARTHEST_NS else None


def heartbeat_s(named: object) -> float:
    """The period in seconds that a pod named; the default for what is no number of seconds from 0.1 s to an hour."""
    if type(named) not in (int, float):  # a boolean is an integer to Python
        return _HEARTBEAT_S
    shortest, longest = _HEARTBEATS_S
    return float(named) if shortest <= named <= longest else _HEARTBEAT_S  # type: ignore[operator, arg-type]


def _topic_name(topic: str) -> str:
    """The name of a topic in the tables, see `records.vocabulary.TOPICS`."""
    if topic in ("", QUEUE_TOPIC):
        return topic
    return "chat" if chat_of_topic(topic) else "other"
