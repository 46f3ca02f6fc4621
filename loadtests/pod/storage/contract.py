"""The interface between a pod and its storage, in the terms of the domain.

Every method is one transaction: when it returns, the change is as durable as `promises` says, and the events it
returns have their place in their topic's order. Times are nanoseconds since the Unix epoch unless a name says
otherwise. A method raises `StorageUnavailable` when nothing is known to have happened, `OutcomeUnknown` when the
change may have been made (the connection was lost between commit and its answer), and `StorageConflict` when it gave
up after its own retries. Definite answers that are not errors are returned as values.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from loadtests.engines import Promises
from loadtests.protocols.serverhalf import Event
from loadtests.sanitize import sanitize

_LONGEST_MESSAGE = 1000


@dataclass(frozen=True)
class Call:
    """The operation on whose behalf the storage is used: named to the database and in the transactions table.
    `received_ns` is when the pod took it up, on CLOCK_MONOTONIC."""

    operation: str
    key: str
    account: str
    received_ns: int = field(default_factory=time.monotonic_ns, compare=False)


@dataclass(frozen=True)
class Transaction:
    """One transaction as the pod saw it. Times are CLOCK_MONOTONIC; `waiting_ns` is None where the wait for the
    write lock cannot be separated from the work."""

    session: int
    call: Call
    waiting_ns: int | None
    begun_ns: int
    ended_ns: int
    outcome: str
    database: str = ""
    """The name in the run of the database whose session this is."""
    asked_ns: int | None = None
    """When the pod asked its pool for the session; None where it did not say."""


@dataclass(frozen=True)
class ConnectionRow:
    """A connection as the storage keeps it."""

    connection: str
    account: str
    role: Literal["agent", "customer"]
    name: str
    resume_token: str


@dataclass(frozen=True)
class Resumed:
    """A connection taken up again, with its topics and the sequence number each had reached."""

    connection: ConnectionRow
    topics: Mapping[str, int]


@dataclass(frozen=True)
class Subscribed:
    """`sequence` is the topic's last number at the moment of subscribing: what comes after it will be pushed."""

    sequence: int


@dataclass(frozen=True)
class Accepted:
    """The chat is the caller's (also when it was already: accepting twice is harmless)."""

    events: Sequence[Event] = field(default=())


@dataclass(frozen=True)
class AlreadyAccepted:
    winner: str


@dataclass(frozen=True)
class Done:
    """The change was made, or had been made already; `events` are what it newly published."""

    events: Sequence[Event] = field(default=())


class StorageRefusal(Enum):
    """Definite answers that change nothing. The values are error codes of the protocol."""

    NO_SUCH_CONNECTION = "no_such_connection"
    NO_SUCH_CHAT = "no_such_chat"
    CHAT_CLOSED = "chat_closed"
    NOT_SUBSCRIBED = "not_subscribed"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True)
class Statistics:
    """Counts of live objects, and of subscriptions whose connection is closed, gone or silent (`orphans`)."""

    connections: int
    subscriptions: int
    chats: int
    messages: int
    orphans: int


class StoredConnection(NamedTuple):
    """A connection as it is kept: `closed_at` None while it is live."""

    id: str
    role: str
    name: str
    resume_digest: str
    opened_at: int
    seen_at: int
    closed_at: int | None


class StoredTopic(NamedTuple):
    topic: str
    head: int


class StoredSubscription(NamedTuple):
    connection: str
    topic: str
    subscribed_at: int


class StoredChat(NamedTuple):
    id: str
    state: str
    subject: str
    offered_by: str
    accepted_by: str | None
    offered_at: int
    accepted_at: int | None
    closed_at: int | None


class StoredMessage(NamedTuple):
    key: str
    chat: str
    sender: str
    text: str
    sent_at: int


@dataclass(frozen=True)
class AccountCopy:
    """Everything that a storage holds of one account, as of one moment: what a migration carries over."""

    account: str
    connections: Sequence[StoredConnection] = ()
    topics: Sequence[StoredTopic] = ()
    subscriptions: Sequence[StoredSubscription] = ()
    chats: Sequence[StoredChat] = ()
    messages: Sequence[StoredMessage] = ()
    events: Sequence[Event] = ()


ROWS: Mapping[str, Callable[..., Any]] = {
    "connections": StoredConnection,
    "topics": StoredTopic,
    "subscriptions": StoredSubscription,
    "chats": StoredChat,
    "messages": StoredMessage,
    "events": Event,
}
"""Field of `AccountCopy` → what its rows are."""


def account_copy(account: str, rows: Mapping[str, Iterable[Sequence[Any]]]) -> AccountCopy:
    """Of rows in the order of their columns. Sorted here, because each engine has its own idea of the order of texts:
    copies of equal accounts are equal."""
    return AccountCopy(account, **{field: _in_order(kind, rows[field]) for field, kind in ROWS.items()})


def _in_order(kind: Callable[..., Any], rows: Iterable[Sequence[Any]]) -> tuple[Any, ...]:
    return tuple(kind(*row) for row in sorted(map(tuple, rows)))


class StorageError(Exception):
    """A storage did not do what it was asked to. Its text may quote a server."""

    def __init__(self, message: str = "") -> None:
        super().__init__(sanitize(message, _LONGEST_MESSAGE))


class StorageUnavailable(StorageError):
    """The storage could not be reached or refused service; nothing happened."""


class StorageConflict(StorageError):
    """The storage gave up after its retries; nothing happened."""


class OutcomeUnknown(StorageError):
    """The change may or may not have been made."""


TransactionSink = Callable[[Transaction], None]


class Storage(Protocol):
    """A storage system behind a pod. `account` is always the authenticated one: rows of another account are as good
    as absent."""

    name: str
    promises: Promises

    async def start(self) -> None:
        """Connects and makes the schema if it is not there."""

    async def stop(self) -> None:
        """Finishes what is under way and disconnects."""

    async def settings(self) -> Mapping[str, str]:
        """Engine, version, durability and isolation as the server itself reports them."""

    async def open_connection(self, call: Call, row: ConnectionRow) -> Done: ...

    async def resume_connection(
        self, call: Call, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        """Takes up a connection last seen at or after `silent_since_ns`, if the token is its own."""

    async def close_connection(self, call: Call, connection: str) -> Done | StorageRefusal:
        """Closes the connection and removes its subscriptions in the same transaction."""

    async def touch_connections(self, connections: Sequence[str], now_ns: int) -> None:
        """Notes that these connections were alive at `now_ns`."""

    async def reap_connections(self, call: Call, silent_since_ns: int, limit: int) -> Sequence[str]:
        """Closes at most `limit` connections that were last seen before `silent_since_ns`; returns their ids."""

    async def subscribe(self, call: Call, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
        """Subscribing twice is harmless; more than `limit` topics are refused (asked for at once, only where no orphans
        are promised: both take a lock)."""

    async def unsubscribe(self, call: Call, connection: str, topic: str) -> Done | StorageRefusal: ...

    async def offer_chat(self, call: Call, connection: str, chat: str, subject: str) -> Done | StorageRefusal: ...

    async def accept_chat(self, call: Call, connection: str, chat: str) -> Accepted | AlreadyAccepted | StorageRefusal:
        """Exactly one agent ever gets `Accepted` for a chat."""

    async def send_message(self, call: Call, connection: str, chat: str, text: str) -> Done | StorageRefusal:
        """Sending one key twice stores one message."""

    async def close_chat(self, call: Call, connection: str, chat: str) -> Done | StorageRefusal: ...

    async def events_after(self, account: str, topic: str, sequence: int, limit: int) -> Sequence[Event]:
        """The topic's events with a higher number, in order: what a resuming client missed."""

    async def statistics(self, silent_since_ns: int) -> Statistics: ...

    async def sweep_orphans(self, call: Call, silent_since_ns: int, limit: int) -> int:
        """Removes at most `limit` subscriptions whose connection is closed, missing, or was last seen before
        `silent_since_ns`; returns how many."""

    async def copy_account(self, account: str) -> AccountCopy:
        """Everything there is of the account, read at one moment."""

    async def replace_account(self, call: Call, copy: AccountCopy) -> None:
        """Replaces the account by `copy` in one transaction."""


@runtime_checkable
class Relockable(Protocol):
    """A storage system whose locking can be changed while it works."""

    async def switch_locking(self, locking: str) -> None:
        """`pessimistic`, `optimistic` or `none`: what begins from now on locks that way; `none` drops the foreign
        keys as well, the others bring them back, for rows to come. Raises StorageError, ValueError for another name."""


@runtime_checkable
class Preparable(Protocol):
    """A storage system that needs tables in its database."""

    async def prepare(self) -> None:
        """Makes the missing tables, as after the database was recreated. Raises StorageError."""
