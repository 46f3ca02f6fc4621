"""A run's lock waits as arrays, with waiters and holders named by the rows and the pods' own transactions."""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.vocabulary import WAIT_OUTCOMES
from reports.data.arrays import Floats, Ints, Mask, Names

_A_WAIT_NS = 1_000_000
_ACQUIRED = WAIT_OUTCOMES.index("acquired")


@dataclass(frozen=True)
class LockRows:
    """One array per column; names, objects and databases are positions in the lists of the same name.

    `weight` is the ns that a wait counts for: its length or, of a sampled wait, its hits times the time that a sample
    stands for. `first_sample` numbers the first sample that shows it. `transaction` is the waiter's row of the pods'
    table, `root_ended` the end of the root's. `lock` identifies the lock. Missing values: `hits`, `first_sample`,
    `transaction` and `lock` are -1, sessions MISSING, `root_ended` FOR_EVER.
    """

    names: Names
    objects: Names
    databases: tuple[str, ...]
    starts: Ints
    ends: Ints
    weight: Floats
    hits: Ints
    first_sample: Ints
    session: Ints
    blocker_session: Ints
    root_session: Ints
    root_ended: Ints
    transaction: Ints
    lock: Ints
    database: npt.NDArray[np.int16]
    waiter: npt.NDArray[np.int16]
    blocker: npt.NDArray[np.int16]
    root: npt.NDArray[np.int16]
    depth: npt.NDArray[np.int16]
    object: npt.NDArray[np.int32]
    known: npt.NDArray[np.uint8]
    outcome: npt.NDArray[np.uint8]
    open: Mask
    judged: Mask
    statement: pa.ChunkedArray | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def acquired(self) -> Mask:
        """Waits after which the session certainly had the lock."""
        return np.asarray((self.outcome == _ACQUIRED) & (self.hits < 0))

    @property
    def timed_by_pod(self) -> bool:
        return self.statement is None

    @property
    def noticed(self) -> Mask:
        """Rows that count as waits: where the pod times them, acquiring a free lock takes time as well."""
        return np.asarray(self.weight > _A_WAIT_NS) if self.timed_by_pod else np.ones(len(self), dtype=np.bool_)

    def where(self, mask: Mask | Ints) -> "LockRows":
        arrays = {f.name: getattr(self, f.name)[mask] for f in fields(self) if f.name not in _NO_ARRAYS}
        statement = None if self.statement is None else self.statement.take(pa.array(_places(mask)))
        return replace(self, statement=statement, **arrays)


_NO_ARRAYS = ("names", "objects", "databases", "statement")


def _places(mask: Mask | Ints) -> Ints:
    return np.flatnonzero(mask) if mask.dtype == np.bool_ else np.asarray(mask, dtype=np.int64)
