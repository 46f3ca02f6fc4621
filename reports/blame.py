"""Who made whom wait: seconds by pair, how long the chains were, queues that outlived their cause, the worst waits."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Worst:
    """One wait. `chain` are the operations from the direct blocker to the root; `at_least`: it was not seen to end."""

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


@dataclass(frozen=True)
class Convoy:
    """A queue that outlived its cause.

    Moments in s since the load began: `cause` held the lock when the queue began, and let go at `cause_over_s`; the
    queue went on until `over_s`. `sessions` different ones were in it, and waited `waited_s` together.
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
class Blame:
    """Seconds waited in the judged stages, all rounds together, by (waiter, holder).

    `direct` by who held the lock then, `root` by the head of the chain, who waited for nobody; `depth_s` by the length
    of the chain. `known` None: nothing could see who waited.
    """

    known: str | None = None
    direct: Mapping[tuple[str, str], float] = field(default_factory=dict)
    root: Mapping[tuple[str, str], float] = field(default_factory=dict)
    depth_s: Mapping[int, float] = field(default_factory=dict)
    convoys: tuple[Convoy, ...] = ()
    worst: tuple[Worst, ...] = ()
