"""Rows of the observer's tables, in the order of their columns. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from loadtests.probes.contract import Database
from loadtests.probes.waits import Wait
from loadtests.records.vocabulary import KNOWN, WAIT_OUTCOMES

Sessions = Mapping[tuple[str, str | None], int]
"""(wait class, operation) → how many sessions."""


def session_rows(t_ns: int, database: Database, sessions: Sessions) -> list[tuple[Any, ...]]:
    return [
        (t_ns, database.engine, database.name, wait_class, operation, number)
        for (wait_class, operation), number in sessions.items()
        if number
    ]


def wait_rows(database: Database, numbers: Iterable[int], waits: Iterable[Wait]) -> list[tuple[Any, ...]]:
    """Each wait under the next number. `numbers` goes on from call to call."""
    return [_wait_row(database, number, wait) for wait, number in zip(waits, numbers, strict=False)]


def _wait_row(database: Database, number: int, wait: Wait) -> tuple[Any, ...]:
    lock, chain = wait.lock, wait.chain
    blocker, root = (chain.blocker, chain.root) if chain else (None, None)
    return (
        number,
        wait.started_ns,
        wait.ended_ns,
        KNOWN.index(wait.known),
        database.engine,
        database.name,
        lock.pod,
        lock.session,
        lock.operation,
        blocker and blocker.session,
        blocker and blocker.operation,
        root and root.session,
        root and root.operation,
        chain.depth if chain else 0,
        wait.object,
        lock.mode,
        lock.statement,
        wait.hits,
        wait.name or lock.tag,
        WAIT_OUTCOMES.index(wait.outcome),
    )


def counter_rows(t_ns: int, database: Database, counters: Mapping[str, int]) -> list[tuple[Any, ...]]:
    """Counter → the server's own total."""
    return [(t_ns, database.engine, database.name, counter, value) for counter, value in counters.items()]
