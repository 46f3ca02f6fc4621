"""A run's lock waits as arrays: who waited for whom, as far as rows and the pods' own transactions can name them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.tables import codes_of
from loadtests.records.vocabulary import KNOWN, TRANSACTION_OUTCOMES, WAIT_OUTCOMES
from reports.frames import MISSING, Floats, Ints, Mask, Run, table
from reports.judged_time import inside
from reports.looks import first_looks, sampling, ticks_of, worth_ns
from reports.names import Names
from reports.transactions import FOR_EVER, OPERATION_NAMES, Sessions, Transactions, engine

UNTOLD = "not told"
NOBODY = "nobody (between retries)"
WRITE_LOCK = "write lock"
_A_WAIT_NS = 1_000_000
_ACQUIRED = WAIT_OUTCOMES.index("acquired")
_POD = KNOWN.index("pod")
_ENDS = {"committed": "acquired", "rolled_back": "acquired", "lock_timeout": "timed_out", "deadlock": "deadlock"}
_WAIT_ENDS = np.array([WAIT_OUTCOMES.index(_ENDS.get(name, "unknown")) for name in TRANSACTION_OUTCOMES], np.uint8)
"""By a transaction's outcome, how its wait for the write lock ended."""
_Kind = TypeVar("_Kind", bound=np.generic)


@dataclass(frozen=True)
class LockRows:
    """One array a column; names, objects and databases are places in the lists of the same name.

    `weight` is what a wait counts, in ns: its length or, where it was sampled, its hits times what a look is worth.
    `look` numbers the first look that saw it. `transaction` is the waiter's row of the pods' table, `root_ended` when
    that of the root ended. `lock` tells locks apart. Where there is none: `hits`, `look`, `transaction` and `lock` are
    -1, sessions MISSING, `root_ended` FOR_EVER.
    """

    names: Names
    objects: Names
    databases: tuple[str, ...]
    starts: Ints
    ends: Ints
    weight: Floats
    hits: Ints
    look: Ints
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
        """Who certainly had the lock afterwards."""
        return np.asarray((self.outcome == _ACQUIRED) & (self.hits < 0))

    @property
    def timed_by_pod(self) -> bool:
        return self.statement is None

    @property
    def noticed(self) -> Mask:
        """What counts as a wait: asking for a free lock takes time too, where the pod times it."""
        return np.asarray(self.weight > _A_WAIT_NS) if self.timed_by_pod else np.ones(len(self), dtype=np.bool_)

    def where(self, mask: Mask | Ints) -> "LockRows":
        arrays = {f.name: getattr(self, f.name)[mask] for f in fields(self) if f.name not in _NO_ARRAYS}
        statement = None if self.statement is None else self.statement.take(pa.array(_places(mask)))
        return replace(self, statement=statement, **arrays)


_NO_ARRAYS = ("names", "objects", "databases", "statement")


def _places(mask: Mask | Ints) -> Ints:
    return np.flatnonzero(mask) if mask.dtype == np.bool_ else np.asarray(mask, dtype=np.int64)


def names() -> Names:
    return Names((UNTOLD, NOBODY, *OPERATION_NAMES))


def pod_rows(run: Run, rows: Transactions, places: Ints) -> LockRows:
    """What the pod timed itself where it waited for the write lock: every transaction that it timed is a row. `places`
    are those of the transactions among all of the run."""
    known, n = names(), len(rows)
    ends = np.maximum(rows.begun, rows.waiting)
    nobody, none = _all(n, known.code(NOBODY), np.int16), _all(n, MISSING, np.int64)
    return LockRows(
        names=known,
        objects=Names((WRITE_LOCK,)),
        databases=rows.databases,
        starts=rows.waiting,
        ends=ends,
        weight=(ends - rows.waiting).astype(np.float64),
        hits=_all(n, -1, np.int64),
        look=_all(n, -1, np.int64),
        session=rows.session,
        blocker_session=none,
        root_session=none,
        root_ended=_all(n, FOR_EVER, np.int64),
        transaction=places,
        lock=_all(n, 0, np.int64),
        database=rows.database,
        waiter=rows.operation.astype(np.int16) + np.int16(known.code(OPERATION_NAMES[0])),
        blocker=nobody,
        root=nobody,
        depth=_all(n, 1, np.int16),
        object=_all(n, 0, np.int32),
        known=_all(n, _POD, np.uint8),
        outcome=_WAIT_ENDS[np.minimum(rows.outcome, len(_WAIT_ENDS) - 1)],
        open=_all(n, False, np.bool_),
        judged=inside(rows.waiting, run.judged),
    )


def _all(n: int, value: int, kind: type[_Kind]) -> npt.NDArray[_Kind]:
    """The same n times, without the memory for it."""
    return np.broadcast_to(np.array(value, dtype=kind), n)


def observed_rows(run: Run, transactions: Transactions) -> LockRows:
    """What the observer saw. The pods' table of transactions names sessions better than they do themselves."""
    rows = table(run.directory, "lock_waits")
    words, objects, known = Names(), Names((UNTOLD,)), names()
    objects.come(_objects(rows))
    known.come(*(rows[f"{party}_operation"] for party in ("waiter", "blocker", "root")))
    database = words.codes(_column(rows, "database", rows["engine"]), engine(run))
    starts, ends = _ints(rows["started_ns"]), _ints(pc.fill_null(rows["ended_ns"], run.ended_ns))
    ends = np.maximum(ends, starts)
    # Nobody is looked for where nobody waited: a big table is not sorted in vain.
    sessions = Sessions(transactions if len(starts) else transactions.where(np.zeros(len(transactions), np.bool_)))
    who = _Who(sessions, transactions, tuple(words.all), database, starts, ends, known)
    waiter, transaction = who.named(_ints(rows["waiter_session"]), rows["waiter_operation"])
    behind = {party: _ints(pc.fill_null(rows[f"{party}_session"], MISSING)) for party in ("blocker", "root")}
    told = {party: who.named(session, rows[f"{party}_operation"]) for party, session in behind.items()}
    depth = np.maximum(_ints(rows["depth"]), 1)
    blocker, root = _told(told["blocker"][0], told["root"][0], depth)
    hits = _ints(pc.fill_null(rows["hits"], -1))
    weight, look = _sampled(run, who, hits)
    return LockRows(
        names=who.names,
        objects=objects,
        databases=who.databases,
        starts=starts,
        ends=ends,
        weight=weight,
        hits=hits,
        look=look,
        session=_ints(rows["waiter_session"]),
        blocker_session=behind["blocker"],
        root_session=behind["root"],
        root_ended=transactions.ended_at(told["root"][1]),
        transaction=transaction,
        lock=_locks(rows, database),
        database=database.astype(np.int16),
        waiter=waiter.astype(np.int16),
        blocker=blocker.astype(np.int16),
        root=root.astype(np.int16),
        depth=depth.astype(np.int16),
        object=objects.codes(_objects(rows), UNTOLD).astype(np.int32),
        known=_codes(rows, "known", KNOWN),
        outcome=_codes(rows, "outcome", WAIT_OUTCOMES),
        open=rows["ended_ns"].is_null().to_numpy(),
        judged=inside(starts, run.judged),
        statement=rows["statement"],
    )


@dataclass(frozen=True)
class _Who:
    """Names for the sessions of rows."""

    sessions: Sessions
    transactions: Transactions
    databases: tuple[str, ...]
    database: Ints
    starts: Ints
    ends: Ints
    names: Names

    def named(self, session: Ints, words: pa.ChunkedArray) -> tuple[Ints, Ints]:
        """What each session was doing, and in which transaction: in the middle of the wait, else when it began or
        ended. Who is none of the pods' keeps the name that it gave itself."""
        own = self.names.codes(words, UNTOLD)
        found = np.full(len(session), -1, dtype=np.int64)
        for moments in ((self.starts + self.ends) // 2, self.starts, self.ends):
            missing = found < 0
            found[missing] = self.sessions.at(
                self.databases, self.database[missing], session[missing], moments[missing]
            )
        if not len(self.transactions):
            return own, found
        known = self.transactions.operation[found].astype(np.int64)
        told = (found >= 0) & (known < len(OPERATION_NAMES))
        return np.where(told, known + self.names.code(OPERATION_NAMES[0]), own), found


def _told(blocker: Ints, root: Ints, depth: Ints) -> tuple[Ints, Ints]:
    """Who is not told is the other one, where that may be: code 0 is nobody's name."""
    return np.where((blocker == 0) & (depth <= 1), root, blocker), np.where(root == 0, blocker, root)


def _sampled(run: Run, who: _Who, hits: Ints) -> tuple[Floats, Ints]:
    """What each wait counts, and the first look that saw it. Each database has looks of its own."""
    weight, look = (who.ends - who.starts).astype(np.float64), np.full(len(hits), -1, dtype=np.int64)
    ticks, before = table(run.directory, "ticks"), 0
    for code, name in enumerate(who.databases):
        mine = ticks_of(ticks, name)
        sampled = (who.database == code) & (hits >= 0)
        if sampled.any() and sampling(mine)[0] is not None:
            weight[sampled] = hits[sampled] * worth_ns(mine, who.starts[sampled], who.ends[sampled])
        look[sampled] = before + first_looks(mine, who.starts[sampled])
        before += mine.num_rows + int(hits.max(initial=0)) + 1
    return weight, look


def _locks(rows: pa.Table, database: Ints) -> Ints:
    words = pc.fill_null(_column(rows, "lock", None), "").combine_chunks().dictionary_encode()
    named = np.array([bool(word) for word in words.dictionary.to_pylist()] or [False], dtype=np.bool_)
    lock = np.asarray(words.indices, dtype=np.int64)
    return np.where(named[lock], database * len(named) + lock, -1)


def _objects(rows: pa.Table) -> pa.ChunkedArray:
    """Keys of advisory locks are mostly somebody's numbers, as many as there are customers: one object for all."""
    return pc.replace_substring_regex(_column(rows, "object", None), r"^advisory -?\d.*", "advisory lock")


def _column(rows: pa.Table, name: str, otherwise: pa.ChunkedArray | None) -> pa.ChunkedArray:
    """A column that older runs do not have."""
    if name in rows.column_names:
        return rows[name]
    return pa.chunked_array([pa.nulls(rows.num_rows, pa.string())]) if otherwise is None else otherwise


def _codes(rows: pa.Table, name: str, vocabulary: Sequence[str]) -> npt.NDArray[np.uint8]:
    if name not in rows.column_names:
        return np.zeros(rows.num_rows, dtype=np.uint8)
    told = codes_of(rows.schema).get(name, list(vocabulary))
    places = [vocabulary.index(word) if word in vocabulary else 0 for word in told]
    return np.array(places, dtype=np.uint8)[_ints(pc.fill_null(rows[name], 0))]


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), dtype=np.int64)
