"""What a probe is: something that is opened, sampled at every tick, and closed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from loadtests.sanitize import sanitize

_LONGEST_REASON = 500

Rows = Mapping[str, Sequence[Sequence[Any]]]
"""Table → rows in the order of its columns."""

Clock = Callable[[], int]
"""Nanoseconds since the run's origin."""


@dataclass(frozen=True)
class Database:
    """One database of the run: `name:engine`."""

    name: str
    engine: str

    @classmethod
    def parse(cls, text: str) -> "Database":
        """`upgraded:postgres`, or an engine, which is its name then too. Raises ValueError: what was expected."""
        name, colon, engine = text.rpartition(":")
        if not engine.replace("_", "").isalnum() or (colon and not name):
            raise ValueError(f"{text!r}: expected NAME:ENGINE, as upgraded:postgres, or ENGINE")
        return cls(name or engine, engine)

    @property
    def probe(self) -> str:
        """The name of the probe that observes it."""
        return self.engine if self.name == self.engine else f"{self.engine}:{self.name}"


@dataclass(frozen=True)
class ServerClockOffset:
    """How far the database's clock is ahead of ours, and at most how far that is wrong."""

    offset_ns: int
    error_ns: int


@dataclass(frozen=True)
class Source:
    """How a probe knows of lock waits, with the server and the privileges that it found.

    `known` are values of `records.vocabulary.KNOWN`, the best first: of waits longer than `threshold_ns` the first is
    true, of shorter ones the others. `reason` says why no better source is used; empty where there is none.
    """

    known: tuple[str, ...]
    period_ns: int
    threshold_ns: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", sanitize(self.reason, _LONGEST_REASON))


class BlindError(Exception):
    """This tick saw nothing, and the next may: the probe stays open. Anything else that is raised closes it."""


class Probe(Protocol):
    """`sample` never takes longer than `deadline_s`, being cut off; `open` is tried again and again while it fails."""

    name: str
    period_s: float
    deadline_s: float

    async def open(self) -> None: ...

    async def sample(self) -> Rows:
        """What there is to see now."""

    async def close(self) -> None:
        """Releases what `open` acquired; also after a failure. Has no effect when there is nothing."""

    def rest(self) -> Rows:
        """Rows kept for a later sample, which will not come."""
