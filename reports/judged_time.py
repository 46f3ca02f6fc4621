"""Judged time as windows, and how much of it an observer covered. Arrays in, numbers out."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from loadtests.records.probe_coverage import Tick, blind_windows

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Window = tuple[int, int]
"""From, to (exclusive), in nanoseconds."""


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


def touching(starts: Int64s, ends: Int64s, windows: Sequence[Window]) -> Bools:
    """Which of the spans have any time in any of the windows."""
    hit = np.zeros(len(starts), dtype=np.bool_)
    for begin, end in windows:
        hit |= (starts < end) & (ends > begin)
    return hit


def blind_times(probes: Iterable[Sequence[Tick]], begins_ns: int, ends_ns: int) -> list[tuple[Window, ...]]:
    """For the ticks of each probe: the windows between the two moments that it did not cover."""
    return [merged(blind_windows(ticks, begins_ns, ends_ns)) for ticks in probes]


def overlap_ns(a: Sequence[Window], b: Sequence[Window]) -> int:
    """How long both last at once; each list is merged already."""
    total = x = y = 0
    while x < len(a) and y < len(b):
        total += max(0, min(a[x][1], b[y][1]) - max(a[x][0], b[y][0]))
        if a[x][1] <= b[y][1]:
            x += 1
        else:
            y += 1
    return total
