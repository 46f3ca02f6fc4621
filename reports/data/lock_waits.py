"""A run's lock waits → arrays, with waiters and holders named by the rows and the pods' own transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.tables import codes_of
from loadtests.records.vocabulary import KNOWN, TRANSACTION_OUTCOMES, WAIT_OUTCOMES
from reports.data.arrays import MISSING, Floats, Ints, Names
from reports.data.contract import NO_HOLDER, UNNAMED, WRITE_LOCK, StudyRun
from reports.data.interval_index import IntervalIndex, Pairs
from reports.data.judged_time import inside
from reports.data.lock_rows import LockRows
from reports.data.probe_samples import first_samples, sampling, ticks_of, worth_ns
from reports.data.tables import table
from reports.data.transactions import FOR_EVER, OPERATION_NAMES, Transactions, engine


class SessionIndex:
    """The transaction of a session at a moment. Time decides, because servers reuse session numbers."""

    def __init__(self, rows: Transactions) -> None:
        self._databases = {name: code for code, name in enumerate(rows.databases)}
        self._pairs = Pairs(np.unique(rows.session), len(rows.databases))
        group = self._pairs.of(rows.database.astype(np.int64), rows.session)
        self._intervals = IntervalIndex(group, rows.begun, rows.ended, self._pairs.count)

    def at(self, databases: tuple[str, ...], database: Ints, session: Ints, moments: Ints) -> Ints:
        """The row of the transaction; -1 where there is none. `database` are places in `databases`."""
        ours = np.array([self._databases.get(name, -1) for name in databases] or [-1], dtype=np.int64)
        found = self._intervals.at(self._pairs.of(ours[database], session), moments)
        return np.where(found >= 0, self._intervals.order[found], -1) if len(self._intervals.order) else found


_POD = KNOWN.index("pod")

_ENDS = {"committed": "acquired", "rolled_back": "acquired", "lock_timeout": "timed_out", "deadlock": "deadlock"}

_WAIT_ENDS = np.array([WAIT_OUTCOMES.index(_ENDS.get(name, "unknown")) for name in TRANSACTION_OUTCOMES], np.uint8)
"""The outcome of the wait for the write lock, by outcome of the transaction."""

_Kind = TypeVar("_Kind", bound=np.generic)


def names() -> Names:
    return Names((UNNAMED, NO_HOLDER, *OPERATION_NAMES))


def pod_rows(run: StudyRun, rows: Transactions, places: Ints) -> LockRows:
    """Waits for the write lock as timed by the pod, one row per timed transaction. `places` are the positions of these
    transactions among all of the run."""
    known, n = names(), len(rows)
    ends = np.maximum(rows.begun, rows.waiting)
    no_holder, none = _all(n, known.code(NO_HOLDER), np.int16), _all(n, MISSING, np.int64)
    return LockRows(
        names=known,
        objects=Names((WRITE_LOCK,)),
        databases=rows.databases,
        starts=rows.waiting,
        ends=ends,
        weight=(ends - rows.waiting).astype(np.float64),
        hits=_all(n, -1, np.int64),
        first_sample=_all(n, -1, np.int64),
        session=rows.session,
        blocker_session=none,
        root_session=none,
        root_ended=_all(n, FOR_EVER, np.int64),
        transaction=places,
        lock=_all(n, 0, np.int64),
        database=rows.database,
        waiter=rows.operation.astype(np.int16) + np.int16(known.code(OPERATION_NAMES[0])),
        blocker=no_holder,
        root=no_holder,
        depth=_all(n, 1, np.int16),
        object=_all(n, 0, np.int32),
        known=_all(n, _POD, np.uint8),
        outcome=_WAIT_ENDS[np.minimum(rows.outcome, len(_WAIT_ENDS) - 1)],
        open=_all(n, False, np.bool_),
        judged=inside(rows.waiting, run.judged),
    )


def _all(n: int, value: int, kind: type[_Kind]) -> npt.NDArray[_Kind]:
    """A constant array that takes no memory."""
    return np.broadcast_to(np.array(value, dtype=kind), n)


def observed_rows(run: StudyRun, transactions: Transactions) -> LockRows:
    """Waits seen by the observer. The pods' transactions name sessions more exactly than the sessions themselves."""
    rows = table(run.directory, "lock_waits")
    words, objects, known = Names(), Names((UNNAMED,)), names()
    objects.add(_objects(rows))
    known.add(*(rows[f"{party}_operation"] for party in ("waiter", "blocker", "root")))
    database = words.codes(_column(rows, "database", rows["engine"]), engine(run))
    starts, ends = _ints(rows["started_ns"]), _ints(pc.fill_null(rows["ended_ns"], run.ended_ns))
    ends = np.maximum(ends, starts)
    # Skip building the session index when there are no waits.
    sessions = SessionIndex(transactions if len(starts) else transactions.where(np.zeros(len(transactions), np.bool_)))
    naming = _SessionNaming(sessions, transactions, tuple(words.all), database, starts, ends, known)
    waiter, transaction = naming.named(_ints(rows["waiter_session"]), rows["waiter_operation"])
    behind = {party: _ints(pc.fill_null(rows[f"{party}_session"], MISSING)) for party in ("blocker", "root")}
    named = {party: naming.named(session, rows[f"{party}_operation"]) for party, session in behind.items()}
    depth = np.maximum(_ints(rows["depth"]), 1)
    blocker, root = _fill_unnamed(named["blocker"][0], named["root"][0], depth)
    hits = _ints(pc.fill_null(rows["hits"], -1))
    weight, first_sample = _sampled(run, naming, hits)
    return LockRows(
        names=naming.names,
        objects=objects,
        databases=naming.databases,
        starts=starts,
        ends=ends,
        weight=weight,
        hits=hits,
        first_sample=first_sample,
        session=_ints(rows["waiter_session"]),
        blocker_session=behind["blocker"],
        root_session=behind["root"],
        root_ended=transactions.ended_at(named["root"][1]),
        transaction=transaction,
        lock=_locks(rows, database),
        database=database.astype(np.int16),
        waiter=waiter.astype(np.int16),
        blocker=blocker.astype(np.int16),
        root=root.astype(np.int16),
        depth=depth.astype(np.int16),
        object=objects.codes(_objects(rows), UNNAMED).astype(np.int32),
        known=_codes(rows, "known", KNOWN),
        outcome=_codes(rows, "outcome", WAIT_OUTCOMES),
        open=rows["ended_ns"].is_null().to_numpy(),
        judged=inside(starts, run.judged),
        statement=rows["statement"],
    )


@dataclass(frozen=True)
class _SessionNaming:
    """Names of the sessions in the rows."""

    sessions: SessionIndex
    transactions: Transactions
    databases: tuple[str, ...]
    database: Ints
    starts: Ints
    ends: Ints
    names: Names

    def named(self, session: Ints, words: pa.ChunkedArray) -> tuple[Ints, Ints]:
        """The operation and the transaction of each session in the middle of the wait, else at its beginning or end.
        A session that belongs to no pod keeps the name that it set itself."""
        own = self.names.codes(words, UNNAMED)
        found = np.full(len(session), -1, dtype=np.int64)
        for moments in ((self.starts + self.ends) // 2, self.starts, self.ends):
            missing = found < 0
            found[missing] = self.sessions.at(
                self.databases, self.database[missing], session[missing], moments[missing]
            )
        if not len(self.transactions):
            return own, found
        known = self.transactions.operation[found].astype(np.int64)
        named = (found >= 0) & (known < len(OPERATION_NAMES))
        return np.where(named, known + self.names.code(OPERATION_NAMES[0]), own), found


def _fill_unnamed(blocker: Ints, root: Ints, depth: Ints) -> tuple[Ints, Ints]:
    """Use the root as unnamed blocker, and the blocker as unnamed root. Code 0 is unnamed."""
    return np.where((blocker == 0) & (depth <= 1), root, blocker), np.where(root == 0, blocker, root)


def _sampled(run: StudyRun, naming: _SessionNaming, hits: Ints) -> tuple[Floats, Ints]:
    """The weight of each wait, and its first sample. Samples are numbered by database."""
    weight, first_sample = (naming.ends - naming.starts).astype(np.float64), np.full(len(hits), -1, dtype=np.int64)
    ticks, before = table(run.directory, "ticks"), 0
    for code, name in enumerate(naming.databases):
        selected = ticks_of(ticks, name)
        sampled = (naming.database == code) & (hits >= 0)
        if sampled.any() and sampling(selected)[0] is not None:
            weight[sampled] = hits[sampled] * worth_ns(selected, naming.starts[sampled], naming.ends[sampled])
        first_sample[sampled] = before + first_samples(selected, naming.starts[sampled])
        before += selected.num_rows + int(hits.max(initial=0)) + 1
    return weight, first_sample


def _locks(rows: pa.Table, database: Ints) -> Ints:
    words = pc.fill_null(_column(rows, "lock", None), "").combine_chunks().dictionary_encode()
    named = np.array([bool(word) for word in words.dictionary.to_pylist()] or [False], dtype=np.bool_)
    lock = np.asarray(words.indices, dtype=np.int64)
    return np.where(named[lock], database * len(named) + lock, -1)


def _objects(rows: pa.Table) -> pa.ChunkedArray:
    """Locked objects. Advisory locks become one object, because their keys are often customer numbers."""
    return pc.replace_substring_regex(_column(rows, "object", None), r"^advisory -?\d.*", "advisory lock")


def _column(rows: pa.Table, name: str, otherwise: pa.ChunkedArray | None) -> pa.ChunkedArray:
    """A column that older runs do not have."""
    if name in rows.column_names:
        return rows[name]
    return pa.chunked_array([pa.nulls(rows.num_rows, pa.string())]) if otherwise is None else otherwise


def _codes(rows: pa.Table, name: str, vocabulary: Sequence[str]) -> npt.NDArray[np.uint8]:
    if name not in rows.column_names:
        return np.zeros(rows.num_rows, dtype=np.uint8)
    known = codes_of(rows.schema).get(name, list(vocabulary))
    places = [vocabulary.index(word) if word in vocabulary else 0 for word in known]
    return np.array(places, dtype=np.uint8)[_ints(pc.fill_null(rows[name], 0))]


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), dtype=np.int64)
