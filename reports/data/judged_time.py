"""Judged time as windows: what lies in it, and how much of it an observer covered."""

from collections.abc import Iterable, Sequence

import numpy as np

from loadtests.records.probe_coverage import Tick, blind_windows
from reports.data.arrays import Ints, Mask
from reports.data.contract import Window, merged


def inside(times: Ints, windows: Sequence[Window]) -> Mask:
    """Which of the times lie in any of the windows."""
    hit = np.zeros(len(times), dtype=np.bool_)
    for begin, end in windows:
        hit |= (times >= begin) & (times < end)
    return hit


def touching(starts: Ints, ends: Ints, windows: Sequence[Window]) -> Mask:
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
