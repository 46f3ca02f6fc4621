"""Where the time went that people waited: for each operation, how much of its response each cause took."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reports.frames import Floats

CAUSES: tuple[str, ...] = ("held back", "lock", "session", "database", "pod", "rest")
"""In the order shown. `held back`: planned → started, its user still in an earlier call. `lock`: waits for locks inside
its transactions, and for SQLite's write lock before them. `session`: the pod asked its pool → had one. `database`: the
rest of its transactions: statements, commit, round trips between pod and database. `pod`: from taking the request up to
asking for a session, and between its transactions. `rest`: the network, the pod's socket before it took the request up,
the way back of the reply."""
FIGURES: tuple[str, ...] = ("mean", "p50", "p95", "p99")
"""The figures of a response that are split, in the order shown."""


@dataclass(frozen=True)
class Split:
    """One figure of an operation's response, in ns, by cause: `parts` add up to `value_ns`.

    `n` operations were looked into. `locks` is `parts["lock"]` by who held the lock and what it was on.
    """

    value_ns: float
    n: int
    parts: Mapping[str, float]
    locks: Mapping[tuple[str, str], float]
    at_least: bool = False
    """The figure falls among waits whose end nobody saw."""


@dataclass(frozen=True)
class Causes:
    """`known` is how lock waits are known; None: nothing is known of causes, and `reason` says why.

    `splits`: operation → figure → split; a figure for which too few rows were joined is not there.
    `over_time`: operation → cause → mean number of requests in that state in each bin of the axis.
    """

    known: str | None = None
    reason: str = ""
    splits: Mapping[str, Mapping[str, Split]] = field(default_factory=dict)
    over_time: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)
