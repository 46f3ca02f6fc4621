"""One run as the conductor passes it to the load: pods and scenario as plain data."""

import json
from dataclasses import asdict, dataclass
from typing import Self

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
        fields = json.loads(text)
        pods = tuple(
            PodTarget(**{**pod, **{name: tuple(pod.get(name, ())) for name in ("accounts", "networks")}})
            for pod in fields.pop("pods")
        )
        return cls(pods=pods, **fields)
