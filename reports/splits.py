"""One figure of an operation's response, divided by what the time was spent on."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from reports.pools import Pair
from reports.sampled import Sampled

CAUSES: tuple[str, ...] = ("held back", "lock", "session", "database", "pod", "rest")
"""In the order shown. `held back`: planned → started, its user still in an earlier call. `lock`: waits for locks inside
its transactions, and for SQLite's write lock before them. `session`: the pod asked its pool → had one. `database`: the
rest of its transactions: statements, commit, round trips between pod and database. `pod`: from taking the request up to
asking for a session, and between its transactions. `rest`: the network, the pod's socket before it took the request up,
the way back of the reply."""
FIGURES: tuple[str, ...] = ("mean", "p50", "p95", "p99")
"""The figures of a response that are split, in the order shown."""
JOINED = 0.5
"""Where fewer of the operations looked into had a transaction, nothing is said of where their time went."""


@dataclass(frozen=True)
class Split:
    """One figure of an operation's response, in ns, by cause: `parts` add up to `value_ns`.

    `n` operations were looked into. `locks` is `parts["lock"]` by who held the lock and what it was on. `through` is
    what of other parts is locks' doing all the same: of `held back`, what its user's earlier calls waited for locks; of
    `session`, what the sessions that it waited for did (see `pools`). `bounds` are the 95 % interval of
    `parts["lock"]`, None where all of it was timed: few sights of few operations do not tell much.
    """

    value_ns: float
    n: int
    parts: Mapping[str, float]
    locks: Mapping[Pair, float]
    through: Mapping[str, Mapping[Pair, float]] = field(default_factory=dict)
    at_least: bool = False
    """The figure falls among waits whose end nobody saw."""
    bounds: tuple[float, float] | None = None

    @property
    def locked(self) -> Mapping[Pair, float]:
        """All that is locks' doing, by who held the lock and what it was on."""
        return added(self.locks, *self.through.values())


def added(*parts: Mapping[Pair, float]) -> dict[Pair, float]:
    found: dict[Pair, float] = defaultdict(float)
    for part in parts:
        for pair, ns in part.items():
            found[pair] += ns
    return dict(found)


@dataclass
class Sums:
    """Of several operations together, in ns: what a split is made of. `own` is the time of their transactions, with
    the lock waits inside; `joined` of `n` had any."""

    n: int = 0
    joined: int = 0
    response: float = 0.0
    held_back: float = 0.0
    session: float = 0.0
    pod: float = 0.0
    own: float = 0.0
    sampled: Sampled = field(default_factory=Sampled)
    """What of the locks was."""
    locks: dict[Pair, float] = field(default_factory=lambda: defaultdict(float))
    through: dict[str, dict[Pair, float]] = field(default_factory=dict)

    def add(self, other: "Sums") -> None:
        for name in ("n", "joined", "response", "held_back", "session", "pod", "own", "sampled"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for pair, ns in other.locks.items():
            self.locks[pair] += ns
        for cause, pairs in other.through.items():
            self.through[cause] = added(self.through.get(cause, {}), pairs)

    def felt(self) -> dict[Pair, float]:
        """Waits for locks, its own and of the sessions that it waited for."""
        return added(self.locks, self.through.get("session", {}))

    def felt_times(self, worth: float) -> dict[str, dict[Pair, float]]:
        """`through`, where each of these operations stands for so many."""
        return {cause: {pair: ns * worth for pair, ns in pairs.items()} for cause, pairs in self.through.items()}

    def split(self, value_ns: float, at_least: bool, period_s: float | None = None) -> Split | None:
        """Scaled to a figure; None where too few of them had a transaction. `period_s` is that of the sampling."""
        if not self.n or self.joined < JOINED * self.n or self.response <= 0:
            return None
        lock = min(sum(self.locks.values()), self.own)
        parts = {"held back": self.held_back, "lock": lock, "session": self.session, "database": self.own - lock}
        parts["pod"] = self.pod
        parts["rest"] = max(self.response - sum(parts.values()), 0.0)
        scale, told = value_ns / sum(parts.values()), max(sum(self.locks.values()), 1e-9)
        locks = {pair: ns * lock / told * scale for pair, ns in self.locks.items() if ns > 0}
        parts = {cause: parts[cause] * scale for cause in CAUSES}
        through = {cause: _within(parts[cause], pairs, scale) for cause, pairs in self.through.items()}
        bounds = None if period_s is None else self._bounds(period_s, scale, value_ns)
        return Split(value_ns, self.n, parts, locks, through, at_least, bounds)

    def _bounds(self, period_s: float, scale: float, most: float) -> tuple[float, float]:
        timed = max(sum(self.locks.values()) - self.sampled.ns, 0.0)
        low, high = self.sampled.interval_s(period_s)
        return min((timed + low * 1e9) * scale, most), min((timed + high * 1e9) * scale, most)


def _within(part_ns: float, pairs: Mapping[Pair, float], scale: float) -> dict[Pair, float]:
    """Scaled, and no more in all than the part that they are of."""
    whole = sum(pairs.values()) * scale
    most = scale * min(part_ns / whole, 1.0) if whole > 0 else 0.0
    return {pair: ns * most for pair, ns in pairs.items() if ns * most > 0}
