"""How much of an operation's response the load generator, or other load of the host, can have caused.

A generator delays operations while its threads run or wait for a processor, and while the CPU quota of its control
group stops them. Other processes delay a pod or a database while its threads wait for a processor, while a quota stops
them or while they lack memory. While none of that grows, nothing of it delays anything: a transaction that is stuck is
not made late by a busy host. So the growth over an operation, and over what may have piled up before it, is the most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loadtests.records.hostload import AFTERWARDS_NS, Sample
from reports.data.arrays import Ints
from reports.data.generator import slowed

_GENERATOR = {"generator_runnable_ns": 1, "throttled_ns": 1}
_HOST = {"run_queue_ns": 1, "throttled_ns": 1, "memory_full_pressure_us": 1000}
"""Counters whose growth bounds the delay, the first of which is always there, and nanoseconds of a unit of each."""

_GENERATOR_EARLIER_NS = 1_000_000_000
"""Before the moment for which an operation was planned: a delay of its user's earlier call may have delayed it."""


@dataclass(frozen=True)
class DelayBound:
    """Time (ns) of each sample, in order, and the time by then in which operations may have been delayed. `earlier_ns`:
    for how long before an operation a delay may still have effects."""

    t_ns: Ints
    spent_ns: Ints
    earlier_ns: int

    def most_ns(self, begins_ns: Ints, ends_ns: Ints) -> Ints:
        """The most by which each of these operations may have been delayed. Samples around it bound it; where there
        is none on one side, all the time that no sample covers counts."""
        if not len(self.t_ns):
            return ends_ns - begins_ns
        begins = begins_ns - self.earlier_ns
        before = np.searchsorted(self.t_ns, begins, side="right") - 1
        after = np.searchsorted(self.t_ns, ends_ns, side="left")
        first, last = np.maximum(before, 0), np.minimum(after, len(self.t_ns) - 1)
        uncovered = np.maximum(self.t_ns[0] - begins, 0) + np.maximum(ends_ns - self.t_ns[-1], 0)
        most = self.spent_ns[last] - self.spent_ns[first] + uncovered
        clipped: Ints = np.clip(most, 0, ends_ns - begins_ns)
        return clipped

    def most_share(self, within_ns: int) -> float:
        """The greatest share of any time of that length, or of all of a shorter one, in which there was delay."""
        last = np.minimum(np.searchsorted(self.t_ns, self.t_ns + within_ns), len(self.t_ns) - 1)
        lengths, spent = self.t_ns[last] - self.t_ns, self.spent_ns[last] - self.spent_ns
        return float((spent / np.maximum(lengths, within_ns)).max(initial=0.0))


UNKNOWN_DELAY = DelayBound(np.empty(0, np.int64), np.empty(0, np.int64), 0)
"""Without samples: it may have caused each response as a whole."""

_STRAIN_NS = 5_000_000_000
_KEPT_UP = 0.5
"""A generator that neither ran nor waited for more of any five seconds does not end as saturated by either signal."""

_MEASURED = frozenset({"cpu", "run_queue", "throttling", "late_starts"})
"""Signals of a saturated generator whose effect the counters bound. One that was stopped, or short of memory, neither
runs nor waits for a processor."""


def generator_delay(end: Mapping[str, Any], samples: Sequence[Sample]) -> DelayBound | None:
    """What counts for a run with this end.json, which is empty while the run lasts; None where the generator kept
    up."""
    generator = end.get("generator") or {}
    if not end:
        so_far = _bound(samples, _GENERATOR, _GENERATOR_EARLIER_NS)
        return so_far if so_far is UNKNOWN_DELAY or so_far.most_share(_STRAIN_NS) > _KEPT_UP else None
    if generator.get("saturated") is False or (generator.get("saturated") and not slowed(end)):
        return None
    measured = _MEASURED.issuperset(generator.get("reasons") or ())
    return _bound(samples, _GENERATOR, _GENERATOR_EARLIER_NS) if measured else UNKNOWN_DELAY


def host_delay(samples: Sequence[Sample]) -> DelayBound:
    """What counts for operations that were in progress while the host was under other load."""
    return _bound(samples, _HOST, AFTERWARDS_NS)


def _bound(samples: Sequence[Sample], units: Mapping[str, int], earlier_ns: int) -> DelayBound:
    always = next(iter(units))
    known = [(t_ns, _spent_ns(counters, units)) for t_ns, counters in samples if always in counters]
    if len(known) < 2:
        return UNKNOWN_DELAY
    times, spent = zip(*known, strict=True)
    return DelayBound(np.array(times, np.int64), np.maximum.accumulate(np.array(spent, np.int64)), earlier_ns)


def _spent_ns(counters: Mapping[str, int], units: Mapping[str, int]) -> int:
    return sum(counters.get(name, 0) * unit_ns for name, unit_ns in units.items())
