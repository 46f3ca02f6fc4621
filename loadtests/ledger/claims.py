"""The replies that the load received: the run's operations, as far as the ledger checks them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from loadtests.ledger.stored import Column, StoredTable
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import read_batches
from loadtests.records.vocabulary import OPERATIONS, OUTCOMES, TOPICS

OK, REFUSED, FAIL, UNKNOWN = (OUTCOMES.index(name) for name in ("ok", "refused", "fail", "unknown"))
QUEUE, CHAT = TOPICS.index("queue"), TOPICS.index("chat")
NONE = -1
"""Stands for a number that a row does not give."""

CREATE, SUBSCRIBE, UNSUBSCRIBE, OFFER, ACCEPT, SEND, CLOSE_CHAT, CLOSE, PUSH = (
    OPERATIONS.index(name)
    for name in (
        "connection.create",
        "subscription.create",
        "subscription.delete",
        "chat.offer",
        "chat.accept",
        "message.send",
        "chat.close",
        "connection.close",
        "event.deliver",
    )
)
_COLUMNS = ("operation", "outcome", "account", "key", "chat", "topic", "sequence", "started_ns", "ended_ns")


@dataclass(frozen=True)
class Claims:
    """Rows of every worker, in the order in which each worker wrote them: pushes in the order of their coming.

    Columns: those of the operations table; `connection` is unique over all workers; `subject` is the topic that a row
    is about, as the storage's topics: 0 the queue, else the chat's key.
    """

    rows: StoredTable

    def of(self, *operations: int) -> StoredTable:
        return self.rows.where(np.isin(self.rows["operation"], operations))

    def done(self, operation: int) -> StoredTable:
        """The rows of an operation that were acknowledged."""
        rows = self.of(operation)
        return rows.where(rows["outcome"] == OK)


def read_claims(directory: RunDirectory) -> Claims:
    """Raises KeyError when the table has other columns."""
    parts = [_columns(_EMPTY, 0)]
    for worker, path in enumerate(directory.table_files("operations")):
        parts += [_columns(batch, worker) for batch in read_batches(path)]
    return Claims(StoredTable({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}))


_EMPTY = pa.RecordBatch.from_pydict({name: pa.array([], pa.int64()) for name in (*_COLUMNS, "connection")})


def _columns(batch: pa.RecordBatch, worker: int) -> dict[str, Column]:
    found = {name: _numbers(batch[name], name) for name in _COLUMNS}
    connection = _numbers(batch["connection"], "connection")
    subject = np.where(found["topic"] == QUEUE, np.uint64(0), found["chat"])
    return {**found, "connection": connection + (worker << 32), "subject": subject}


def _numbers(column: pa.Array, name: str) -> Column:
    kind = _SMALL.get(name, np.uint64 if name in _KEYS else np.int64)
    filled = column.fill_null(0 if name in _KEYS else NONE) if column.null_count else column
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=kind)


_KEYS = frozenset({"key", "chat"})
_SMALL = {"operation": np.int8, "outcome": np.int8, "topic": np.int8, "account": np.int32}
