"""What conductor and load pass each other as plain data: the plan of a run, and what each worker reports of it."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self

from loadtests.protocols import DEFAULT_PROTOCOL


@dataclass(frozen=True)
class PodTarget:
    """A pod of the run: its code in the tables is its place in `RunPlan.pods`."""

    name: str
    url: str
    accounts: tuple[str, ...]
    weight: int = 1
    """Each of its accounts gets so many shares of the load."""
    networks: tuple[str, ...] = ()
    """Where its host may be when its name is resolved; anywhere when empty."""


@dataclass(frozen=True)
class RunPlan:
    """One run as the load sees it. Holds no secret: tokens are derived from `LOADTESTS_TOKEN_SECRET`."""

    run: str
    directory: str
    scenario: str
    """The scenario's YAML text."""
    storage: str
    seed: int
    origin_ns: int
    """CLOCK_MONOTONIC of the conductor's host at time 0 of every table."""
    pods: tuple[PodTarget, ...]
    protocol: str = DEFAULT_PROTOCOL
    """As `protocols.parse_protocol` reads it."""
    own_pods: bool = False
    """Whether the harness started the pods, with a token secret that was made for this run."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        plan = json.loads(text)
        pods = tuple(
            PodTarget(**{**pod, **{name: tuple(pod.get(name, ())) for name in ("accounts", "networks")}})
            for pod in plan.pop("pods")
        )
        return cls(pods=pods, **plan)


@dataclass
class WorkerSummary:
    """What a worker reports of its load, as the master passes it on to the conductor."""

    worker: str
    begun: int = 0
    reserved: int = 0
    """Numbers of operations were given out below this only."""
    written: int = 0
    in_flight: int = 0
    late_starts: int = 0
    starts: int = 0
    arrivals: list[int] = field(default_factory=list)
    """Those of the scheduled arrivals that began, by stage."""
    cpu_share: float | None = None
    """Of one core, in its busiest five seconds."""
    cpu_allowed: float = 1.0
    """The largest share of one core that it may use."""
    run_queue_share: float = 0.0
    """Of the time, spent waiting for a processor, in the worst five seconds."""
    throttled_share: float = 0.0
    """Of the time, held up by the quota of its control group, in the worst five seconds."""
    stood_still_s: float = 0.0
    """The longest time in which it did nothing at all."""
    local_errors: dict[str, int] = field(default_factory=dict)
    """Operations that failed because its host had run out of a resource, by resource."""
    unstamped_connections: int = 0
    """Connections whose arrivals were timed on reading: the kernel did not stamp them."""
    connection_failures: dict[str, Any] | None = None
    """HTTP statuses `by_stage`, and `details`."""
    error: str = ""


SUMMARY_FIELDS: Final = tuple(one.name for one in fields(WorkerSummary) if one.name != "worker")
