"""A scenario as frozen values. YAML keys are the aliases; durations are written with a unit and kept as seconds."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

from loadtests.accounts import Mode
from loadtests.configuration.problems import one_of
from loadtests.configuration.values import Label, Locale, LongerThanNothing, Model, Name, Seconds, Storage, wrong
from loadtests.faultnames import FAULTS, FaultNameError, check_fault, nearest_fault
from loadtests.protocols import DEFAULT_PROTOCOL, ProtocolNameError, check_operations
from loadtests.records.vocabulary import TIMED_OPERATIONS
from loadtests.timeline.actions.table import Action

DEFAULT_TIMEOUT_S = 5.0

ONLY_POD = "pod-1"
"""What the pod of a scenario that names none is called."""

MAIN_CLUSTER = "main"
"""The cluster of pods that name none."""


def _timeouts(value: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType({"default": DEFAULT_TIMEOUT_S, **value})


def _protocol(value: str) -> str:
    try:
        check_operations(value)
    except ProtocolNameError as error:
        raise wrong(error.expected, error.nearest) from None
    return value


def _fault(value: str) -> str:
    try:
        check_fault(value)
    except FaultNameError as error:
        raise wrong(one_of(list(FAULTS)) if value not in FAULTS else str(error), nearest_fault(value)) from None
    return value


def _in_order(value: "Messages") -> "Messages":
    if value.min > value.max:
        raise wrong("min to be no greater than max", got=f"min {value.min}, max {value.max}")
    return value


FaultName = Annotated[str, AfterValidator(_fault), WithJsonSchema({"type": "string", "enum": list(FAULTS)})]

TimeoutName = Literal[("default", *TIMED_OPERATIONS)]  # type: ignore[valid-type]


class LogNormal(Model):
    """A time with a median and a long tail."""

    median_s: Seconds = Field(alias="median", description="Half of the times are shorter.")
    sigma: float = Field(ge=0, le=3, description="Spread of the logarithm; 0 is constant, 0.5 is human.")


class Messages(Model):
    """How many messages a customer sends, evenly between the two."""

    min: int = Field(ge=0, le=1000)
    max: int = Field(ge=0, le=1000)


class AgentBehaviour(Model):
    """One agent: a long-lived connection that takes chats."""

    subscriptions: int = Field(ge=0, le=1000, description="Topics beside the queue, subscribed at connect.")
    think: LogNormal = Field(description="From the offer to the accept.")
    chats_at_once: int = Field(ge=1, le=1000, description="Takes no further chat while it has this many.")
    session_s: LongerThanNothing = Field(
        alias="session", description="Mean life of a connection before it reconnects and resubscribes (exponential)."
    )
    churn_s: LongerThanNothing | None = Field(
        default=None,
        alias="churn",
        description="Mean time between unsubscribing and subscribing one extra topic; absent is never.",
    )


class CustomerBehaviour(Model):
    """One customer: arrives, offers a chat, converses, leaves."""

    arrivals: Literal["poisson", "constant"] = Field(description="How the arrivals are spread in time.")
    patience_s: LongerThanNothing = Field(alias="patience", description="Waits this long for an answer, then leaves.")
    messages: Annotated[Messages, AfterValidator(_in_order)] = Field(
        description="Messages that the customer sends; the agent answers each."
    )
    pause: LogNormal = Field(description="Between an answer and the customer's next message.")


class Stage(Model):
    """A stretch of the run with its own load."""

    name: Name
    duration_s: LongerThanNothing = Field(alias="duration")
    agents: int = Field(ge=0, le=1_000_000, description="Agents connected.")
    arrivals_per_s: float = Field(ge=0, le=1_000_000, description="Customers that arrive in a second, on all workers.")
    ramp: bool = Field(default=False, description="Grow linearly from the stage before, rather than at once.")
    judge: bool = Field(default=False, description="Whether the objectives are judged over this stage.")
    reconnect: float = Field(
        default=0.0, ge=0, le=1, description="Share of agents that drop and reconnect at its start."
    )
    reconnect_within_s: LongerThanNothing = Field(
        default=1.0, alias="reconnect_within", description="They drop within this time, evenly."
    )
    reconnect_by: Literal["drop", "reload"] = Field(
        default="drop",
        description="drop: the network goes away. reload: the page is closed and opened again, and once more while it "
        "still subscribes.",
    )
    return_within_s: Seconds = Field(
        default=0.0,
        alias="return_within",
        description="Each waits a random time up to this before it comes back (jittered backoff); 0s: at once.",
    )


class PodSettings(Model):
    """One messaging server with accounts of its own."""

    name: Name
    accounts: int = Field(default=1, ge=1, le=9999, description="Accounts that only this pod serves.")
    weight: int = Field(default=1, ge=1, le=100, description="Each of its accounts gets so many shares of the load.")
    cluster: Name = Field(default=MAIN_CLUSTER, description="Pods of one cluster share its database servers.")


class ServerSize(Model):
    """How large a database server is at first; absent: as its engine's private servers are."""

    connections: int | None = Field(default=None, ge=10, le=10_000)
    memory_mb: int | None = Field(default=None, ge=16, le=1_000_000)
    cores: int | None = Field(default=None, ge=1, le=1024)


class Scenario(Model):
    """What to run: workload, pods, stages, timeline, storage systems, objectives."""

    name: Name
    description: str = Field(default="", max_length=4000)
    seed: int = Field(default=1, ge=0, lt=2**63, description="Of arrivals, people and words.")
    accounts: int = Field(default=1, ge=1, le=9999, description="Agents and customers are spread over these.")
    locales: tuple[Locale, ...] = Field(default=("en_GB",), min_length=1, strict=False)
    storages: tuple[Storage, ...] = Field(
        default=("sqlite",), min_length=1, strict=False, description="Compared when the command line names none."
    )
    labels: dict[Storage, Label] = Field(
        default_factory=dict, description="Short names in reports; absent: the part of the name that differs."
    )
    protocol: Annotated[str, AfterValidator(_protocol)] = Field(
        default=DEFAULT_PROTOCOL,
        description="How operations travel on the wire: NAME, or NAME,OPTION=VALUE.",
    )
    rounds: int = Field(default=1, ge=1, le=99, description="Runs of each storage system, interleaved.")
    objectives: str | None = Field(default=None, min_length=1, description="Relative to this file.")
    agent: AgentBehaviour
    customer: CustomerBehaviour
    timeouts: Annotated[
        dict[TimeoutName, LongerThanNothing],
        AfterValidator(_timeouts),
        PlainSerializer(dict),
    ] = Field(
        default_factory=dict,
        validate_default=True,
        description="By operation; an operation that takes longer is `unknown`.",
    )
    pods: tuple[PodSettings, ...] = Field(
        default=(), strict=False, description="Absent: one pod, which serves all the accounts."
    )
    servers: dict[Name, ServerSize] = Field(
        default_factory=dict, description="Sizes at the start, by database: legacy, upgraded, or an engine's name."
    )
    starts_on: Mode = Field(default="dual", description="Where a dual storage begins; the timeline moves it on.")
    faults: tuple[FaultName, ...] = Field(
        default=(), strict=False, description="Faults that every reference pod of the run has (docs/pathologies.md)."
    )
    acts_on_target: bool = Field(
        default=False, description="Whether run: and http: may act on a pod that the harness did not start."
    )
    stages: tuple[Stage, ...] = Field(min_length=1, strict=False)
    timeline: tuple[Action, ...] = Field(
        default=(), strict=False, description="Actions on pods and servers during the run."
    )

    def timeout_s(self, operation: str) -> float:
        """How long that operation may take, in seconds."""
        timeouts: Mapping[Any, float] = self.timeouts
        return timeouts.get(operation, timeouts["default"])

    @property
    def duration_s(self) -> float:
        return sum(stage.duration_s for stage in self.stages)

    def size_of(self, database: str) -> dict[str, int]:
        """How large that database's server is to be, where the scenario gives a size."""
        size = self.servers.get(database)
        return size.model_dump(exclude_none=True) if size else {}

    def stage_starts_s(self, name: str) -> float:
        """When a stage begins, in seconds after the first one. Raises StopIteration for a name that no stage has."""
        before = next(n for n, stage in enumerate(self.stages) if stage.name == name)
        return sum(stage.duration_s for stage in self.stages[:before])

    @property
    def all_pods(self) -> tuple[PodSettings, ...]:
        """The pods, also where the scenario does not name them."""
        return self.pods or (PodSettings(name=ONLY_POD, accounts=self.accounts),)
