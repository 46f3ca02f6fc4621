"""Large studies to measure the report with: operations in any number on three simulated storages, and lock waits."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks._waiting_study import LASTS_S, write_waiting_study
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import OPERATIONS_TABLE, TRANSACTIONS_TABLE
from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES

NS = 1_000_000_000
STAGES = (
    ("warm-up", 0.0, 5.0, False),
    ("ramp", 5.0, 4.0, False),
    ("steady", 9.0, 15.0, True),
    ("storm", 24.0, 5.0, False),
)
BATCH = 2_000
MIX = {
    "connection.create": 0.04, "subscription.create": 0.08, "subscription.delete": 0.02, "chat.offer": 0.04,
    "chat.accept": 0.09, "message.send": 0.2, "chat.close": 0.04, "connection.close": 0.03, "event.deliver": 0.42,
    "chat.answer": 0.04,
}  # fmt: skip


@dataclass(frozen=True)
class Storage:
    """A simulated storage: typical latency, its spread, and the share of accepts that queue for a lock."""

    name: str
    median_ms: float
    sigma: float
    queueing: float
    queue_ms: float


STORAGES = (
    Storage("sqlite", 9, 0.7, 0.5, 160),
    Storage("postgres:pessimistic", 4, 0.6, 0.25, 60),
    Storage("postgres:optimistic", 4, 0.5, 0.02, 15),
)


def write_operations_study(study: Path, rows: int, storages: tuple[Storage, ...] = STORAGES, rounds: int = 2) -> Path:
    """Rounds of each storage, interleaved A B B A, sharing `rows` operations between them."""
    order = [s for r in range(rounds) for s in (storages if r % 2 == 0 else storages[::-1])]
    for number, storage in enumerate(order, 1):
        slug = storage.name.replace(":", "-")
        run = RunDirectory(study / f"{number:02}-{slug}")
        run.path.mkdir(parents=True)
        _write_run(run, storage, (number - 1) // len(storages) + 1, rows // len(order))
    return study


def _write_run(run: RunDirectory, storage: Storage, round_: int, rows: int) -> None:
    random = np.random.default_rng(zlib.crc32(f"{storage.name} {round_}".encode()))
    run.write("manifest", _manifest(run, storage, round_))
    written = {f"operations-{worker}": _write_operations(run, storage, worker, rows // 2, random) for worker in (0, 1)}
    _write_small_tables(run, storage, random)
    if storage.name == "sqlite":
        _write_transactions(run, rows // 3, random)
    checks = [{"check": "orphans", "verdict": "pass", "count": 0, "evidence": [], "reason": ""}]
    run.write("ledger", {"format": 1, "checks": checks})
    run.write("end", _end(written))


def _write_operations(run: RunDirectory, storage: Storage, worker: int, rows: int, random: np.random.Generator) -> int:
    with run.create_table("operations", str(worker), pod=["pod-1"]) as table:
        for first in range(0, rows, 1 << 20):
            count = min(1 << 20, rows - first)
            chunk = _chunk(storage, worker, (first, count, rows), random)
            whole = pa.RecordBatch.from_arrays(chunk, schema=OPERATIONS_TABLE.schema({"pod": ["pod-1"]}))
            for start in range(0, count, BATCH):
                table.write_batch(whole.slice(start, BATCH))
    return rows


def _chunk(storage: Storage, worker: int, part: tuple[int, int, int], random: np.random.Generator) -> list[pa.Array]:
    first, n, rows = part
    operation = random.choice(len(MIX), n, p=[MIX[name] / sum(MIX.values()) for name in OPERATIONS]).astype(np.uint8)
    planned = ((first + np.arange(n)) / rows * 29 * NS).astype(np.int64)
    service = _service(storage, operation, planned, random)
    lag = np.where(random.random(n) < 0.05, random.exponential(2e6, n), 5e4).astype(np.int64)
    deliver = operation == OPERATIONS.index("event.deliver")
    stranger = deliver & (random.random(n) < 0.4)
    outcome, error = _outcomes(operation, random)
    ended = planned + lag + np.where(outcome == OUTCOMES.index("unknown"), 5 * NS, service)
    key = ((worker + 1) << 32) + first + np.arange(n, dtype=np.uint64)
    key = np.where(stranger, ((2 - worker) << 32) + first + np.maximum(np.arange(n) - random.integers(0, 9, n), 0), key)
    return [
        pa.array(first + np.arange(n), pa.uint64()), pa.array(np.zeros(n, np.uint8)), pa.array(np.zeros(n, np.int32)),
        pa.array((np.arange(n) % 60).astype(np.int32)), pa.array((np.arange(n) % 600).astype(np.int32)),
        pa.array(operation), pa.array(key, pa.uint64()), pa.array(key, pa.uint64()), pa.array(outcome),
        pa.array(planned, mask=stranger), pa.array(planned + lag, mask=stranger), pa.array(ended),
        pa.array(ended - service // 3, mask=~deliver), pa.array(error), pa.array(np.zeros(n, np.uint8)),
        pa.nulls(n, pa.int64()),
    ]  # fmt: skip


def _service(storage: Storage, operation: Any, planned: Any, random: np.random.Generator) -> Any:
    n = len(operation)
    writes = np.isin(
        operation, [OPERATIONS.index(o) for o in ("chat.accept", "chat.offer", "message.send", "subscription.create")]
    )
    queued = writes & (random.random(n) < storage.queueing * np.where(planned > 20 * NS, 1.6, 1.0))
    queue = random.gamma(2.0, storage.queue_ms * np.where(planned > 24 * NS, 3, 1) / 2) * 1e6
    service = random.lognormal(np.log(storage.median_ms * 1e6), storage.sigma, n) + queued * queue
    return np.minimum(service, 4.9 * NS).astype(np.int64)


def _outcomes(operation: Any, random: np.random.Generator) -> tuple[Any, Any]:
    chance = random.random(len(operation))
    outcome = np.zeros(len(operation), np.uint8)
    error = np.zeros(len(operation), np.uint8)
    for where, kind, code in (
        ((operation == OPERATIONS.index("chat.accept")) & (chance < 0.3), "refused", "already_accepted"),
        (chance > 0.9995, "fail", "storage_conflict"),
        (chance > 0.9999, "unknown", "timeout"),
    ):
        mask = where & (operation < OPERATIONS.index("event.deliver"))
        outcome[mask], error[mask] = OUTCOMES.index(kind), ERRORS.index(code)
    return outcome, error


def _write_transactions(run: RunDirectory, n: int, random: np.random.Generator) -> None:
    begun = np.sort((random.random(n) * 29 * NS).astype(np.int64))
    ended = np.append(begun[1:], 30 * NS) - 20_000
    waiting = begun - np.where(random.random(n) < 0.5, random.exponential(1.2e8, n), 2e4).astype(np.int64)
    codes = random.choice(
        [OPERATIONS.index(o) for o in ("chat.accept", "message.send", "subscription.create")], n, p=[0.3, 0.5, 0.2]
    )
    schema = TRANSACTIONS_TABLE.schema()
    key = (1 << 32) + np.sort(random.integers(0, n * 3 // 2, n))
    numbers = [np.ones(n), codes, key, waiting, begun, ended, np.zeros(n)]
    columns = [pa.array(c.astype(np.int64)).cast(f.type) for c, f in zip(numbers, schema, strict=False)]
    columns += [pa.array(["sqlite"] * n), pa.array(waiting - 60_000), pa.array(waiting - 10_000)]
    whole = pa.RecordBatch.from_arrays(columns, schema=schema)
    with run.create_table("transactions", "pod-1") as table:
        for start in range(0, n, BATCH):
            table.write_batch(whole.slice(start, BATCH))


def _write_small_tables(run: RunDirectory, storage: Storage, random: np.random.Generator) -> None:
    seconds = np.arange(0, 29, 0.1)
    period = 20_000_000
    pairs = [
        ("chat.accept", "chat.accept"),
        ("chat.accept", "subscription.create"),
        ("message.send", "chat.accept"),
        ("subscription.create", "connection.create"),
    ]
    waits = []
    if storage.name != "sqlite":
        for number in range(int(3000 * storage.queueing)):
            waiter, blocker = pairs[min(int(random.exponential(1.0)), 3)]
            start, hits = int(random.random() * 28.9 * NS), 1 + int(random.exponential(2))
            times = {"wait": number, "started_ns": start, "ended_ns": start + hits * period, "known": 3, "hits": hits}
            who = {"waiter_session": 10, "waiter_operation": waiter, "root_operation": blocker, "depth": 1}
            waits.append({**times, **who, "engine": "postgres", "database": "postgres", "pod": "pod-1"})
    with run.create_table("lock_waits") as table:
        table.write([[wait.get(name) for name in table.schema.names] for wait in waits])
    with run.create_table("ticks") as table:
        table.write(
            [
                (
                    storage.name.partition(":")[0],
                    int(t * period),
                    int(t * period),
                    int(t * period) + 10,
                    1,
                    None,
                    int(period),
                )
                for t in range(1450)
            ]
        )
    roles = {"pod": 0.45, "generator": 0.6, "observer": 0.03} | ({} if storage.name == "sqlite" else {"database": 0.8})
    with run.create_table("resources") as table:
        for role, cores in roles.items():
            use = np.cumsum(
                random.normal(cores, cores / 8, len(seconds)).clip(0) * np.where(seconds > 24, 1.5, 1) * 1e8
            )
            table.write(
                [
                    (int(t * NS), role, f"{role}-1", int(u), int((60 + 200 * cores + t) * 1e6))
                    for t, u in zip(seconds, use, strict=True)
                ]
            )
    with run.create_table("timeline") as table:
        table.write(
            [
                (
                    int(a * NS),
                    int((a + d) * NS),
                    "stage",
                    name,
                    "ok",
                    json.dumps({"agents": 60, "arrivals_per_s": 30, "judge": judge}),
                )
                for name, a, d, judge in STAGES
            ]
        )


def _manifest(run: RunDirectory, storage: Storage, round_: int) -> dict[str, Any]:
    stages = [(n, a, d, {"agents": 60, "arrivals_per_s": 30.0, "judge": j}) for n, a, d, j in STAGES]
    host = {"name": "host", "kernel": "6.1", "cpu": "cpu", "cores": 2, "memory_bytes": 8 << 30, "python": "3.11.0"}
    return {
        "started_at": "2026-01-01T00:00:00Z", "host": host,
        "format": 1, "study": run.path.parent.name, "run": run.name, "round": round_,
        "storage": storage.name, "scenario": {"name": "agent-workday", "sha256": "0" * 64}, "seed": 7,
        "harness": {"version": "0.1.0", "commit": None}, "origin_ns": 0, "clock": {"monotonic_ns": 0, "realtime_ns": 0},
        "target": {"owned": True, "pods": [{"name": "pod-1", "url": "ws://127.0.0.1:1", "accounts": ["account-0001"]}]},
        "engine": {"name": storage.name.partition(":")[0], "version": "18.0", "settings": {"fsync": "on"},
                   "promises": {"durable": True, "no_orphans": True, "commit_survives": "power_loss"}},
        "packages": {"locust": "2.46.3"}, "generator": {"processes": 2, "workers": []}, "database_offset": None,
        "stages": [{"name": n, "starts_s": a, "duration_s": d, **more} for n, a, d, more in stages],
    }  # fmt: skip


def _end(rows: dict[str, int]) -> dict[str, Any]:
    written = sum(rows.values())
    return {
        "format": 1, "reason": "completed", "detail": "", "ended_ns": 29 * NS, "rows": rows,
        "operations": {"begun": written, "written": written, "in_flight": 0, "lost": 0, "lost_at_most": 0},
        "late_starts": {"count": 0, "of": 900}, "observer": {"blind_s": 0.0, "reason": ""},
        "generator": {"saturated": False, "workers": [{"worker": "0", "cpu_share": 0.4, "late_starts": 0}]},
    }  # fmt: skip


def write_half_hour(study: Path, transactions: int, waits: int) -> Path:
    """One run of half an hour in which transactions queue for a few rows, with its longest waits."""
    storage = STORAGES[1]
    manifest = _manifest(RunDirectory(study / "01-postgres-pessimistic"), storage, 1)
    end = {**_end({"operations-0": transactions}), "ended_ns": LASTS_S * NS}
    return write_waiting_study(study, transactions, waits, {"manifest": manifest, "end": end})
