"""Rows of made-up waits: sessions of pods by number, times in ms since the judged stage began."""

from typing import Any

from studies import NS, lock_wait

from loadtests.records.vocabulary import KNOWN, TRANSACTION_OPERATIONS, TRANSACTION_OUTCOMES, WAIT_OUTCOMES
from reports.analysis.study import find
from reports.data.runs import read_study
from reports.findings.study import StorageFindings

MS = 1_000_000
JUDGED_NS = 5 * NS
PERIOD_NS = 50 * MS


def at(ms: float) -> int:
    return JUDGED_NS + round(ms * MS)


def transaction(
    session: int, operation: str, begun_ms: float, ended_ms: float, *, key: int | None = None, **columns: Any
) -> dict[str, Any]:
    """A row of the pods' table by column; `columns` are other moments in ms, or other values."""
    times = {f"{name}_ns": None if ms is None else at(ms) for name, ms in columns.items() if name in _MOMENTS}
    values = {name: value for name, value in columns.items() if name not in _MOMENTS}
    return {
        "session": session, "operation": TRANSACTION_OPERATIONS.index(operation), "key": key, "begun_ns": at(begun_ms),
        "ended_ns": at(ended_ms), "outcome": TRANSACTION_OUTCOMES.index("committed"), "database": "postgres",
        **times, **values,
    }  # fmt: skip


_MOMENTS = ("waiting", "received", "asked")


def wait(
    session: int,
    blocker: int | None,
    started_ms: float,
    ended_ms: float | None,
    *,
    known: str = "event",
    **columns: Any,
) -> dict[str, Any]:
    """A row of `lock_waits` by column, of a session that nothing names; the blocker is the root."""
    names = {"waiter_operation": None, "blocker_operation": None, "root_operation": None}
    who = {"waiter_session": session, "blocker_session": blocker, "root_session": blocker, "depth": 1}
    words = {"object": "row of accounts", "lock": "accounts (0,1)", "outcome": "acquired", **columns}
    row = lock_wait(0, 0, **names, **who) | words
    ends = {"started_ns": at(started_ms), "ended_ns": None if ended_ms is None else at(ended_ms)}
    return row | ends | {"known": KNOWN.index(known), "outcome": WAIT_OUTCOMES.index(row["outcome"])}


def ticks() -> list[tuple[Any, ...]]:
    return [("postgres", t, t, t + 1, 0, None, PERIOD_NS) for t in range(0, 16 * NS, PERIOD_NS)]


def only(study: Any) -> StorageFindings:
    """The findings of the study's one storage."""
    (storage,) = find("study", read_study(study)).storages
    return storage
