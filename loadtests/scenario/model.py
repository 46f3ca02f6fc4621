"""A scenario as frozen values. YAML keys are the aliases; durations are written with a unit and kept as seconds."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

TIMED_OPERATIONS = (
    "connection.create",
    "subscription.create",
    "subscription.delete",
    "chat.offer",
    "chat.accept",
    "message.send",
    "chat.close",
    "connection.close",
)
"""The operations that wait for a reply, hence can time out."""

DEFAULT_TIMEOUT_S = 5.0

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_EXPECTED = "a duration with a unit, such as 20s, 500ms or 2m"
_ENGINE = r"[a-z][a-z0-9]*"
_CHOICES = r"(?::[a-z][a-z0-9_-]*)*"
_SIMPLE = rf"{_ENGINE}{_CHOICES}"
STORAGE_PATTERN = rf"^{_ENGINE}(?:\({_SIMPLE}(?:,{_SIMPLE})*\))?{_CHOICES}$"


def wrong(expected: str, nearest: str = "", got: str | None = None) -> PydanticCustomError:
    """An error that says what was expected; `got` tells what is there better than the value itself would."""
    return PydanticCustomError("expected", "{expected}", {"expected": expected, "nearest": nearest, "got": got})


def parse_duration(value: Any) -> float:
    """`500ms` → 0.5. Raises PydanticCustomError on anything without a known unit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise wrong(_DURATION_EXPECTED, f"{value}s" if value >= 0 else "")
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong(_DURATION_EXPECTED)
    seconds = float(match[1]) * _UNITS[match[2]]
    return round(seconds, 9)


def _storage(value: str) -> str:
    if not re.fullmatch(STORAGE_PATTERN, value):
        raise wrong("a storage system, such as sqlite, postgres:optimistic or dual(mariadb,postgres)")
    return value


def _locale(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}_[A-Z]{2}", value):
        raise wrong("a locale, such as en_GB or de_DE", _locale_spelt(value))
    return value


def _locale_spelt(value: str) -> str:
    match = re.fullmatch(r"([A-Za-z]{2,3})[-_]([A-Za-z]{2})", value)
    return f"{match[1].lower()}_{match[2].upper()}" if match else ""


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", value):
        raise wrong(
            "small letters, digits and dashes, 64 at most", re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
        )
    return value


def _timeouts(value: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType({"default": DEFAULT_TIMEOUT_S, **value})


def _in_order(value: "Messages") -> "Messages":
    if value.min > value.max:
        raise wrong("min to be no greater than max", got=f"min {value.min}, max {value.max}")
    return value


_duration_schema = {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["20s", "500ms", "2m"]}
Seconds = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_duration_schema)]
LongerThanNothing = Annotated[Seconds, Field(gt=0)]
Storage = Annotated[str, AfterValidator(_storage), WithJsonSchema({"type": "string", "pattern": STORAGE_PATTERN})]
Locale = Annotated[str, AfterValidator(_locale), WithJsonSchema({"type": "string", "pattern": "^[a-z]{2,3}_[A-Z]{2}$"})]
Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"})]
TimeoutName = Literal[
    "default",
    "connection.create",
    "subscription.create",
    "subscription.delete",
    "chat.offer",
    "chat.accept",
    "message.send",
    "chat.close",
    "connection.close",
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LogNormal(_Model):
    """A time with a median and a long tail."""

    median_s: Seconds = Field(alias="median", description="Half of the times are shorter.")
    sigma: float = Field(ge=0, le=3, description="Spread of the logarithm; 0 is constant, 0.5 is human.")


class Messages(_Model):
    """How many messages a customer sends, evenly between the two."""

    min: int = Field(ge=0, le=1000)
    max: int = Field(ge=0, le=1000)


class Agent(_Model):
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


class Customer(_Model):
    """One customer: arrives, offers a chat, converses, leaves."""

    arrivals: Literal["poisson", "constant"] = Field(description="How the arrivals are spread in time.")
    patience_s: LongerThanNothing = Field(alias="patience", description="Waits this long for an answer, then leaves.")
    messages: Annotated[Messages, AfterValidator(_in_order)] = Field(
        description="Messages that the customer sends; the agent answers each."
    )
    pause: LogNormal = Field(description="Between an answer and the customer's next message.")


class Stage(_Model):
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


class Scenario(_Model):
    """What to run: workload, stages, storage systems, objectives."""

    name: Name
    description: str = Field(default="", max_length=4000)
    seed: int = Field(default=1, ge=0, lt=2**63, description="Of arrivals, people and words.")
    accounts: int = Field(default=1, ge=1, le=9999, description="Agents and customers are spread over these.")
    locales: tuple[Locale, ...] = Field(default=("en_GB",), min_length=1, strict=False)
    storages: tuple[Storage, ...] = Field(
        default=("sqlite",), min_length=1, strict=False, description="Compared when the command line names none."
    )
    rounds: int = Field(default=1, ge=1, le=99, description="Runs of each storage system, interleaved.")
    objectives: str | None = Field(default=None, min_length=1, description="Relative to this file.")
    agent: Agent
    customer: Customer
    timeouts: Annotated[
        dict[TimeoutName, LongerThanNothing],
        AfterValidator(_timeouts),
        PlainSerializer(dict),
    ] = Field(
        default_factory=dict,
        validate_default=True,
        description="By operation; an operation that takes longer is `unknown`.",
    )
    stages: tuple[Stage, ...] = Field(min_length=1, strict=False)

    def timeout_s(self, operation: str) -> float:
        """How long that operation may take, in seconds."""
        timeouts: Mapping[Any, float] = self.timeouts
        return timeouts.get(operation, timeouts["default"])

    @property
    def duration_s(self) -> float:
        return sum(stage.duration_s for stage in self.stages)
