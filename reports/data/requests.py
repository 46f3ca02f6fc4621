"""A pod's transactions by request, in order, without overlaps."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reports.data.arrays import MISSING, Ints, Mask
from reports.data.interval_index import running_max
from reports.data.transactions import OPERATION_NAMES, Transactions


@dataclass(frozen=True)
class Requests:
    """The transactions that served requests, request after request, by rising key; times in ns.

    The pod worked on each from `since`, asked its pool for a session at `asked`, had one at `had`, and was done at
    `ended`; time that overlaps an earlier transaction of the same request is left out. Where the pod does not record
    when it asked, `since` and `asked` are `had`. `row` is that of the table.
    """

    key: npt.NDArray[np.uint64]
    operation: npt.NDArray[np.uint8]
    row: Ints
    since: Ints
    asked: Ints
    had: Ints
    ended: Ints

    def __len__(self) -> int:
        return len(self.key)


def requests(rows: Transactions) -> Requests:
    had: Ints = np.where(rows.waiting != MISSING, rows.waiting, rows.begun)
    stated = rows.asked != MISSING
    asked = np.where(stated, np.minimum(rows.asked, had), had)
    order = np.lexsort((asked, rows.key))
    order = order[np.searchsorted(rows.key, 1, sorter=order) :]  # key 0 belongs to no request
    key, asked, had, ended = rows.key[order], asked[order], had[order], rows.ended[order]
    first = np.append(True, key[1:] != key[:-1])[: len(key)]
    before = _before(first, ended, np.where(rows.received[order] != MISSING, rows.received[order], asked))
    since = np.where(stated[order], before, np.maximum(before, had))
    asked = np.maximum(asked, since)
    had = np.maximum(had, asked)
    return Requests(key, rows.operation[order], order, np.minimum(since, asked), asked, had, np.maximum(ended, had))


def _before(first: npt.NDArray[np.bool_], ended: Ints, received: Ints) -> Ints:
    """When the previous transaction ended or the request was read, whichever is later."""
    again = np.flatnonzero(~(first & np.append(first[1:], True)[: len(first)]))
    if len(again):  # few requests have more than one transaction
        over = running_max(np.cumsum(first[again]), ended[again])
        over = np.where(first[again], received[again], np.append(0, over[:-1]))
        received[again] = np.maximum(over, received[again])
    return received


def by_operation(served: Requests) -> Iterable[tuple[str, Mask]]:
    for code in np.unique(served.operation):
        if code < len(OPERATION_NAMES):
            yield OPERATION_NAMES[code], served.operation == code
