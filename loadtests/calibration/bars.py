"""How good each source must be: the one place where bars stand. Ratios are 0…1, times in ms."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Bars:
    """What is asked of a source.

    `from_ms`: shorter waits it may miss, and their errors do not count; None: the threshold that it states itself.
    `found`, `blocker`, `root`: the least share; None where the source names nobody. `total`: how far what was recovered
    may be off the truth, as a share of it. `error_ms`: the error of one wait, in 19 of 20.
    """

    from_ms: float | None
    found: float
    total: float
    error_ms: float
    blocker: float | None = 0.99
    root: float | None = 0.99


BARS: Mapping[tuple[str, str], Bars] = {
    ("postgres", "event"): Bars(from_ms=None, found=0.995, total=0.02, error_ms=5),
    # Waits that a few looks see for certain. One look is 50 ms: nobody sees an end more exactly than that.
    ("postgres", "sampled"): Bars(from_ms=150, found=0.995, total=0.05, error_ms=50),
    ("mariadb", "sampled"): Bars(from_ms=500, found=0.99, total=0.10, error_ms=250),
    ("sqlite", "pod"): Bars(from_ms=1, found=0.995, total=0.02, error_ms=5, blocker=None, root=None),
}
"""Engine and best source → its bars."""

COUNTED: Mapping[str, float] = {"mariadb": 0.02, "redis": 0.02}
"""Engine → how far the server's own counter of waited (Redis: busy) time may be off, as a share of the truth; a share
smaller than the counter's resolution is not asked for."""

COUNTER_RESOLUTION_MS: Mapping[str, float] = {"mariadb": 1.0, "redis": 0.001}
"""Engine → by how much its counter cuts each wait short."""

FEWEST = 3
"""Of fewer waits than that nothing is said."""

CHANCE = 0.05
"""In the short form, where one miss of ten says little, a source fails when it would do as badly or worse in fewer
calibrations than this while it just keeps its bar; and a total of sights, when its 95 % interval does not hold the
truth."""

HIDES = 2
"""A wait whose truth may be off by more than so many times the bar of its error says nothing of that error."""
