"""All figures of a study as one tidy table: `figures.csv`."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from loadtests.records.vocabulary import OPERATIONS, OUTCOMES, PUSHES
from loadtests.sanitize import text_cell
from reports.data.handshakes import handshakes
from reports.findings.estimates import Estimate
from reports.findings.operations import FROM_CAUSE, FROM_STAMP, Measure
from reports.findings.study import Findings, StorageFindings
from reports.text.wording import digits

WHOLE = "all"
"""Stands for the operation in figures of a storage as a whole."""
CPU = {"pod": "pod CPU", "database": "database CPU"}
LOCK_WAIT = "lock wait"

_COLUMNS = ("storage", "pod", "operation", "figure", "value", "low", "high", "unit", "at_least", "known")


def figures(findings: Findings) -> pd.DataFrame:
    """One row per storage, pod (empty: all pods), operation and figure: value and 95 % bounds in `unit`, empty where
    there is none, and how it is known."""
    frame = pd.DataFrame(list(_rows(findings)), columns=list(_COLUMNS))
    frame[["value", "low", "high"]] = frame[["value", "low", "high"]].astype("float64")
    return frame


def as_csv(frame: pd.DataFrame) -> str:
    """The figures as CSV; escapes names that a spreadsheet would read as formulas."""
    safe = frame.copy()
    for column in ("storage", "pod", "operation", "figure", "unit", "known"):
        safe[column] = [text_cell(text) for text in safe[column]]
    return safe.to_csv(index=False, lineterminator="\n")


def _rows(findings: Findings) -> Iterator[tuple[Any, ...]]:
    for storage in findings.storages:
        for measure in storage.measures.values():
            for row in _measure(storage, measure):
                yield storage.storage, "", measure.name, *row
        for status, count in handshakes(storage.pooled).judged.items():
            row = f"HTTP {status}", count, None, None, "attempts", False, "workers"
            yield storage.storage, "", "connection.create", *row
        for row in _whole(storage):
            yield storage.storage, "", WHOLE, *row
        for pod, measures in storage.pods.items():
            for measure in measures.values():
                for row in _counted(measure):
                    yield storage.storage, pod, measure.name, *row


def _measure(storage: StorageFindings, measure: Measure) -> Iterator[tuple[Any, ...]]:
    yield from _counted(measure)
    if measure.name in OPERATIONS and measure.name not in PUSHES:
        yield from _estimates("service ", measure.service)
        seconds, (low, high) = storage.lock_wait_per_1000_s(measure.name), _interval(storage, measure.name)
        yield LOCK_WAIT, seconds, low, high, "s per 1000", False, storage.waits.known or "unknown"


def recorded_outcomes(measure: Measure) -> dict[str, int]:
    """Attempts by outcome. Only deliveries that arrived have a row, so that failed ones are missing, not zero."""
    names = ("ok",) if measure.name in (FROM_CAUSE, FROM_STAMP) else OUTCOMES
    return {outcome: measure.outcomes[outcome] for outcome in names}


def _counted(measure: Measure) -> Iterator[tuple[Any, ...]]:
    yield "n", measure.n, None, None, "attempts", False, "rows"
    yield "rate", measure.rate_per_s, None, None, "per s", False, "rows"
    recorded = recorded_outcomes(measure)
    for outcome in OUTCOMES:
        known = "rows" if outcome in recorded else "no rows of those that never came"
        yield outcome, recorded.get(outcome), None, None, "attempts", False, known
    yield from _estimates("", measure.response, "unknown" if measure.unreliable_clock else "too few rows")


def _interval(storage: StorageFindings, operation: str) -> tuple[float | None, float | None]:
    return storage.lock_wait_interval_s(operation) or (None, None)


def _estimates(
    prefix: str, estimates: Mapping[str, Estimate | None], missing: str = "too few rows"
) -> Iterator[tuple[Any, ...]]:
    for name, found in estimates.items():
        if found is None:
            yield f"{prefix}{name}", None, None, None, "ms", False, missing
        else:
            bounds = (None if bound is None else bound / 1e6 for bound in (found.low, found.high))
            yield f"{prefix}{name}", found.value / 1e6, *bounds, "ms", found.at_least, "rows"


def _whole(storage: StorageFindings) -> Iterator[tuple[Any, ...]]:
    for role, name in CPU.items():
        spent = storage.cpu_ms(role)
        yield name, spent, None, None, "ms per operation", False, "unknown" if spent is None else "observer"
    known = "unknown" if storage.orphans is None else "ledger"
    yield "orphans", storage.orphans, None, None, "objects", False, known


def lock_wait_words(storage: StorageFindings, operation: str) -> str:
    """Seconds for each 1,000 operations."""
    seconds = storage.lock_wait_per_1000_s(operation)
    return "unknown" if seconds is None else digits(seconds) if seconds else "0"


SHOWN = ("p50", "p95", "p99", "p99.9", "max")
