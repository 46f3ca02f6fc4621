"""Judged time as windows, and how much of it an observer saw. Arrays in, numbers out."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Window = tuple[int, int]
"""From, to (exclusive), in nanoseconds."""

_GAP_PERIODS = 5
_GAP_AT_LEAST_NS = 1_000_000_000
"""Ticks that are further apart than both say that nobody looked, although no tick says so."""


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The same time in windows that neither touch nor overlap, in order."""
    out: list[Window] = []
    for begin, end in sorted(w for w in windows if w[0] < w[1]):
        if out and begin <= out[-1][1]:
            out[-1] = out[-1][0], max(out[-1][1], end)
        else:
            out.append((begin, end))
    return tuple(out)


def length_ns(windows: Iterable[Window]) -> int:
    return sum(end - begin for begin, end in windows)


def inside(times: Int64s, windows: Sequence[Window]) -> Bools:
    """Which of the times lie in any of the windows."""
    hit = np.zeros(len(times), dtype=np.bool_)
    for begin, end in windows:
        hit |= (times >= begin) & (times < end)
    return hit


def overlap_ns(a: Sequence[Window], b: Sequence[Window]) -> int:
    """How long both last at once; each list is merged already."""
    return sum(max(0, min(x[1], y[1]) - max(x[0], y[0])) for x in a for y in b)


def blind_windows(planned_ns: Int64s, ended_ns: Int64s, failed: Bools, until_ns: int) -> tuple[Window, ...]:
    """When a probe did not see: from a failed tick to the next one, and where ticks are missing.

    `until_ns` is when the load had ended: silence before it is blindness too.
    """
    order = np.argsort(planned_ns, kind="stable")
    planned, ended, bad = planned_ns[order], ended_ns[order], failed[order]
    following = np.append(planned[1:], max(until_ns, int(ended[-1])))
    period = int(np.median(np.diff(planned))) if len(planned) > 1 else 0
    gap = following - planned > max(_GAP_PERIODS * period, _GAP_AT_LEAST_NS)
    return merged(_blind(planned, ended, following, bad, gap))


def _blind(planned: Int64s, ended: Int64s, following: Int64s, bad: Bools, gap: Bools) -> Iterator[Window]:
    for i in np.flatnonzero(bad | gap):
        begin = planned[i] if bad[i] else min(ended[i], following[i])
        yield int(begin), int(max(following[i], ended[i]) if bad[i] else following[i])
