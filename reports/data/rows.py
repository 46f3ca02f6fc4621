"""Tables of run directories → numpy arrays: only the columns that a report needs, never a whole file in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.streams import read_batches
from loadtests.records.tables import codes_of
from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES
from reports.data.arrays import MISSING, Codes, Ints, concatenated
from reports.data.contract import StudyRun

CHUNK_ROWS = 1 << 19
_VOCABULARIES = {"operation": OPERATIONS, "outcome": OUTCOMES, "error": ERRORS}
_TIMES = ("planned_ns", "started_ns", "ended_ns", "published_ns")
_COLUMNS = (*_VOCABULARIES, "pod", "key", "user", *_TIMES)


@dataclass(frozen=True)
class Rows:
    """A piece of the operations table, one array a column. Codes are places in the vocabulary; null is MISSING."""

    operation: Codes
    outcome: Codes
    error: Codes
    key: npt.NDArray[np.uint64]
    user: Ints
    """With the number of its file, because each worker numbers its users itself: see `users`."""
    planned_ns: Ints
    started_ns: Ints
    ended_ns: Ints
    published_ns: Ints
    pod: Codes
    """Positions in the requested list of pods; 255 for another pod."""


def operations(run: StudyRun, pods: Sequence[str], rows: int = CHUNK_ROWS) -> Iterator[Rows]:
    """The operations of a run in pieces of at most about `rows`, all workers one after another."""
    for number, path in enumerate(run.directory.table_files("operations")):
        yield from _pieces(path, number, tuple(pods), rows)


def users(column: npt.NDArray[np.integer[Any]], number: int) -> Ints:
    """Users of the file with this number, different from those of all others."""
    return column.astype(np.int64) + (number << 32)


def _pieces(path: Path, number: int, pods: tuple[str, ...], rows: int) -> Iterator[Rows]:
    waiting: list[Rows] = []
    held = 0
    for batch in read_batches(path, _COLUMNS):
        waiting.append(_rows(batch, number, pods))
        held += batch.num_rows
        if held >= rows:
            yield concatenated(waiting)
            waiting, held = [], 0
    if waiting:
        yield concatenated(waiting)


def _rows(batch: pa.RecordBatch, number: int, pods: tuple[str, ...]) -> Rows:
    codes = codes_of(batch.schema)
    operation, outcome, error, pod = (
        _places(vocabulary, tuple(codes.get(name, ())))[_codes(batch, name)]
        for name, vocabulary in (*_VOCABULARIES.items(), ("pod", pods))
    )
    key = batch.column("key").to_numpy(zero_copy_only=False)
    user = users(batch.column("user").to_numpy(zero_copy_only=False), number)
    planned, started, ended, published = (_times(batch.column(name)) for name in _TIMES)
    return Rows(operation, outcome, error, key, user, planned, started, ended, published, pod)


def _codes(batch: pa.RecordBatch, name: str) -> Codes:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.uint8)


@lru_cache(64)
def _places(vocabulary: tuple[str, ...], names: tuple[str, ...]) -> Codes:
    """This file's codes → places in our vocabulary: an unknown name gets 255."""
    known = np.full(256, 255, dtype=np.uint8)
    known[: len(names)] = [vocabulary.index(n) if n in vocabulary else 255 for n in names]
    return known


def _times(column: pa.Array) -> Ints:
    if column.null_count:
        column = column.fill_null(MISSING)
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)
