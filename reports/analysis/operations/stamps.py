"""Whether the clock of the pushes' stamps is the harness's clock. Arrays in, bounds out.

A push was published after the operation that caused it began and before it arrived. With one clock that is so for the
stamps as well; with two, each push bounds how far they are apart, and a run's pushes bound it to about the quickest of
them. Stamps by another clock measure no delivery.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.data.arrays import Ints
from reports.text.wording import duration

_TOLERANCE_NS = 1_000_000
"""Tolerance for reading the two clocks at slightly different moments."""

_SLOWEST_NS = 1_000_000_000
"""The largest minimum delay of a run that is plausible where no cause is known."""

_FARTHEST_NS = 1 << 61
"""About 70 years: larger values are not clock readings, and differences would overflow."""


@dataclass(frozen=True)
class StampClock:
    """How far the stamps' clock is ahead of the harness's in ns: from `low` to `high`. None: nothing bounds it.

    `low` above `high`: no constant difference explains the stamps.
    """

    low: int | None = None
    high: int | None = None
    tolerance_ns: int = _TOLERANCE_NS

    def with_pushes(self, published: Ints, ended: Ints, started: Ints | None = None) -> "StampClock":
        """The bounds tightened by these pushes; `started`: when their causes began, where these are known."""
        if not len(published):
            return self
        stamps = np.clip(published, -_FARTHEST_NS, _FARTHEST_NS)
        lows = [int((stamps - ended).max()), *([] if self.low is None else [self.low])]
        highs = [] if self.high is None else [self.high]
        if started is not None:
            highs.append(int((stamps - started).min()))
        return StampClock(max(lows), min(highs, default=None), self.tolerance_ns)

    @property
    def moved(self) -> bool:
        """Whether one of the clocks was set, or drifted, during the run."""
        return self.low is not None and self.high is not None and self.low > self.high + self.tolerance_ns

    @property
    def usable(self) -> bool:
        """Whether the stamps can be compared with our times; True where there are none."""
        if self.low is None:
            return True
        behind = self.high < -self.tolerance_ns if self.high is not None else self.low < -_SLOWEST_NS
        return not (self.moved or behind or self.low > self.tolerance_ns)

    @property
    def words(self) -> str:
        """The fault of the clock, as the end of a sentence; empty without a fault."""
        if self.usable or self.low is None:
            return ""
        if self.moved and self.high is not None:
            return f"was set or drifted by {_length(self.low - self.high)} while the run went on, or this host's was"
        if self.low > self.tolerance_ns:
            return f"is {_between(self.low, self.high)} ahead of this host's"
        if self.high is None:
            return f"may be behind this host's: no push came within {_length(-self.low)} of its stamp"
        return f"is {_between(-self.high, -self.low)} behind this host's"


def _length(ns: int) -> str:
    return duration(ns / 1e9)


def _between(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {_length(least)}"
    low, high = _length(least), _length(most)
    return low if low == high else f"{low} to {high}"


def tolerance_ns(manifest: Mapping[str, Any]) -> int:
    """Tolerance of the run's clocks, with the clock error of workers on other hosts."""
    workers = (manifest.get("generator") or {}).get("workers") or ()
    errors = [worker.get("error_ns") for worker in workers if isinstance(worker, Mapping)]
    return _TOLERANCE_NS + max((int(error) for error in errors if isinstance(error, int | float)), default=0)
