"""Outcomes of transactions, and retries after an attempt was lost to another transaction."""

from collections.abc import Iterator, Sequence

import numpy as np

from loadtests.records.vocabulary import TRANSACTION_OUTCOMES
from reports.data.arrays import Ints, Mask
from reports.data.contract import StudyRun
from reports.data.judged_time import inside
from reports.data.transactions import OPERATION_NAMES, Transactions
from reports.findings.pooling import summed
from reports.findings.transactions import LOST, Ended, Endings, TransactionKind

_LOST = [TRANSACTION_OUTCOMES.index(name) for name in LOST]


def endings(run: StudyRun, rows: Transactions) -> dict[TransactionKind, Ended]:
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


def endings_together(rounds: Sequence[Endings]) -> dict[TransactionKind, Ended]:
    """The sum of the rounds; empty when one of them is unknown."""
    if not all(rounds):
        return {}
    found = summed(rounds)
    return {kind: found[kind] for kind in sorted(found, key=_place)}


def _place(kind: TransactionKind) -> tuple[str, int]:
    return kind[0], OPERATION_NAMES.index(kind[1])
