"""Outcomes of transactions, and retries after an attempt was lost to another transaction."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.records.vocabulary import TRANSACTION_OUTCOMES
from reports.data.arrays import Ints, Mask
from reports.data.judged_time import inside
from reports.data.runs import StudyRun
from reports.data.transactions import OPERATION_NAMES, Transactions

LOST: tuple[str, ...] = ("conflict", "busy_snapshot", "deadlock", "lock_timeout")
"""Outcomes of attempts that failed because of another transaction."""
_LOST = [TRANSACTION_OUTCOMES.index(name) for name in LOST]

Kind = tuple[str, str]
"""Database and operation."""


@dataclass(frozen=True)
class Ended:
    """Attempts of one operation on one database that began in the judged time, by outcome. `retries` counts those that
    follow a lost attempt of the same request; None where requests have no key."""

    outcomes: Mapping[str, int]
    retries: int | None

    @property
    def attempts(self) -> int:
        return sum(self.outcomes.values())

    @property
    def lost(self) -> int:
        return sum(self.outcomes.get(name, 0) for name in LOST)


Endings = Mapping[Kind, Ended]
"""In the order of databases and operations. Empty: unknown, because no pod wrote its transactions."""


def endings(run: StudyRun, rows: Transactions) -> dict[Kind, Ended]:
    """The transactions of one run."""
    judged = inside(rows.begun, run.judged)
    again = _again(rows) & judged
    return {
        (rows.databases[database], OPERATION_NAMES[operation]): Ended(
            {TRANSACTION_OUTCOMES[code]: int(n) for code, n in enumerate(np.bincount(rows.outcome[selected])) if n},
            int(again[selected].sum()) if rows.key[selected].any() else None,
        )
        for database, operation, selected in _kinds(rows, judged)
    }


def _kinds(rows: Transactions, judged: Mask) -> Iterator[tuple[int, int, Ints]]:
    """Database, operation and the rows of each."""
    for database in range(len(rows.databases)):
        here = judged & (rows.database == database)
        for operation in range(len(OPERATION_NAMES)):
            selected = np.flatnonzero(here & (rows.operation == operation))
            if len(selected):
                yield database, operation, selected


def _again(rows: Transactions) -> Mask:
    """Rows that are the next attempt of a request on a database after a lost one."""
    found = np.zeros(len(rows), dtype=np.bool_)
    lost = np.isin(rows.outcome, _LOST) & (rows.key != 0)
    some = np.flatnonzero(np.isin(rows.key, rows.key[lost])) if lost.any() else np.zeros(0, dtype=np.int64)
    some = some[np.lexsort((rows.begun[some], rows.key[some], rows.database[some]))]
    before, after = some[:-1], some[1:]
    same = (rows.key[before] == rows.key[after]) & (rows.database[before] == rows.database[after])
    found[after] = same & lost[before]
    return found


def endings_together(rounds: Sequence[Endings]) -> dict[Kind, Ended]:
    """The sum of the rounds; empty when one of them is unknown."""
    if not all(rounds):
        return {}
    kinds = dict.fromkeys(kind for found in rounds for kind in found)
    return {kind: _added([found[kind] for found in rounds if kind in found]) for kind in sorted(kinds, key=_place)}


def _place(kind: Kind) -> tuple[str, int]:
    return kind[0], OPERATION_NAMES.index(kind[1])


def _added(parts: Sequence[Ended]) -> Ended:
    outcomes: Counter[str] = Counter()
    for part in parts:
        outcomes.update(part.outcomes)
    known = [part.retries for part in parts if part.retries is not None]
    return Ended(dict(outcomes), sum(known) if known else None)


def endings_by_operation(found: Endings) -> dict[str, Ended]:
    """All databases of a storage together."""
    parts: dict[str, list[Ended]] = {}
    for (_, operation), entry in found.items():
        parts.setdefault(operation, []).append(entry)
    return {operation: _added(entry) for operation, entry in parts.items()}
