"""Small real run directories for tests of those who read them, made by the writers of the records room.

`write_run(study, "01-sqlite", operations=[Op("chat.accept", planned_s=6, response_s=0.02), …])`: every argument has a
healthy default, so that a test names only what it is about. Rows of other tables are given in column order.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import TableWriter
from loadtests.records.tables import FORMAT, TABLES
from loadtests.records.vocabulary import ERRORS, KNOWN, OPERATIONS, OUTCOMES, TOPICS

NS = 1_000_000_000

SCENARIO = """\
name: tiny
seed: 7
accounts: 1
storages: [sqlite]
agent: {subscriptions: 1, think: {median: 100ms, sigma: 0.5}, chats_at_once: 3, session: 20s}
customer: {arrivals: poisson, patience: 5s, messages: {min: 1, max: 2}, pause: {median: 100ms, sigma: 0.5}}
stages:
  - {name: warm-up, duration: 5s, agents: 2, arrivals_per_s: 5}
  - {name: steady, duration: 10s, agents: 2, arrivals_per_s: 5, judge: true}
  - {name: cool-down, duration: 1s, agents: 2, arrivals_per_s: 5}
"""

STAGES: tuple[dict[str, Any], ...] = (
    {"name": "warm-up", "starts_s": 0.0, "duration_s": 5.0, "agents": 2, "arrivals_per_s": 5.0, "judge": False},
    {"name": "steady", "starts_s": 5.0, "duration_s": 10.0, "agents": 2, "arrivals_per_s": 5.0, "judge": True},
    {"name": "cool-down", "starts_s": 15.0, "duration_s": 1.0, "agents": 2, "arrivals_per_s": 5.0, "judge": False},
)

PROMISES = {"durable": True, "no_orphans": True, "commit_survives": "power_loss"}

HEALTHY: Any = object()
"""Stands for the healthy document; None stands for one that was never written."""


@dataclass(frozen=True)
class Op:
    """One row of `operations`. Times are seconds since the origin; `planned_s=None` is a push of unknown cause."""

    operation: str
    planned_s: float | None = 6.0
    response_s: float = 0.01
    outcome: str = "ok"
    error: str = ""
    lag_s: float = 0.0
    account: int = 0
    user: int = 0
    connection: int = 0
    key: int | None = None
    chat: int | None = None
    published_s: float | None = None
    ended_s: float | None = None
    pod: int = 0
    topic: str = ""
    sequence: int | None = None

    def row(self, seq: int) -> tuple[Any, ...]:
        planned = None if self.planned_s is None else _ns(self.planned_s)
        started = None if self.planned_s is None else _ns(self.planned_s + self.lag_s)
        ended = _ns(self.ended_s if self.ended_s is not None else (self.planned_s or 0.0) + self.response_s)
        published = None if self.published_s is None else _ns(self.published_s)
        codes = OPERATIONS.index(self.operation), OUTCOMES.index(self.outcome), ERRORS.index(self.error)
        key = seq + 1 if self.key is None else self.key
        return (
            *(seq, self.pod, self.account, self.user, self.connection, codes[0], key, self.chat),
            *(codes[1], planned, started, ended, published, codes[2], TOPICS.index(self.topic), self.sequence),
        )


def write_run(
    study: Path,
    name: str = "01-sqlite",
    *,
    operations: Iterable[Op] | None = (),
    workers: int = 1,
    pods: Sequence[str] = ("pod-1",),
    scenario: str = SCENARIO,
    manifest: Mapping[str, Any] = {},
    end: Any = HEALTHY,
    ledger: Any = HEALTHY,
    timeline: Sequence[Sequence[Any]] | None = HEALTHY,
    tables: Mapping[str, Sequence[Sequence[Any] | Mapping[str, Any]]] = {},
    transactions: Sequence[Sequence[Any] | Mapping[str, Any]] | None = None,
) -> RunDirectory:
    """Writes a run into `study` and returns it.

    `manifest` and `end` (a mapping) replace top-level keys of the healthy documents; None leaves `end`, `ledger` or
    `timeline` out. `operations` are dealt to the workers in turn; None writes no file of them. `pods` are those that
    `Op.pod` counts. `tables` holds rows of `lock_waits`, `sessions`, `resources`, `ticks` (healthy ones by default), in
    column order or by column; `transactions` the pod's rows, likewise.
    """
    run = RunDirectory(study / name)
    run.path.mkdir(parents=True)
    (run.path / "scenario.yaml").write_text(scenario, encoding="utf-8")
    healthy = healthy_manifest(study, name, scenario)
    healthy["target"]["pods"] = [_pod(place, pod) for place, pod in enumerate(pods, 1)]
    run.write("manifest", {**healthy, **manifest})
    rows = _write_operations(run, operations, workers, pods)
    tables = {"ticks": healthy_ticks(), **tables}
    if timeline is not None:
        tables = {"timeline": healthy_timeline() if timeline is HEALTHY else timeline, **tables}
    for table, content in tables.items():
        rows[table] = _write_table(run, table, content)
    if transactions is not None:
        with run.create_table("transactions", "pod-1") as writer:
            names = writer.schema.names
            writer.write([[t.get(n) for n in names] if isinstance(t, Mapping) else t for t in transactions])
            rows["transactions-pod-1"] = writer.rows
    if end is not None:
        run.write("end", {**healthy_end(rows), **({} if end is HEALTHY else end)})
    if ledger is not None:
        run.write("ledger", healthy_ledger() if ledger is HEALTHY else ledger)
    return run


def healthy_manifest(study: Path, name: str, scenario: str = SCENARIO) -> dict[str, Any]:
    number, _, storage = name.partition("-")
    engine, _, choice = storage.partition("-")
    return {
        "format": FORMAT,
        "study": study.name,
        "run": name,
        "round": 1,
        "started_at": f"2026-01-01T00:{number}:00Z",
        "storage": f"{engine}:{choice}" if choice else engine,
        "scenario": {"name": "tiny", "sha256": hashlib.sha256(scenario.encode()).hexdigest()},
        "seed": 7,
        "harness": {"version": "0.1.0", "commit": None},
        "origin_ns": 1_000 * NS,
        "clock": {"monotonic_ns": 1_000 * NS, "realtime_ns": 1_767_225_600 * NS},
        "target": {"owned": True, "pods": [_pod(1, "pod-1")]},
        "engine": {"name": engine, "version": "1", "settings": {"synchronous": "full"}, "promises": dict(PROMISES)},
        "host": {
            "name": "host",
            "kernel": "6.1",
            "cpu": "cpu",
            "cores": 2,
            "memory_bytes": 8 << 30,
            "python": "3.11.0",
        },
        "packages": {"locust": "2.46.3"},
        "generator": {"processes": 1, "workers": []},
        "database_offsets": {},
        "lock_sources": {},
        "stages": [dict(stage) for stage in STAGES],
    }


def _pod(place: int, name: str) -> dict[str, Any]:
    return {"name": name, "url": f"ws://127.0.0.1:{place}", "accounts": [f"account-{place:04}"]}


def healthy_end(rows: Mapping[str, int]) -> dict[str, Any]:
    written = sum(n for name, n in rows.items() if name.startswith("operations-"))
    return {
        "format": FORMAT,
        "reason": "completed",
        "detail": "",
        "ended_ns": 16 * NS,
        "rows": dict(rows),
        "operations": {"begun": written, "written": written, "in_flight": 0, "lost": 0, "lost_at_most": 0},
        "late_starts": {"count": 0, "of": 80},
        "generator": {"saturated": False, "workers": [{"worker": "0", "cpu_share": 0.2, "late_starts": 0}]},
        "observer": {"blind_s": 0.0, "reason": ""},
    }


def healthy_ledger() -> dict[str, Any]:
    return {"format": FORMAT, "checks": [ledger_check("orphans"), ledger_check("doubles"), ledger_check("lost")]}


def ledger_check(
    check: str, verdict: str = "pass", count: int | None = 0, reason: str = "", known: str = "read"
) -> dict[str, Any]:
    evidence = [f"{n:016x}" for n in range(1, 1 + min(count or 0, 10))]
    document = {"check": check, "verdict": verdict, "count": count, "evidence": evidence, "reason": reason}
    return {**document, "known": known}


def healthy_timeline(stages: Iterable[Mapping[str, Any]] = STAGES) -> list[tuple[Any, ...]]:
    return [
        (
            _ns(stage["starts_s"]),
            _ns(stage["starts_s"] + stage["duration_s"]),
            *("stage", stage["name"], "ok"),
            json.dumps({k: stage[k] for k in ("agents", "arrivals_per_s", "judge")}),
        )
        for stage in stages
    ]


def action(
    at_s: float,
    words: str,
    *,
    lasts_s: float | None = 0.0,
    subject: str = "",
    result: str = "ok",
    do: str = "migrate",
    pods: Sequence[str] = (),
    databases: Sequence[str] = (),
    found: Mapping[str, Any] = {},
    error: str = "",
) -> tuple[Any, ...]:
    """A row of the timeline. `lasts_s=None`: it had no end."""
    detail = {"do": do, "words": words, "pods": list(pods), "databases": list(databases), "found": found}
    acted_on = subject or next(iter([*(f"pod {p}" for p in pods), *(f"database {d}" for d in databases)]), "worker")
    ended = None if lasts_s is None else _ns(at_s + lasts_s)
    return (_ns(at_s), ended, "action", acted_on, result, json.dumps({**detail, **({"error": error} if error else {})}))


def lock_wait(at_s: float, lasts_s: float, **columns: Any) -> dict[str, Any]:
    """A row of `lock_waits` by column: a wait of `chat.accept` behind `message.send`, logged by the server."""
    times = {"wait": 0, "started_ns": _ns(at_s), "ended_ns": _ns(at_s + lasts_s), "known": KNOWN.index("event")}
    who = {"waiter_session": 1, "waiter_operation": "chat.accept", "blocker_session": 2, "root_session": 3}
    where = {"engine": "postgres", "database": "postgres"}
    return {**times, **who, **where, "root_operation": "message.send", "depth": 1, **columns}


def session(at_s: float, wait_class: str, sessions: int, **columns: Any) -> dict[str, Any]:
    """A row of `sessions` by column."""
    where = {"engine": "postgres", "database": "postgres"}
    return {"t_ns": _ns(at_s), **where, "wait_class": wait_class, "sessions": sessions, **columns}


def healthy_ticks(probe: str = "database", every_s: float = 0.1, until_s: float = 16.0) -> list[tuple[Any, ...]]:
    starts = [n * every_s for n in range(round(until_s / every_s))]
    return [(probe, _ns(t), _ns(t), _ns(t + every_s / 50), 0, None, _ns(every_s)) for t in starts]


def _write_table(run: RunDirectory, table: str, rows: Sequence[Sequence[Any] | Mapping[str, Any]]) -> int:
    """Returns how many rows that made. Rows by column may have columns that were not there from the beginning."""
    named = [row for row in rows if isinstance(row, Mapping)]
    schema = TABLES[table].schema()
    for name in dict.fromkeys(name for row in named for name in row if name not in schema.names):
        schema = schema.append(pa.field(name, pa.string()))
    with TableWriter(run.table_path(table), schema) as writer:
        writer.write([[row.get(n) for n in schema.names] for row in named] if named else rows)
    return writer.rows


def _write_operations(
    run: RunDirectory, operations: Iterable[Op] | None, workers: int, pods: Sequence[str]
) -> dict[str, int]:
    if operations is None:
        return {}
    given = list(operations)
    rows = {}
    for worker in range(workers):
        with run.create_table("operations", str(worker), pod=list(pods)) as writer:
            writer.write([op.row(seq) for seq, op in enumerate(given[worker::workers])])
            rows[f"operations-{worker}"] = writer.rows
    return rows


def _ns(seconds: float) -> int:
    return round(seconds * NS)
