"""The closed vocabularies that rows are written in.

A row holds a small integer; the names behind it travel in the table's schema metadata, so that a table can be
read without this module. Names are only ever appended: the position of a name is its code.
"""

from typing import NamedTuple


class Operation(NamedTuple):
    """One kind of row. A request waits for a reply, hence can time out; a push comes by itself."""

    name: str
    publishes: bool = False
    """Whether the server pushes events to subscribers because of it."""
    push: bool = False


OPERATION_TABLE: tuple[Operation, ...] = (
    Operation("connection.create"),
    Operation("subscription.create"),
    Operation("subscription.delete"),
    Operation("chat.offer", publishes=True),
    Operation("chat.accept", publishes=True),
    Operation("message.send", publishes=True),
    Operation("chat.close", publishes=True),
    Operation("connection.close"),
    Operation("event.deliver", push=True),
    Operation("chat.answer", push=True),
)
"""What the load does. `event.deliver` is any event that was received, `chat.answer` the time from a customer's offer
to the push that names the agent who accepted it. Which requests a protocol sends without a reply is its `Spec`'s to
say."""

OPERATIONS: tuple[str, ...] = tuple(operation.name for operation in OPERATION_TABLE)
PUSHES: frozenset[str] = frozenset(operation.name for operation in OPERATION_TABLE if operation.push)
PUBLISHING: frozenset[str] = frozenset(operation.name for operation in OPERATION_TABLE if operation.publishes)
TIMED_OPERATIONS: tuple[str, ...] = tuple(name for name in OPERATIONS if name not in PUSHES)
"""The operations that wait for a reply, hence can time out."""

OUTCOMES: tuple[str, ...] = ("ok", "refused", "fail", "unknown")
"""`refused` is a correct, definite no; `unknown` may or may not have happened (timed out, cut off)."""

ERRORS: tuple[str, ...] = (
    "",
    # refused: a correct no
    "already_accepted",
    "chat_closed",
    "not_subscribed",
    "draining",
    # fail: a definite error
    "dns",
    "connect_refused",
    "handshake_rejected",
    "unauthorized",
    "forbidden",
    "no_such_chat",
    "no_such_connection",
    "too_many_subscriptions",
    "message_too_big",
    "bad_request",
    "bad_reply",
    "storage_unavailable",
    "storage_conflict",
    "internal",
    # unknown: it may have happened
    "timeout",
    "cut_off",
    "run_ended",
    # fail or unknown: this host had run out of something, and the pod is not to blame
    "local_ports",
    "local_descriptors",
    "local_memory",
    "local_threads",
)
"""Why an operation was not `ok`; the empty name is the code of one that was."""

LOCAL_ERRORS: frozenset[str] = frozenset({"local_ports", "local_descriptors", "local_memory", "local_threads"})
"""Errors of the load generator's host: no free port, descriptor, memory or thread. `fail` when nothing was sent,
else `unknown`."""

LATER_NAMES: frozenset[str] = LOCAL_ERRORS | {"busy_snapshot"}
"""Names that runs of version 0.3.0 lack. All other names are in each vocabulary of each run."""

TOPICS: tuple[str, ...] = ("", "queue", "chat", "other")
"""Which topic of its account a subscription or a push is about: the queue, that of the row's chat, or one on which
nothing is ever published. The empty name is that of other operations."""

TRANSACTION_OPERATIONS: tuple[str, ...] = (*OPERATIONS, "maintenance")
"""What a pod's transactions serve: its clients' operations, and its own upkeep."""

TRANSACTION_OUTCOMES: tuple[str, ...] = (
    "committed",
    "rolled_back",
    "conflict",
    "lock_timeout",
    "deadlock",
    "unknown",
    "busy_snapshot",
)
"""`conflict`: an optimistic transaction that was overtaken. `busy_snapshot`: SQLite's, of one that may not write
because another has changed since what it read; it did not wait for a lock."""

WAIT_OUTCOMES: tuple[str, ...] = ("unknown", "acquired", "timed_out", "deadlock", "cancelled")
"""How a wait for a lock ended. `unknown`: seen no more, or not over when the run was."""

KNOWN: tuple[str, ...] = ("event", "pod", "counter", "sampled")
"""How a wait is known: logged by the server above a stated threshold, timed by the pod where it happened, a
server's counter, or seen by sampling."""
