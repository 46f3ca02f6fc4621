"""A run's transactions, as written by its pods, and an index of them by session and moment."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.files import UnreadableError
from loadtests.records.streams import read_batches
from loadtests.records.vocabulary import TRANSACTION_OPERATIONS, TRANSACTION_OUTCOMES
from reports.data.arrays import MISSING, Ints, Mask
from reports.data.contract import StudyRun
from reports.data.tables import trim_memory

_MOST_POOLS = int(np.iinfo(np.int16).max)
OPERATION_NAMES = TRANSACTION_OPERATIONS
FOR_EVER = int(np.iinfo(np.int64).max)
Pods = npt.NDArray[np.int16]
_UNKNOWN = TRANSACTION_OUTCOMES.index("unknown")
_TIMES = ("waiting_ns", "begun_ns", "ended_ns", "received_ns", "asked_ns")


@dataclass(frozen=True)
class Transactions:
    """One array per column, null is MISSING; `key` 0: no request. `database` are positions in `databases`; rows of
    older versions have the name of the engine. `pod` identifies the writer of the rows: a restarted pod is another
    one. `outcome` are positions in TRANSACTION_OUTCOMES."""

    databases: tuple[str, ...]
    database: npt.NDArray[np.int16]
    pod: Pods
    operation: npt.NDArray[np.uint8]
    session: Ints
    key: npt.NDArray[np.uint64]
    waiting: Ints
    begun: Ints
    ended: Ints
    received: Ints
    asked: Ints
    outcome: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.begun)

    @property
    def pool(self) -> Pods:
        """The pool, by pod and database, of each transaction's session."""
        return np.asarray(self.pod * np.int16(len(self.databases)) + self.database)

    @property
    def timed(self) -> Mask:
        """Transactions whose wait for the write lock the pod timed."""
        return np.asarray(self.waiting != MISSING)

    def ended_at(self, places: Ints) -> Ints:
        """When those transactions ended; FOR_EVER for none."""
        return np.where(places >= 0, self.ended[places], FOR_EVER) if len(self) else np.full(len(places), FOR_EVER)

    def where(self, mask: Mask) -> "Transactions":
        return Transactions(self.databases, *(getattr(self, f.name)[mask] for f in fields(self)[1:]))


def read_transactions(run: StudyRun) -> Transactions:
    databases: dict[str, int] = {}
    files = run.directory.table_files("transactions")
    pieces = [_piece(b, pod, databases, engine(run)) for pod, file in enumerate(files) for b in read_batches(file)]
    if not pieces:
        none = np.zeros(0, dtype=np.int64)
        places = none.astype(np.int16)
        codes = none.astype(np.uint8)
        small = places, places, codes, none, none.astype(np.uint64)
        return Transactions((), *small, none, none, none, none, none, codes)
    if len(databases) * len(files) > _MOST_POOLS:
        raise UnreadableError(f"the transactions are of {len(files):,} pods and {len(databases):,} databases: too many")
    columns = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
    del pieces
    trim_memory()
    return Transactions(tuple(databases), *columns)


def engine(run: StudyRun) -> str:
    """The name of the only database of a run whose rows do not contain it."""
    return str((run.manifest.get("engine") or {}).get("name") or "database")


def _piece(batch: pa.RecordBatch, pod: int, databases: dict[str, int], otherwise: str) -> list[npt.NDArray[np.generic]]:
    def number(name: str, missing: int, kind: type[np.generic]) -> npt.NDArray[np.generic]:
        if name not in batch.schema.names:
            return np.full(batch.num_rows, missing, dtype=kind)
        column = batch.column(name)
        return np.array(column.fill_null(missing) if column.null_count else column, dtype=kind)

    identity = [number("operation", 255, np.uint8), number("session", 0, np.int64), number("key", 0, np.uint64)]
    location = _database(batch, databases, otherwise), np.full(batch.num_rows, pod, dtype=np.int16)
    times = [number(name, MISSING, np.int64) for name in _TIMES]
    return [*location, *identity, *times, number("outcome", _UNKNOWN, np.uint8)]


def _database(batch: pa.RecordBatch, databases: dict[str, int], otherwise: str) -> npt.NDArray[np.int16]:
    if "database" not in batch.schema.names:
        return np.full(batch.num_rows, databases.setdefault(otherwise, len(databases)), dtype=np.int16)
    words = batch.column("database").dictionary_encode()
    codes = [databases.setdefault(str(w), len(databases)) for w in words.dictionary.to_pylist()]
    return np.asarray(np.array(codes or [0], dtype=np.int16)[np.asarray(words.indices.fill_null(0))], dtype=np.int16)
