"""How much of an operation's response the load generator can have caused itself.

A generator delays operations while its threads run or wait for a processor, and while the CPU quota of its control
group stops them. While they sleep, they delay nothing. So the growth of these times over an operation is the most that
the generator can have added to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loadtests.records.hostload import Sample
from reports.data.arrays import Ints
from reports.data.generator import slowed

EARLIER_NS = 1_000_000_000
"""Before the moment for which an operation was planned: a delay of its user's earlier call may have delayed it."""

_COUNTERS = "generator_runnable_ns", "throttled_ns"


@dataclass(frozen=True)
class GeneratorLag:
    """Time (ns) of each sample, in order, and the time by then in which the generator may have delayed operations."""

    t_ns: Ints
    spent_ns: Ints

    def most_ns(self, begins_ns: Ints, ends_ns: Ints) -> Ints:
        """The most by which each of these operations may have been delayed. Samples around it bound it; where there
        is none on one side, all the time that no sample covers counts."""
        if not len(self.t_ns):
            return ends_ns - begins_ns
        begins = begins_ns - EARLIER_NS
        before = np.searchsorted(self.t_ns, begins, side="right") - 1
        after = np.searchsorted(self.t_ns, ends_ns, side="left")
        first, last = np.maximum(before, 0), np.minimum(after, len(self.t_ns) - 1)
        uncovered = np.maximum(self.t_ns[0] - begins, 0) + np.maximum(ends_ns - self.t_ns[-1], 0)
        most = self.spent_ns[last] - self.spent_ns[first] + uncovered
        clipped: Ints = np.clip(most, 0, ends_ns - begins_ns)
        return clipped


UNKNOWN_LAG = GeneratorLag(np.empty(0, np.int64), np.empty(0, np.int64))
"""Of a generator without samples: it may have caused each response as a whole."""


_MEASURED = frozenset({"cpu", "run_queue", "throttling", "late_starts"})
"""Signals of a saturated generator whose effect these times bound. One that was stopped, or short of memory, neither
runs nor waits for a processor."""


def lag_of(end: Mapping[str, Any], samples: Sequence[Sample]) -> GeneratorLag | None:
    """The lag that counts for a run with this end.json; None where the generator kept up."""
    generator = end.get("generator") or {}
    if generator.get("saturated") is False or (generator.get("saturated") and not slowed(end)):
        return None
    measured = _MEASURED.issuperset(generator.get("reasons") or ())
    return generator_lag(samples) if measured else UNKNOWN_LAG


def generator_lag(samples: Sequence[Sample]) -> GeneratorLag:
    """From the samples of the host; unknown where none has the counter of the generator."""
    known = [(t_ns, _spent_ns(counters)) for t_ns, counters in samples if _COUNTERS[0] in counters]
    if len(known) < 2:
        return UNKNOWN_LAG
    times, spent = zip(*known, strict=True)
    return GeneratorLag(np.array(times, np.int64), np.maximum.accumulate(np.array(spent, np.int64)))


def _spent_ns(counters: Mapping[str, int]) -> int:
    return sum(counters.get(name, 0) for name in _COUNTERS)
