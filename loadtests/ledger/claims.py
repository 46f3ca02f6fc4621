"""What the load was told: the keys of what a pod said was done. Pure but for reading the run's tables."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.ledger.storage import Keys
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import read_batches
from loadtests.records.vocabulary import OPERATIONS, OUTCOMES

_OK = OUTCOMES.index("ok")


@dataclass(frozen=True)
class Claims:
    """Chats that were accepted, those that more than one connection was given, and messages that were sent."""

    accepted_chats: Keys
    accepted_twice: Keys
    messages: Keys


def read_claims(directory: RunDirectory) -> Claims:
    """From every worker's operations. A worker's connection is one agent's, so `already yours` counts once."""
    accepts: list[pa.Table] = []
    messages: list[Keys] = []
    for number, path in enumerate(directory.table_files("operations")):
        for batch in read_batches(path):
            accepts.append(_accepts(batch, number))
            messages.append(_keys(_done(batch, "message.send"), "key"))
    chats, twice = _chats(accepts)
    return Claims(chats, twice, _distinct(messages))


def _done(batch: pa.RecordBatch, operation: str) -> pa.RecordBatch:
    is_it = pc.equal(batch["operation"], OPERATIONS.index(operation))
    return batch.filter(pc.and_(is_it, pc.equal(batch["outcome"], _OK)))


def _accepts(batch: pa.RecordBatch, worker: int) -> pa.Table:
    done = _done(batch, "chat.accept")
    chat, connection = done["chat"], done["connection"]
    workers = pa.array(np.full(done.num_rows, worker, dtype=np.int32))
    return pa.table({"chat": chat, "worker": workers, "connection": connection})


def _chats(accepts: list[pa.Table]) -> tuple[Keys, Keys]:
    """Every accepted chat, and those accepted by more than one."""
    if not accepts:
        return _distinct([]), _distinct([])
    table = pa.concat_tables(accepts).filter(pc.field("chat").is_valid())
    winners = table.group_by(["chat", "worker", "connection"]).aggregate([])
    chats, counts = np.unique(winners["chat"].to_numpy().astype(np.uint64), return_counts=True)
    return chats, chats[counts > 1]


def _keys(batch: pa.RecordBatch, column: str) -> Keys:
    return np.asarray(batch[column].to_numpy(zero_copy_only=False), dtype=np.uint64)


def _distinct(parts: Iterable[Keys]) -> Keys:
    return np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *parts]))
