"""Attribution of lock waits to the holders of the lock, moment by moment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reports.analysis.locks.ledger import Attribution, LockHolders, WaitKind
from reports.data.arrays import Ints
from reports.data.lock_rows import LockRows
from reports.findings.pooling import summed


class Asked(NamedTuple):
    """Waits by their positions among the rows, the part of each to attribute, and the group that it counts in."""

    waits: Ints
    starts: Ints
    ends: Ints
    group: Ints


def attribute(rows: LockRows, held: LockHolders) -> Attribution:
    waits = np.flatnonzero(rows.judged)
    kinds, kind = _kinds(rows, waits)
    asked = Asked(waits, rows.starts[waits], rows.ends[waits], kind)
    direct = _seconds(attribute_time(rows, held, asked, "direct"), kinds, rows.names.all)
    if held.root is held.direct and rows.root is rows.blocker:  # no holder of the lock waits for another lock
        return Attribution(direct, direct, summed({(k.database, 1): seconds} for (k, _), seconds in direct.items()))
    root = _seconds(attribute_time(rows, held, asked, "root"), kinds, rows.names.all)
    depth = attribute_time(rows, held, asked, "depth").items()
    return Attribution(direct, root, summed({(kinds[k].database, label): ns / 1e9} for (k, label), ns in depth))


def _seconds(
    found: Mapping[tuple[int, int], float], kinds: Sequence[WaitKind], names: Sequence[str]
) -> dict[tuple[WaitKind, str], float]:
    return {(kinds[kind], names[label]): ns / 1e9 for (kind, label), ns in found.items()}


def _kinds(rows: LockRows, waits: Ints) -> tuple[list[WaitKind], Ints]:
    """All kinds, and the number of each wait's kind."""
    shape = len(rows.databases), len(rows.names.all), max(len(rows.objects.all), 1)
    columns = [column[waits].astype(np.int64) for column in (rows.database, rows.waiter, rows.object)]
    codes = (columns[0] * shape[1] + columns[1]) * shape[2] + columns[2]
    kinds, kind = np.unique(codes, return_inverse=True)
    parts = zip(*np.unravel_index(kinds, shape), strict=True) if len(kinds) else ()
    return [WaitKind(rows.databases[d], rows.names.all[w], rows.objects.all[o]) for d, w, o in parts], kind


def attribute_time(rows: LockRows, held: LockHolders, asked: Asked, by: str) -> dict[tuple[int, int], float]:
    """Nanoseconds by group and label of the holders: `direct`, `root` or `depth`. Time without a known holder is
    attributed to the holder that the wait's own row names."""
    waits, starts, ends, group = asked
    groups = int(group.max(initial=-1)) + 1
    whole = rows.ends[waits] - rows.starts[waits]
    worth = rows.weight[waits] / np.maximum(whole, 1)
    free = np.where(whole > 0, np.maximum(ends - starts, 0) * worth, rows.weight[waits])
    sums: dict[tuple[int, int], float] = defaultdict(float)
    for label, behind in held.intervals.behind(getattr(held, by), held.queue[waits], starts, ends):
        free -= behind * worth
        _add(sums, np.bincount(group, behind * worth, groups), label)
    own = {"direct": rows.blocker, "root": rows.root, "depth": rows.depth}[by][waits].astype(np.int64)
    free = np.maximum(free, 0.0)
    for label in np.unique(own):
        selected = own == label
        _add(sums, np.bincount(group[selected], free[selected], groups), int(label))
    return sums


def _add(sums: dict[tuple[int, int], float], found: npt.NDArray[np.number[Any]], label: int) -> None:
    for place in np.flatnonzero(found > 0):
        sums[int(place), label] += float(found[place])
