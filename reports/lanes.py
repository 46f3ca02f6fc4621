"""Spans of time in many lanes (a lane a session, a lane a queue), found by lane and moment. Arrays in, arrays out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.frames import Floats, Ints, Mask

AnyInts = npt.NDArray[np.integer[Any]]
Cuts = tuple[Ints, Ints, Ints, Ints]
"""Pieces of spans: whose, from, to, and which span of the lane lies there (-1: none)."""


class Lanes:
    """Spans of each lane, laid end to end on one line, so that one search finds the places of all that are asked for.

    The spans of a lane are in order and do not overlap; where they do, the later one goes on where the earlier ended.
    `order` are the places of the spans as given, in the order of the line.
    """

    def __init__(self, lane: AnyInts, starts: Ints, ends: Ints, lanes: int) -> None:
        self.count = lanes
        self.order = np.lexsort((starts, lane))
        self.lane, starts, ends = lane[self.order], starts[self.order], ends[self.order]
        edges = np.searchsorted(self.lane, np.arange(lanes + 1))
        self._begins, over = (np.zeros(lanes, dtype=np.int64) for _ in range(2))
        some = edges[1:] > edges[:-1]
        if len(starts):
            self._begins[some] = starts[edges[:-1][some]]
            over[some] = np.maximum.reduceat(ends, edges[:-1][some])
        self._lengths = np.maximum(over - self._begins, 0)
        self._offsets = np.concatenate(([0], np.cumsum(self._lengths + 1)))
        until = np.maximum.accumulate(self._place(self.lane, ends))
        self.starts_at = np.maximum(self._place(self.lane, starts), np.concatenate(([0], until[:-1]))[: len(until)])
        self.ends_at = np.maximum(until, self.starts_at)

    def _place(self, lane: AnyInts, moments: Ints) -> Ints:
        past = np.clip(moments - self._begins[lane], 0, self._lengths[lane])
        return np.asarray(self._offsets[lane] + past, dtype=np.int64)

    def _moment(self, lane: AnyInts, places: Ints) -> Ints:
        return np.asarray(places - self._offsets[lane] + self._begins[lane], dtype=np.int64)

    def moments(self) -> tuple[Ints, Ints]:
        """When each span begins and ends, in the order of the line."""
        return self._moment(self.lane, self.starts_at), self._moment(self.lane, self.ends_at)

    def at(self, lane: AnyInts, moments: Ints) -> Ints:
        """Which span (its place on the line) lies at each moment of a lane; -1 for none, and for lane -1."""
        known = lane >= 0
        found = np.full(len(lane), -1, dtype=np.int64)
        if len(self.lane) and known.any():
            mine, when = lane[known], moments[known]
            at = self._place(mine, when)
            last = np.searchsorted(self.starts_at, at, side="right") - 1
            inside = (when >= self._begins[mine]) & (when <= self._begins[mine] + self._lengths[mine])
            hit = (last >= 0) & inside & (self.lane[last] == mine) & (at <= self.ends_at[last])
            found[known] = np.where(hit, last, -1)
        return found

    def touched(self, lane: Ints, starts: Ints, ends: Ints) -> Mask:
        """Whether a span of its lane lies anywhere in what is asked for."""
        begin, end = self._place(lane, starts), self._place(lane, ends)
        first = np.searchsorted(self.ends_at, begin, side="right")
        return np.asarray(np.searchsorted(self.starts_at, end) > first)

    def cut(self, lane: Ints, starts: Ints, ends: Ints) -> Cuts:
        """Cuts what is asked for where the spans of its lane begin and end; lane -1 has none."""
        mine = np.maximum(lane, 0)
        begin, end = self._place(mine, starts), self._place(mine, ends)
        first = np.searchsorted(self.ends_at, begin, side="right")
        past = np.where(lane >= 0, np.maximum(np.searchsorted(self.starts_at, end), first), first)
        counts = past - first
        whose = np.repeat(np.arange(len(lane)), counts)
        which = first[whose] + np.arange(len(whose)) - np.repeat(np.cumsum(counts) - counts, counts)
        lo = np.maximum(self._moment(mine[whose], self.starts_at[which]), starts[whose])
        hi = np.minimum(self._moment(mine[whose], self.ends_at[which]), ends[whose])
        return _with_gaps((whose, lo, np.maximum(hi, lo), which), starts, ends)

    def behind(self, labels: AnyInts, lane: AnyInts, starts: Ints, ends: Ints) -> Iterator[tuple[int, Floats]]:
        """By label of the spans (in the order of the line): how long, in ns, its spans cover of what is asked for."""
        begin, end = (self._place(lane, moments) for moments in (starts, ends))
        for label in np.unique(labels):
            mine = labels == label
            since, until = self.starts_at[mine], self.ends_at[mine]
            before = np.cumsum(until - since) - (until - since)
            yield int(label), _covered(since, until, before, end) - _covered(since, until, before, begin)


def _covered(since: Ints, until: Ints, before: Ints, places: Ints) -> Floats:
    """How much of the line up to each place those spans cover; `before` is how much of it those before each span do."""
    last = np.searchsorted(since, places, side="right") - 1
    covered = before[last] + np.minimum(places, until[last]) - since[last]
    return np.where(last >= 0, covered, 0).astype(np.float64)


def running_max(group: Ints, values: Ints) -> Ints:
    """The largest value so far within each group; the groups lie one after another, in rising order."""
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    so_far = np.maximum.accumulate(group * len(values) + rank) - group * len(values)
    return np.asarray(values[order[so_far]], dtype=np.int64)


def _with_gaps(cuts: Cuts, starts: Ints, ends: Ints) -> Cuts:
    """The pieces, and what of each span is between, before and behind them."""
    whose, lo, hi, which = cuts
    same = np.concatenate(([False], whose[1:] == whose[:-1]))[: len(whose)]
    before = np.where(same, np.concatenate(([0], hi[:-1]))[: len(whose)], starts[whose])
    reached = starts.copy()
    np.maximum.at(reached, whose, hi)
    everyone, none = np.arange(len(starts)), np.full(len(starts), -1)
    pieces = np.concatenate(
        [
            np.stack([whose, lo, hi, which]),
            np.stack([whose, before, lo, np.full(len(whose), -1)]),
            np.stack([everyone, reached, ends, none]),
        ],
        axis=1,
    )
    pieces = pieces[:, pieces[2] > pieces[1]]
    return pieces[0], pieces[1], pieces[2], pieces[3]


@dataclass(frozen=True)
class Pairs:
    """Dense numbers for (database, session): a lane each."""

    sessions: Ints
    """All that there are, sorted."""
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
