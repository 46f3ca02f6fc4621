"""Pushes of events: when the operation that caused each began, and when the push arrived; and which were missing.

Events of a topic are numbered without a gap, and a subscription is to get each event after the number at which it
began. So a number that is missing between two that came was lost, and was due between the moments of these two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import read_batches
from loadtests.records.tables import codes_of
from loadtests.records.vocabulary import PUBLISHING
from reports.data.arrays import MISSING, Ints, Mask
from reports.data.contract import Window
from reports.data.judged_time import touching

DELIVER, SUBSCRIBE = "event.deliver", "subscription.create"
_TOPICS = ("queue", "chat")
"""Topics whose events are numbered."""
_UNNUMBERED = -1
_MOST_MISSING = 1 << 31
"""In one gap: larger ones are no numbers of events, and their sum would overflow."""


@dataclass(frozen=True)
class Gaps:
    """Lost events between two that came: how many, the moments of these two (ns), and the pod of the second."""

    after_ns: Ints
    before_ns: Ints
    missing: Ints
    pod: Ints

    def due_in(self, windows: Sequence[Window]) -> Mask:
        """Which of them were certainly due in one of the windows."""
        due = np.zeros(len(self.missing), np.bool_)
        for begin_ns, end_ns in windows:
            due |= (self.after_ns >= begin_ns) & (self.before_ns < end_ns)
        return due

    def unplaced(self, lost: int, windows: Sequence[Window]) -> int:
        """How many of the lost events, of which the ledger found `lost`, may have been due in the windows or not."""
        earlier_ns = np.minimum(self.after_ns, self.before_ns)
        elsewhere = ~touching(earlier_ns, self.before_ns + 1, windows)
        placed = int(self.missing[self.due_in(windows) | elsewhere].sum())
        return max(lost, int(self.missing.sum())) - placed


@dataclass(frozen=True)
class Deliveries:
    """Every event that came, once for each subscription: when its cause began (MISSING: unknown), when it came, and
    over which pod, as a place in `pods`."""

    begun_ns: Ints
    ended_ns: Ints
    pod: Ints
    gaps: Gaps
    pods: Sequence[str]

    def of_pod(self, pod: Ints, name: str | None) -> Mask:
        """Which of these places in `pods` are that of the pod; all where it is None."""
        if name is None:
            return np.ones(len(pod), np.bool_)
        return pod == self.pods.index(name) if name in self.pods else np.zeros(len(pod), np.bool_)


@dataclass(frozen=True)
class Loss:
    """Events of a run that were lost, at least so many. `unknown`: why more may have been; empty when none were."""

    count: int
    unknown: str = ""


LOST = "lost_pushes"


def loss_of(checks: Iterable[Mapping[str, Any]] | None) -> Loss:
    """What the checks of a ledger found; None: there is no ledger.

    Events that the reason counts beside may have been under way when their subscription ended: it was not to get them
    any more.
    """
    if checks is None:
        return Loss(0, "there is no ledger.json")
    check = next((check for check in checks if check.get("check") == LOST), None)
    if check is None:
        return Loss(0, "the ledger did not search for lost events")
    count = check.get("count")
    if not isinstance(count, int):
        return Loss(0, str(check.get("reason") or "the ledger could not count lost events"))
    return Loss(count, "" if check.get("known") != "rows" else "the ledger compared rows alone")


@dataclass
class _Pieces:
    """Columns of rows, batch by batch."""

    pods: list[str] = field(default_factory=list)
    elements: list[Sequence[Ints]] = field(default_factory=list)
    """Of pushes and of subscriptions: the columns in `_Elements`."""
    causes: list[tuple[npt.NDArray[np.uint64], Ints]] = field(default_factory=list)
    """Key and beginning of operations that publish."""


@dataclass(frozen=True)
class _Elements:
    """Pushes and beginnings of subscriptions. `sequence` of a subscription: the number after which events are due;
    `chat`: 0 for the queue, which is one topic for all chats."""

    connection: Ints
    topic: Ints
    chat: Ints
    sequence: Ints
    subscribes: Ints
    key: Ints
    begun_ns: Ints
    ended_ns: Ints
    pod: Ints


def read_deliveries(run: RunDirectory) -> Deliveries:
    """Raises UnreadableError when the table of operations cannot be read."""
    pieces = _Pieces()
    for worker, path in enumerate(run.table_files("operations")):
        for batch in read_batches(path):
            _add(pieces, batch, worker)
    if not pieces.elements:
        none = np.empty(0, np.int64)
        return Deliveries(none, none, none, Gaps(none, none, none, none), ())
    elements = _ordered(_Elements(*(np.concatenate(column) for column in zip(*pieces.elements, strict=True))))
    begun_ns = _begun(elements, pieces.causes)
    came = _first(elements) & (elements.subscribes == 0)
    gaps = _gaps(elements, begun_ns)
    return Deliveries(begun_ns[came], elements.ended_ns[came], elements.pod[came], gaps, tuple(pieces.pods))


def _add(pieces: _Pieces, batch: pa.RecordBatch, worker: int) -> None:
    codes = codes_of(batch.schema)
    operation = _ints(batch, "operation")
    push, subscribe = (operation == _code(codes, "operation", name) for name in (DELIVER, SUBSCRIBE))
    causes = np.isin(operation, [code for code, name in enumerate(codes.get("operation", ())) if name in PUBLISHING])
    key = batch.column("key").to_numpy(zero_copy_only=False).astype(np.uint64)
    started_ns = _ints(batch, "started_ns")
    pieces.causes.append((key[causes], started_ns[causes]))
    ok, unknown = (_ints(batch, "outcome") == _code(codes, "outcome", name) for name in ("ok", "unknown"))
    topic, (queue, chat) = _ints(batch, "topic"), (_code(codes, "topic", name) for name in _TOPICS)
    numbered = (topic == queue) | (topic == chat)
    taken = (push & ok) | (subscribe & numbered & (ok | unknown))
    sequence = np.where(numbered & ok, np.maximum(_ints(batch, "sequence"), _UNNUMBERED), _UNNUMBERED)
    columns = (
        _ints(batch, "connection") + (worker << 32),
        *(topic, np.where(topic == chat, _ints(batch, "chat"), 0)),
        *(sequence, subscribe.astype(np.int64), key.astype(np.int64), started_ns, _ints(batch, "ended_ns")),
        _pods(pieces, codes.get("pod", []))[_ints(batch, "pod")],
    )
    pieces.elements.append([column[taken] for column in columns])


def _code(codes: Mapping[str, Sequence[str]], column: str, name: str) -> int:
    """The code of a name; -1, which no row has, where it has none."""
    names = codes.get(column, ())
    return names.index(name) if name in names else -1


def _pods(pieces: _Pieces, names: Sequence[str]) -> Ints:
    """The place of each of a file's pods among all."""
    pieces.pods += [name for name in names if name not in pieces.pods]
    return np.array([pieces.pods.index(name) for name in names], np.int64)


def _ints(batch: pa.RecordBatch, name: str) -> Ints:
    column = batch.column(name)
    if pa.types.is_unsigned_integer(column.type) and column.type.bit_width == 64:
        return np.asarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False).astype(np.int64))
    return np.asarray(pc.fill_null(column.cast(pa.int64()), MISSING).to_numpy(zero_copy_only=False))


def _ordered(elements: _Elements) -> _Elements:
    """By connection, topic and number; a subscription after the event with the number at which it began."""
    order = np.lexsort((elements.subscribes, elements.sequence, elements.chat, elements.topic, elements.connection))
    return _Elements(*(getattr(elements, name)[order] for name in _Elements.__dataclass_fields__))


def _same_topic(elements: _Elements) -> Mask:
    """Whether an element is about the same topic of the same connection as the one before it."""
    same = np.zeros(len(elements.connection), np.bool_)
    columns = elements.connection, elements.topic, elements.chat
    same[1:] = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
    return same


def _first(elements: _Elements) -> Mask:
    """All but repeated pushes, which `duplicated_messages` of the ledger counts."""
    again = _same_topic(elements) & (elements.sequence != _UNNUMBERED) & (elements.subscribes == 0)
    again[1:] &= (elements.sequence[1:] == elements.sequence[:-1]) & (elements.subscribes[:-1] == 0)
    return np.asarray(~again)


def _begun(elements: _Elements, causes: Sequence[tuple[npt.NDArray[np.uint64], Ints]]) -> Ints:
    """When the cause of each push began, which another worker may have recorded."""
    key, started_ns = (np.concatenate(column) for column in zip(*causes, strict=True))
    order = np.argsort(key, kind="stable")
    key, started_ns = key[order], started_ns[order]
    if not len(key):
        return elements.begun_ns
    wanted = elements.key.astype(np.uint64)
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    joined = np.where(key[place] == wanted, started_ns[place], MISSING)
    return np.where(elements.begun_ns == MISSING, joined, elements.begun_ns)


def _gaps(elements: _Elements, begun_ns: Ints) -> Gaps:
    """Where a subscription's number is unknown, or whether it began, it is unknown what was due in its topic."""
    same = _same_topic(elements)
    topic = np.cumsum(~same) - 1
    unclear = np.bincount(topic, (elements.subscribes == 1) & (elements.sequence == _UNNUMBERED)) > 0
    missing = np.zeros(len(same), np.int64)
    missing[1:] = np.clip(np.diff(elements.sequence) - 1, 0, _MOST_MISSING)
    counted = same & (elements.subscribes == 0) & (missing > 0) & (begun_ns != MISSING) & ~unclear[topic]
    counted[1:] &= elements.sequence[:-1] != _UNNUMBERED
    moment_ns = np.where(elements.subscribes == 1, elements.ended_ns, np.where(begun_ns == MISSING, 0, begun_ns))
    at = np.flatnonzero(counted)
    return Gaps(moment_ns[at - 1], moment_ns[at], missing[at], elements.pod[at])
