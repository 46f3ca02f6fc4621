"""An index of time intervals by group, such as a session or a queue, and moment. Arrays in, arrays out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.data.arrays import Floats, Ints, Mask

AnyInts = npt.NDArray[np.integer[Any]]
Cuts = tuple[Ints, Ints, Ints, Ints]
"""Pieces of spans: number of the span, beginning, end, and the interval that lies there (-1: none)."""


class IntervalIndex:
    """The intervals of all groups, laid end to end on one line, so that one binary search answers all queries.

    The intervals of a group are sorted and do not overlap; an overlapping one begins where the earlier one ended.
    `order` holds the positions of the intervals as given, in the order of the line.
    """

    def __init__(self, group: AnyInts, starts: Ints, ends: Ints, groups: int) -> None:
        self.count = groups
        self.order = np.lexsort((starts, group))
        self.group, starts, ends = group[self.order], starts[self.order], ends[self.order]
        edges = np.searchsorted(self.group, np.arange(groups + 1))
        self._begins, over = (np.zeros(groups, dtype=np.int64) for _ in range(2))
        some = edges[1:] > edges[:-1]
        if len(starts):
            self._begins[some] = starts[edges[:-1][some]]
            over[some] = np.maximum.reduceat(ends, edges[:-1][some])
        self._lengths = np.maximum(over - self._begins, 0)
        self._offsets = np.concatenate(([0], np.cumsum(self._lengths + 1)))
        until = np.maximum.accumulate(self._place(self.group, ends))
        self.starts_at = np.maximum(self._place(self.group, starts), np.concatenate(([0], until[:-1]))[: len(until)])
        self.ends_at = np.maximum(until, self.starts_at)

    def _place(self, group: AnyInts, moments: Ints) -> Ints:
        past = np.clip(moments - self._begins[group], 0, self._lengths[group])
        return np.asarray(self._offsets[group] + past, dtype=np.int64)

    def _moment(self, group: AnyInts, places: Ints) -> Ints:
        return np.asarray(places - self._offsets[group] + self._begins[group], dtype=np.int64)

    def moments(self) -> tuple[Ints, Ints]:
        """Beginning and end of each interval, in the order of the line."""
        return self._moment(self.group, self.starts_at), self._moment(self.group, self.ends_at)

    def at(self, group: AnyInts, moments: Ints) -> Ints:
        """The interval (its position on the line) at each moment of a group; -1 for none, and for group -1."""
        known = group >= 0
        found = np.full(len(group), -1, dtype=np.int64)
        if len(self.group) and known.any():
            selected, when = group[known], moments[known]
            at = self._place(selected, when)
            last = np.searchsorted(self.starts_at, at, side="right") - 1
            inside = (when >= self._begins[selected]) & (when <= self._begins[selected] + self._lengths[selected])
            hit = (last >= 0) & inside & (self.group[last] == selected) & (at <= self.ends_at[last])
            found[known] = np.where(hit, last, -1)
        return found

    def touched(self, group: Ints, starts: Ints, ends: Ints) -> Mask:
        """Whether any interval of its group overlaps each span."""
        begin, end = self._place(group, starts), self._place(group, ends)
        first = np.searchsorted(self.ends_at, begin, side="right")
        return np.asarray(np.searchsorted(self.starts_at, end) > first)

    def cut(self, group: Ints, starts: Ints, ends: Ints) -> Cuts:
        """Cut each span where the intervals of its group begin and end; group -1 has none."""
        selected = np.maximum(group, 0)
        begin, end = self._place(selected, starts), self._place(selected, ends)
        first = np.searchsorted(self.ends_at, begin, side="right")
        past = np.where(group >= 0, np.maximum(np.searchsorted(self.starts_at, end), first), first)
        counts = past - first
        owner = np.repeat(np.arange(len(group)), counts)
        interval = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        lo = np.maximum(self._moment(selected[owner], self.starts_at[interval]), starts[owner])
        hi = np.minimum(self._moment(selected[owner], self.ends_at[interval]), ends[owner])
        return _with_gaps((owner, lo, np.maximum(hi, lo), interval), starts, ends)

    def behind(self, labels: AnyInts, group: AnyInts, starts: Ints, ends: Ints) -> Iterator[tuple[int, Floats]]:
        """By label of the intervals (in the order of the line): the ns of each span that its intervals cover."""
        if not len(self.order):
            return
        begin, end = (self._reached(self._place(group, moments)) for moments in (starts, ends))
        for label in np.unique(labels):
            before = np.append(np.cumsum(np.where(labels == label, self.ends_at - self.starts_at, 0)), 0)
            since, until = (
                (before[last - 1] + np.where(labels[last] == label, partly, 0)).astype(np.float64)
                for last, partly in (begin, end)
            )
            yield int(label), until - since

    def _reached(self, places: Ints) -> tuple[Ints, Ints]:
        """The last interval that began before each place of the line, the first where none did, and how much of it
        lies before that place."""
        last = np.maximum(np.searchsorted(self.starts_at, places, side="right") - 1, 0)
        return last, np.maximum(np.minimum(places, self.ends_at[last]) - self.starts_at[last], 0)


def running_max(group: Ints, values: Ints) -> Ints:
    """The largest value so far within each group; the groups lie one after another, in rising order."""
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    so_far = np.maximum.accumulate(group * len(values) + rank) - group * len(values)
    return np.asarray(values[order[so_far]], dtype=np.int64)


def _with_gaps(cuts: Cuts, starts: Ints, ends: Ints) -> Cuts:
    """The pieces, and the parts of each span before, between and after them."""
    owner, lo, hi, interval = cuts
    same = np.concatenate(([False], owner[1:] == owner[:-1]))[: len(owner)]
    before = np.where(same, np.concatenate(([0], hi[:-1]))[: len(owner)], starts[owner])
    reached = starts.copy()
    np.maximum.at(reached, owner, hi)
    every_span, none = np.arange(len(starts)), np.full(len(starts), -1)
    pieces = np.concatenate(
        [
            np.stack([owner, lo, hi, interval]),
            np.stack([owner, before, lo, np.full(len(owner), -1)]),
            np.stack([every_span, reached, ends, none]),
        ],
        axis=1,
    )
    pieces = pieces[:, pieces[2] > pieces[1]]
    return pieces[0], pieces[1], pieces[2], pieces[3]


@dataclass(frozen=True)
class Pairs:
    """Dense numbers for (database, session), each a group of an `IntervalIndex`."""

    sessions: Ints
    """All sessions, sorted."""
    databases: int

    @property
    def count(self) -> int:
        return len(self.sessions) * max(self.databases, 1)

    def of(self, database: Ints, session: Ints) -> Ints:
        """-1 where there is no such session."""
        if not len(self.sessions):
            return np.full(len(session), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.sessions, session), len(self.sessions) - 1)
        found = (self.sessions[place] == session) & (database >= 0)
        return np.where(found, database * len(self.sessions) + place, -1).astype(np.int64)
