"""The tables of a run directory: names, columns, units and meanings (format 1).

`docs/run-directory.md` is checked against this module by a test.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from loadtests.records.files import UnreadableError
from loadtests.records.strictjson import parse_json
from loadtests.records.vocabulary import (
    ERRORS,
    KNOWN,
    OPERATIONS,
    OUTCOMES,
    TOPICS,
    TRANSACTION_OPERATIONS,
    TRANSACTION_OUTCOMES,
    WAIT_OUTCOMES,
)

FORMAT = 1

_CODES = b"codes"


@dataclass(frozen=True)
class Column:
    """One column. `codes` names the values of a small-integer column; an empty tuple means that the writer
    supplies the names when it opens the table (the pods of this run, say)."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False
    codes: tuple[str, ...] | None = None
    later: bool = False
    """Whether tables of older versions lack it."""
    most_names: int | None = None
    """The most different values that a file may have of a text by which readers group rows."""


@dataclass(frozen=True)
class Table:
    """One kind of table. `per_writer` tables have one file for each writer: `operations-0.arrows`."""

    name: str
    columns: tuple[Column, ...]
    per_writer: bool = False
    most_rows: int = 200_000_000
    """More are not read: some tables are kept in memory whole, as Python's objects."""
    later: bool = False
    """Whether runs of version 0.3.0 lack it."""

    def schema(self, codes: Mapping[str, Sequence[str]] | None = None) -> pa.Schema:
        """The Arrow schema, with the names behind every code column in its metadata.

        `codes` gives the names of the columns that leave them to the writer; raises KeyError when one is missing.
        """
        named = {c.name: list(c.codes or (codes or {})[c.name]) for c in self.columns if c.codes is not None}
        fields = [pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns]
        return pa.schema(fields, metadata={_CODES: json.dumps(named).encode(), b"format": str(FORMAT).encode()})


def codes_of(schema: pa.Schema) -> dict[str, list[str]]:
    """Column name → names by code, as written in a table's own schema."""
    return {name: list(names) for name, names in _codes(bytes((schema.metadata or {}).get(_CODES, b"{}"))).items()}


@lru_cache(64)
def _codes(text: bytes) -> Mapping[str, Sequence[str]]:
    named = parse_json(text, "the names of codes")
    lists = named.values() if isinstance(named, dict) else [None]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
        raise UnreadableError("the names of codes are no lists of texts by column")
    return dict(named)


def _time(name: str, meaning: str, nullable: bool = False, later: bool = False) -> Column:
    return Column(name, pa.int64(), f"{meaning} (ns since the run's origin)", nullable, later=later)


def _text(name: str, meaning: str, nullable: bool = False, later: bool = False, names: int | None = None) -> Column:
    return Column(name, pa.string(), meaning, nullable, later=later, most_names=names)


OPERATIONS_TABLE = Table(
    "operations",
    (
        Column("seq", pa.uint64(), "the operation's number in this worker, in the order begun, from 0"),
        Column("pod", pa.uint8(), "the pod that it was sent to", codes=()),
        Column("account", pa.int32(), "account number, from 0"),
        Column("user", pa.int32(), "the Locust user's number in this worker"),
        Column("connection", pa.int32(), "the connection's number in this worker"),
        Column("operation", pa.uint8(), "what was done", codes=OPERATIONS),
        Column("key", pa.uint64(), "client-made id that the server echoes; for a push, the key of its cause"),
        Column("chat", pa.uint64(), "the chat that it is about, which is the key of the chat's offer", nullable=True),
        Column("outcome", pa.uint8(), "how it went", codes=OUTCOMES),
        _time("planned_ns", "when it should have begun; null in a push whose cause this worker does not know", True),
        _time("started_ns", "when it began; null as above", True),
        _time(
            "ended_ns",
            "when its reply or push came to this host (the kernel's stamp); without one, when it was given up",
        ),
        _time("published_ns", "the server's own stamp of a push, on the origin's clock", True),
        Column("error", pa.uint8(), "why it was not ok", codes=ERRORS),
        Column("topic", pa.uint8(), "what was subscribed to, or where a push came from", codes=TOPICS, later=True),
        Column(
            "sequence",
            pa.int64(),
            "a push's number in its topic; a subscription's: the topic's last one when it began",
            nullable=True,
            later=True,
        ),
    ),
    per_writer=True,
)

TRANSACTIONS_TABLE = Table(
    "transactions",
    (
        Column("session", pa.int64(), "the database session: backend pid, or the pod's own connection number"),
        Column("operation", pa.uint8(), "the operation that it served", codes=TRANSACTION_OPERATIONS),
        Column("key", pa.uint64(), "that operation's key", nullable=True),
        _time("waiting_ns", "when it asked for the write lock; null where the pod cannot time it", True),
        _time("begun_ns", "when the transaction began, the write lock in hand where there is one"),
        _time("ended_ns", "when commit or rollback had returned"),
        Column("outcome", pa.uint8(), "how it ended", codes=TRANSACTION_OUTCOMES),
        _text("database", "the name in the run of the database that the session is one of", later=True, names=100),
        _time("received_ns", "when the pod took up the request that it served", True, True),
        _time("asked_ns", "when the pod asked its pool for the session; null where it does not say", True, True),
    ),
    per_writer=True,
)

LOCK_WAITS_TABLE = Table(
    "lock_waits",
    (
        Column("wait", pa.uint64(), "the wait's number in this table"),
        _time("started_ns", "when the wait began"),
        _time("ended_ns", "when it was last known to last; null while the run ended first", True),
        Column("known", pa.uint8(), "how it is known", codes=KNOWN),
        _text("engine", "postgres, mariadb, redis", names=100),
        _text("database", "which database: its name in the run", later=True, names=100),
        _text("pod", "the pod that the waiter serves", True),
        Column("waiter_session", pa.int64(), "the session that waited"),
        _text("waiter_operation", "what it was doing; null when unknown", True),
        Column(
            "blocker_session",
            pa.int64(),
            "a session that held what it waited for; 0: a prepared transaction, which has none",
            nullable=True,
        ),
        _text("blocker_operation", "what that one was doing", True),
        Column("root_session", pa.int64(), "the head of the chain, which did not wait", nullable=True),
        _text("root_operation", "what that one was doing", True),
        Column("depth", pa.int32(), "sessions between waiter and root, the root included"),
        _text("object", "what was waited for: a relation, a row of one, a transaction, an advisory key", True),
        _text("mode", "the lock mode asked for", True),
        _text("statement", "fingerprint of the waiter's statement, without values", True),
        Column("hits", pa.int32(), "ticks that saw it; null unless sampled", nullable=True),
        _text(
            "lock",
            "what distinguishes the lock from others of its database: a row's place, a key; null when unknown",
            True,
            True,
        ),
        Column("outcome", pa.uint8(), "how it ended", codes=WAIT_OUTCOMES, later=True),
    ),
)

COUNTERS_TABLE = Table(
    "counters",
    (
        _time("t_ns", "the tick"),
        _text("engine", "postgres, mariadb, redis", names=100),
        _text("database", "which database: its name in the run", later=True, names=100),
        _text("counter", "what the server counts, its unit at the end of the name: lock_wait_ms, deadlocks"),
        Column("value", pa.int64(), "the server's own total so far; falls when it was reset or started anew"),
    ),
)

SESSIONS_TABLE = Table(
    "sessions",
    (
        _time("t_ns", "the tick"),
        _text("engine", "postgres, mariadb, redis", names=100),
        _text("database", "which database: its name in the run", later=True, names=100),
        _text("wait_class", "running, lock, io, client, idle in transaction, other"),
        _text("operation", "what the sessions were doing; null when unknown", True),
        Column("sessions", pa.int32(), "how many"),
    ),
)

RESOURCES_TABLE = Table(
    "resources",
    (
        _time("t_ns", "the tick"),
        _text("role", "pod, database, generator, observer", names=100),
        _text("name", "which one of them", names=1_000),
        Column("cpu_ns", pa.int64(), "processor time used so far, of processes that have ended too (ns)"),
        Column("rss_bytes", pa.int64(), "resident memory now (bytes)"),
    ),
)

HOST_TABLE = Table(
    "host",
    (
        _time("t_ns", "the tick"),
        _text("counter", "what is counted, its unit at the end of the name: busy_ns"),
        Column("value", pa.int64(), "the total so far"),
    ),
    most_rows=4_000_000,
    later=True,
)

TICKS_TABLE = Table(
    "ticks",
    (
        _text("probe", "which probe", names=1_000),
        _time("planned_ns", "when the tick was due"),
        _time("started_ns", "when it began"),
        _time("ended_ns", "when it was done"),
        Column("rows", pa.int32(), "rows that it brought"),
        _text("error", "why the sample failed; null when it succeeded", True),
        Column("period_ns", pa.int64(), "planned time between two samples of this probe (ns)", later=True),
    ),
    most_rows=4_000_000,
)

TIMELINE_TABLE = Table(
    "timeline",
    (
        _time("started_ns", "when it began"),
        _time("ended_ns", "when it was over; null while it still lasted at the run's end", True),
        _text("kind", "stage, action, fault"),
        _text("subject", "the stage's name, or what was acted on"),
        _text("result", "ok, failed, or the fault's short code"),
        _text("detail", "JSON: a stage's agents, arrivals_per_s and judge; an action's words, error, waited_s"),
    ),
    most_rows=10_000,
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        OPERATIONS_TABLE,
        TRANSACTIONS_TABLE,
        LOCK_WAITS_TABLE,
        SESSIONS_TABLE,
        COUNTERS_TABLE,
        RESOURCES_TABLE,
        HOST_TABLE,
        TICKS_TABLE,
        TIMELINE_TABLE,
    )
}
