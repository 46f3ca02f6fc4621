"""A run of half an hour in which 200,000 transactions queued for a few hot rows, to measure the cost of its report."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import LOCK_WAITS_TABLE, OPERATIONS_TABLE, TRANSACTIONS_TABLE, Table
from loadtests.records.vocabulary import KNOWN, OPERATIONS, WAIT_OUTCOMES

NS = 1_000_000_000
LASTS_S = 1800
ROWS = 20
"""Contended rows; each has sessions of its own."""
SESSIONS = 400
BURST = 60
THRESHOLD_NS = 10_000_000
_NAMES = ("chat.accept", "message.send", "subscription.create")
_BATCH = 2_000


@dataclass(frozen=True)
class Served:
    """Transactions in the order in which they locked their row; ns."""

    hot: Any
    session: Any
    operation: Any
    begun: Any
    got: Any
    ended: Any


def serve(transactions: int, random: np.random.Generator) -> Served:
    """Bursts of transactions for each row, which admits one at a time."""
    each = transactions // ROWS
    bursts = np.sort(random.random((ROWS, -(-each // BURST))) * (LASTS_S - 20) * NS, axis=1)
    begun = np.sort(np.repeat(bursts, BURST, axis=1)[:, :each] + random.exponential(2e8, (ROWS, each)), axis=1)
    lasts = random.gamma(2.0, 2e6, (ROWS, each))
    # Lindley: an arrival waits until all earlier ones are done.
    work = np.cumsum(lasts, axis=1)
    ended = work + np.maximum.accumulate(begun - (work - lasts), axis=1)
    hot = np.repeat(np.arange(ROWS), each)
    session = hot * SESSIONS + np.tile(np.arange(each) % SESSIONS, ROWS) + 1000
    codes = np.array([OPERATIONS.index(name) for name in _NAMES])
    times = ((t.ravel()).astype(np.int64) for t in (begun, ended - lasts, ended))
    return Served(hot, session, random.choice(codes, len(hot)), *times)


def write_waiting_study(study: Path, transactions: int, waits: int, documents: dict[str, Any]) -> Path:
    """One run on PostgreSQL with its longest waits. `documents` are its manifest and end."""
    run = RunDirectory(study / "01-postgres-pessimistic")
    run.path.mkdir(parents=True)
    random = np.random.default_rng(7)
    served = serve(transactions, random)
    for name, document in documents.items():
        run.write(name, document)
    n, order = len(served.hot), np.argsort(served.begun, kind="stable")
    key = np.arange(1, n + 1)
    _write(run, OPERATIONS_TABLE, "0", _operations(served, key), order, pod=["pod-1"])
    _write(run, TRANSACTIONS_TABLE, "pod-1", _transactions(served, key), order)
    waited = served.got - served.begun
    longest = np.sort(np.argsort(-waited, kind="stable")[:waits])
    _write(run, LOCK_WAITS_TABLE, None, _waits(served, longest), np.argsort(served.got[longest], kind="stable"))
    _write_rest(run)
    return study


def _operations(served: Served, key: Any) -> dict[str, Any]:
    lag = 300_000
    return {
        "seq": key, "key": key, "operation": served.operation, "planned_ns": served.begun - lag,
        "started_ns": served.begun - lag, "ended_ns": served.ended + lag,
    }  # fmt: skip


def _transactions(served: Served, key: Any) -> dict[str, Any]:
    return {
        "session": served.session, "operation": served.operation, "key": key, "begun_ns": served.begun,
        "ended_ns": served.ended, "database": "postgres", "received_ns": served.begun - 200_000,
        "asked_ns": served.begun - 100_000,
    }  # fmt: skip


def _waits(served: Served, which: Any) -> dict[str, Any]:
    """The previous transaction in the queue is the blocker in the log; the holder at the beginning of the wait is
    the root."""
    names = np.array(OPERATIONS, dtype=object)
    line = served.hot * np.int64(4 * LASTS_S * NS)
    root = np.searchsorted(line + served.ended, (line + served.begun)[which], side="right")
    root, before = np.minimum(root, which - 1), which - 1
    long = (served.got - served.begun)[which] >= THRESHOLD_NS
    # Every third wait begins at an old position of the row.
    place = [f"accounts (0,{hot + 1 + 100 * (n % 3 == 0)})" for hot, n in zip(served.hot[which], which, strict=True)]
    return {
        "wait": np.arange(len(which)), "started_ns": served.begun[which], "ended_ns": served.got[which],
        "known": np.where(long, KNOWN.index("event"), KNOWN.index("sampled")), "engine": "postgres",
        "database": "postgres", "pod": "pod-1", "waiter_session": served.session[which],
        "waiter_operation": names[served.operation[which]], "blocker_session": served.session[before],
        "blocker_operation": names[served.operation[before]], "root_session": served.session[root],
        "root_operation": names[served.operation[root]], "depth": np.where(root == before, 1, 2),
        "object": "row of accounts", "mode": "ExclusiveLock",
        "statement": "SELECT connections, subscriptions, queue_depth FROM accounts WHERE account = $1 FOR UPDATE",
        "hits": pa.array(np.ones(len(which)), mask=long), "lock": np.array(place, dtype=object),
        "outcome": np.where(long, WAIT_OUTCOMES.index("acquired"), 0),
    }  # fmt: skip


def _write(
    run: RunDirectory, table: Table, writer: str | None, columns: dict[str, Any], order: Any, **codes: Any
) -> None:
    schema, n = table.schema(codes), len(order)
    arrays = []
    for field in schema:
        given = columns.get(field.name)
        if given is None:
            given = pa.nulls(n, field.type) if field.nullable else np.zeros(n)
        elif isinstance(given, str):
            given = np.full(n, given, dtype=object)
        arrays.append(pa.array(given).take(pa.array(order)).cast(field.type))
    whole = pa.RecordBatch.from_arrays(arrays, schema=schema)
    with run.create_table(table.name, *([writer] if writer else []), **codes) as stream:
        for start in range(0, n, _BATCH):
            stream.write_batch(whole.slice(start, _BATCH))


def _write_rest(run: RunDirectory) -> None:
    period = 50_000_000
    with run.create_table("ticks") as table:
        table.write([("postgres", t, t, t + 10, 1, None, period) for t in range(0, LASTS_S * NS, period)])
    detail = json.dumps({"agents": 60, "arrivals_per_s": 30, "judge": True})
    with run.create_table("timeline") as table:
        table.write([(0, LASTS_S * NS, "stage", "steady", "ok", detail)])
