"""Figures of lock waits: who waited for whom, for how long, and how that is known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from reports.data.arrays import Floats
from reports.data.contract import CounterGrowth
from reports.findings.pooling import longest, summed, together_known

MOST_CONVOYS = 10
MOST_WAITS = 10
"""Number of longest convoys, and of longest waits, that are reported."""


@dataclass(frozen=True)
class Sampled:
    """A sum of sampled lock time in ns, with the sum of squares and the largest value of single samples."""

    ns: float = 0.0
    squares: float = 0.0
    largest: float = 0.0

    def __add__(self, other: "Sampled") -> "Sampled":
        """The sum with that of other samples."""
        return Sampled(self.ns + other.ns, self.squares + other.squares, max(self.largest, other.largest))

    @property
    def seconds(self) -> float:
        return self.ns / 1e9

    def interval_s(self, period_s: float) -> tuple[float, float]:
        """The 95 % interval. A further sample would have shown at least one session, for one period."""
        from scipy.special import chdtri

        one = max(self.largest, period_s * 1e9)
        ns, squares = self.ns + one, self.squares + one * one
        low = self.squares / self.ns * chdtri(2 * self.ns**2 / self.squares, 0.975) / 2 if self.ns > 0 else 0.0
        return float(low) / 1e9, float(squares / ns * chdtri(2 * ns**2 / squares, 0.025) / 2) / 1e9


@dataclass(frozen=True)
class LockWaits:
    """A run's lock waits. `known` is how: `event`, `pod`, `counter`, `sampled`; None when they were not observed.

    `seconds` counts waits that began in judged stages, by (waiter, root blocker); `sampled` is the sampled part of it,
    by waiter.
    `sessions` is the mean number of sessions waiting in each bin of the whole run, by waiter.
    """

    known: str | None
    period_s: float | None = None
    seconds: Mapping[tuple[str, str], float] = field(default_factory=dict)
    waits: Mapping[str, int] = field(default_factory=dict)
    sampled: Mapping[str, Sampled] = field(default_factory=dict)
    sessions: Mapping[str, Floats] = field(default_factory=dict)
    stages: Floats = field(default_factory=lambda: np.zeros(0))
    """The mean number of sessions waiting in each stage: seconds waited in each second."""
    databases: Mapping[str, "LockWaits"] = field(default_factory=dict)
    """The same by database; empty in each of these."""

    def __add__(self, other: "LockWaits") -> "LockWaits":
        """Those of two runs, or of two databases of one run; unknown when one of them is. Not by database."""
        known = together_known((self.known, other.known))
        if known is None:
            return LockWaits(None)
        stages = min(len(self.stages), len(other.stages))  # a run that was cut off has fewer
        return LockWaits(
            known,
            longest((self.period_s, other.period_s)),
            summed((self.seconds, other.seconds)),
            summed((self.waits, other.waits)),
            summed((self.sampled, other.sampled)),
            summed((self.sessions, other.sessions)),
            self.stages[:stages] + other.stages[:stages],
        )

    @property
    def total_s(self) -> float:
        return sum(self.seconds.values())

    @property
    def by_sampling(self) -> bool:
        """Whether at least a part was sampled."""
        return self.known is not None and "sampled" in self.known

    def of(self, waiter: str) -> float:
        return sum(s for (w, _), s in self.seconds.items() if w == waiter)

    def behind(self, waiter: str) -> list[tuple[str, float]]:
        """Holders that it waited behind, with seconds, the longest first."""
        found = [(holder, s) for (w, holder), s in self.seconds.items() if w == waiter and s > 0]
        return sorted(found, key=lambda pair: -pair[1])

    def interval_s(self, waiter: str) -> tuple[float, float] | None:
        """The 95 % interval of an at least partly sampled figure; timed parts are exact. None where all was timed."""
        if not self.by_sampling or self.period_s is None:
            return None
        by_samples = self.sampled.get(waiter, Sampled())
        timed = max(self.of(waiter) - by_samples.seconds, 0.0)
        low, high = by_samples.interval_s(self.period_s)
        return timed + low, timed + high


EDGES_S: Floats = np.geomspace(1e-4, 1e3, 71)
"""Ten bins for each power of ten; shorter and longer waits count in the first and last."""


@dataclass(frozen=True)
class WaitDurations:
    """Waits that began in the judged stages, all rounds together.

    `counts` are timed waits between the `edges_s` (one more than counts, evenly spread over the logarithm). Where there
    is a `threshold_s`, a server's log timed longer waits; `below` are those that were too short for it. `sampled` are
    all other untimed waits, of any length: of databases without such a log and of gaps in the log, with which the
    threshold applies `in_part`. `open` waits were not observed to end. `known` None: lock waits were not observed.
    """

    known: str | None = None
    threshold_s: float | None = None
    edges_s: Floats = field(default_factory=lambda: EDGES_S)
    counts: Floats = field(default_factory=lambda: np.zeros(len(EDGES_S) - 1))
    below: Sampled = field(default_factory=Sampled)
    sampled: Sampled = field(default_factory=Sampled)
    open: int = 0
    in_part: bool = False
    period_s: float | None = None
    """The sampling period; None without sampling."""

    def __add__(self, other: "WaitDurations") -> "WaitDurations":
        """Those of two runs; unknown when one of them is. Waits above the higher threshold were timed in both."""
        known = together_known((self.known, other.known))
        if known is None:
            return WaitDurations()
        return WaitDurations(
            known,
            longest((self.threshold_s, other.threshold_s)),
            self.edges_s,
            self.counts + other.counts,
            self.below + other.below,
            self.sampled + other.sampled,
            self.open + other.open,
            self.in_part or other.in_part or (self.threshold_s is None) != (other.threshold_s is None),
            longest((self.period_s, other.period_s)),
        )

    def interval_s(self, part: Sampled) -> tuple[float, float] | None:
        return None if self.period_s is None else part.interval_s(self.period_s)


@dataclass(frozen=True)
class Convoy:
    """A lock queue that outlived its cause.

    Moments in s since the load began. Of all holders of the lock during the queue, `cause` held it longest and released
    it at `cause_over_s`; the queue lasted until `over_s`. `sessions` is the number of sessions in it, which waited
    `waited_s` in total.
    """

    run: str
    database: str
    object: str
    began_s: float
    cause: str
    cause_over_s: float
    over_s: float
    sessions: int
    waited_s: float


@dataclass(frozen=True)
class Worst:
    """One wait. `started_s` is since the load began. `chain` holds the operations from the direct to the root blocker.

    `at_least`: its end was not observed, as is always the case for a sampled wait.
    """

    run: str
    database: str
    started_s: float
    waited_ns: int
    at_least: bool
    known: str
    waiter: str
    object: str
    outcome: str
    statement: str
    chain: tuple[str, ...]


def longest_convoys(found: Iterable[Convoy]) -> tuple[Convoy, ...]:
    return tuple(sorted(found, key=lambda c: c.began_s - c.over_s)[:MOST_CONVOYS])


def longest_waits(found: Iterable[Worst]) -> tuple[Worst, ...]:
    return tuple(sorted(found, key=lambda w: -w.waited_ns)[:MOST_WAITS])


@dataclass(frozen=True)
class Blame:
    """Seconds waited in the judged stages, all rounds together, by (waiter, holder).

    `direct` by the holder of the lock at that moment, `root` by the root blocker, which waited for no lock; `depth_s`
    by the length of the chain. `known` None: no source could observe lock waits.
    """

    known: str | None = None
    direct: Mapping[tuple[str, str], float] = field(default_factory=dict)
    root: Mapping[tuple[str, str], float] = field(default_factory=dict)
    depth_s: Mapping[int, float] = field(default_factory=dict)
    convoys: tuple[Convoy, ...] = ()
    """The longest ones."""
    worst: tuple[Worst, ...] = ()
    """The longest ones."""

    def __add__(self, other: "Blame") -> "Blame":
        """That of two runs; unknown when one of them is."""
        known = together_known((self.known, other.known))
        if known is None:
            return Blame()
        return Blame(
            known,
            summed((self.direct, other.direct)),
            summed((self.root, other.root)),
            summed((self.depth_s, other.depth_s)),
            longest_convoys((*self.convoys, *other.convoys)),
            longest_waits((*self.worst, *other.worst)),
        )


_MATTERS = 0.1
"""Difference, as a share of the larger figure, from which on a doubt is reported."""


@dataclass(frozen=True)
class SampledRows:
    """Sampled row lock waits that ended while totals were read. `edge_s`: the part that ended so near to the first or
    last reading that the server may have counted it on the other side."""

    total: Sampled
    period_s: float
    edge_s: float

    def __add__(self, other: "SampledRows") -> "SampledRows":
        period_s = max(self.period_s, other.period_s)
        return SampledRows(self.total + other.total, period_s, self.edge_s + other.edge_s)

    @property
    def seconds(self) -> float:
        return self.total.seconds

    @property
    def interval_s(self) -> tuple[float, float]:
        """The 95 % interval."""
        low, high = self.total.interval_s(self.period_s)
        return max(low - self.edge_s, 0.0), high + self.edge_s


def counted_wait_s(counted: CounterGrowth) -> tuple[float, float] | None:
    """Lower and upper bound: the server truncates each wait to whole milliseconds. None: not counted."""
    waited_ms, waits = (counted.grown.get(name) for name in ("lock_wait_ms", "lock_waits"))
    return None if waited_ms is None or waits is None else (waited_ms / 1e3, (waited_ms + waits) / 1e3)


def disagree(counted: CounterGrowth, sampled: SampledRows) -> bool:
    """Whether the two differ by more than their errors and chance explain, and by enough to matter."""
    total_s = counted_wait_s(counted)
    if total_s is None:
        return False
    (least, most), (low, high) = total_s, sampled.interval_s
    return (low > most or high < least) and abs(sampled.seconds - most) > _MATTERS * max(sampled.seconds, most)
