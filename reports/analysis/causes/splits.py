"""One figure of an operation's response, divided by what the time was spent on."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from reports.findings.causes import CAUSES, CLIENT_BACKLOG, Pair, Split
from reports.findings.locks import Sampled
from reports.findings.pooling import summed

JOINED = 0.5
"""Share of exemplars that must have a transaction; with fewer the figure is not split."""


@dataclass
class Sums:
    """Sums over several operations, in ns, from which a split is made. `own` is the time of their transactions, lock
    waits included; `joined` of `n` operations had a transaction."""

    n: int = 0
    joined: int = 0
    response: float = 0.0
    client_backlog: float = 0.0
    session: float = 0.0
    pod: float = 0.0
    own: float = 0.0
    sampled: Sampled = field(default_factory=Sampled)
    """The sampled part of `locks`."""
    locks: dict[Pair, float] = field(default_factory=lambda: defaultdict(float))
    through: dict[str, dict[Pair, float]] = field(default_factory=dict)

    def __add__(self, other: "Sums") -> "Sums":
        causes = {**self.through, **other.through}
        return Sums(
            self.n + other.n,
            self.joined + other.joined,
            self.response + other.response,
            self.client_backlog + other.client_backlog,
            self.session + other.session,
            self.pod + other.pod,
            self.own + other.own,
            self.sampled + other.sampled,
            summed((self.locks, other.locks)),
            {cause: summed((self.through.get(cause, {}), other.through.get(cause, {}))) for cause in causes},
        )

    def felt(self) -> dict[Pair, float]:
        """Lock waits of its own transactions and of the sessions that it waited for."""
        return summed((self.locks, self.through.get("session", {})))

    def felt_times(self, worth: float) -> dict[str, dict[Pair, float]]:
        """`through`, with each of these operations standing for `worth` operations."""
        return {cause: {pair: ns * worth for pair, ns in pairs.items()} for cause, pairs in self.through.items()}

    def split(self, value_ns: float, at_least: bool, period_s: float | None = None) -> Split | None:
        """Scale to a figure; None where too few of them had a transaction. `period_s` is the sampling period."""
        if not self.n or self.joined < JOINED * self.n or self.response <= 0:
            return None
        lock = min(sum(self.locks.values()), self.own)
        parts = {
            CLIENT_BACKLOG: self.client_backlog,
            "lock": lock,
            "session": self.session,
            "database": self.own - lock,
        }
        parts["pod"] = self.pod
        parts["rest"] = max(self.response - sum(parts.values()), 0.0)
        scale, locked_ns = value_ns / sum(parts.values()), max(sum(self.locks.values()), 1e-9)
        locks = {pair: ns * lock / locked_ns * scale for pair, ns in self.locks.items() if ns > 0}
        parts = {cause: parts[cause] * scale for cause in CAUSES}
        through = {cause: _within(parts[cause], pairs, scale) for cause, pairs in self.through.items()}
        bounds = None if period_s is None else self._bounds(period_s, scale, value_ns)
        return Split(value_ns, self.n, parts, locks, through, at_least, bounds)

    def _bounds(self, period_s: float, scale: float, most: float) -> tuple[float, float]:
        timed = max(sum(self.locks.values()) - self.sampled.ns, 0.0)
        low, high = self.sampled.interval_s(period_s)
        return min((timed + low * 1e9) * scale, most), min((timed + high * 1e9) * scale, most)


def _within(part_ns: float, pairs: Mapping[Pair, float], scale: float) -> dict[Pair, float]:
    """Scaled, with a sum of at most the part that they belong to."""
    whole = sum(pairs.values()) * scale
    most = scale * min(part_ns / whole, 1.0) if whole > 0 else 0.0
    return {pair: ns * most for pair, ns in pairs.items() if ns * most > 0}
