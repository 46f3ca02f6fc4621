"""What the response of an operation was spent on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from reports.data.arrays import Floats
from reports.findings.pooling import summed

Pair = tuple[str, str]
"""Holder and object of a lock."""

CLIENT_BACKLOG: Final = "held back"
"""The client backlog as `summary.json` and `figures.csv` name it."""

CAUSES: tuple[str, ...] = (CLIENT_BACKLOG, "lock", "session", "database", "pod", "rest")
"""In the order shown. Client backlog: planned → started, while the user's earlier calls were still running. `lock`:
waits for locks inside its transactions, and for SQLite's write lock before them. `session`: the pod asked its pool →
had one. `database`: the rest of its transactions: statements, commit, round trips between pod and database. `pod`:
from reading the request to asking for a session, and between its transactions. `rest`: the network, the pod's socket
before it read the request, the reply's way back."""


def cause_label(cause: str) -> str:
    """The cause as shown on the page."""
    return "client backlog" if cause == CLIENT_BACKLOG else cause


FIGURES: tuple[str, ...] = ("mean", "p50", "p95", "p99")
"""The figures of a response that are split, in the order shown."""


@dataclass(frozen=True)
class Split:
    """One figure of an operation's response, in ns, by cause: `parts` add up to `value_ns`.

    `n` is the number of exemplars. `locks` is `parts["lock"]` by holder and object of the lock. `through` is the
    lock-related time within other parts: within the client backlog, lock waits of the user's earlier calls; within
    `session`, lock waits of the sessions that it waited for (see `pools`). `bounds` are the 95 % interval of
    `parts["lock"]`, None where all of it was timed: few observations of few operations leave a wide interval.
    """

    value_ns: float
    n: int
    parts: Mapping[str, float]
    locks: Mapping[Pair, float]
    through: Mapping[str, Mapping[Pair, float]] = field(default_factory=dict)
    at_least: bool = False
    """The figure falls among waits whose end was not observed."""
    bounds: tuple[float, float] | None = None

    @property
    def locked(self) -> Mapping[Pair, float]:
        """All lock-related time, by holder and object of the lock."""
        return summed((self.locks, *self.through.values()))


@dataclass(frozen=True)
class CauseFindings:
    """`known` is how lock waits are known; None: the causes are unknown, and `reason` states why. A reason with a
    `known`: the pods do not record when they read a request and asked for a session; that time is part of the rest.

    `splits`: operation → figure → split. The mean is of all judged operations, however they ended; a percentile of
    its exemplars. A figure for which too few rows could be joined is missing.
    `over_time`: operation → cause → mean number of requests in that state in each bin of the axis.
    """

    known: str | None = None
    reason: str = ""
    splits: Mapping[str, Mapping[str, Split]] = field(default_factory=dict)
    over_time: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)
