"""Verdicts, how they compose, and what a judgement says."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    PASS = "pass"  # noqa: S105  a verdict, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


EXIT_CODES: Mapping[Verdict, int] = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNKNOWN: 2}

_RANK = {Verdict.PASS: 0, Verdict.UNKNOWN: 1, Verdict.FAIL: 2}


def compose(verdicts: Iterable[Verdict]) -> Verdict:
    """All must hold: fail beats unknown beats pass; nothing at all is unknown."""
    return max(verdicts, key=_RANK.__getitem__, default=Verdict.UNKNOWN)


def agree(verdicts: Iterable[Verdict]) -> Verdict:
    """What all of them say; unknown when they differ, or when there are none."""
    said = set(verdicts)
    return said.pop() if len(said) == 1 else Verdict.UNKNOWN


@dataclass(frozen=True)
class Share:
    """Good attempts of all that count, with one-sided exact 95 % bounds and the verdict on them alone."""

    good: int
    n: int
    bounds: tuple[float, float]
    verdict: Verdict
    round: int | None = None
    run: str | None = None

    @property
    def share(self) -> float | None:
        return self.good / self.n if self.n else None


@dataclass(frozen=True)
class Check:
    """One thing that was judged. `storage` None: the study as a whole; `round` None: all rounds of a storage.

    `observed` and `limit` are in `unit`; `interval` are the bounds of `observed`; `decides` False: shown only.
    """

    check: str
    verdict: Verdict
    storage: str | None = None
    round: int | None = None
    run: str | None = None
    observed: float | None = None
    limit: float | None = None
    unit: str = ""
    n: int | None = None
    interval: tuple[float, float] | None = None
    reason: str = ""
    rounds: tuple[Share, ...] = ()
    decides: bool = True


def objective_check(name: str) -> str:
    """The name of the check of an objective; no check of a run can have the same."""
    return f"objective: {name}"


@dataclass(frozen=True)
class Comparison:
    """The candidate's verdict decides; the baseline is shown beside it."""

    baseline: str
    candidate: str


@dataclass(frozen=True)
class Judgement:
    """The composed verdict, and all that it is made of, in the order in which it is told."""

    overall: Verdict
    storages: Mapping[str, Verdict]
    checks: tuple[Check, ...]
    comparison: Comparison | None = None


def guarded(name: str, storage: str | None, make: Callable[[], Check]) -> Check:
    """The check; unknown, with the reason, when making it crashed."""
    try:
        return make()
    except Exception as error:  # whatever it is, it must not become a pass
        reason = f"the check crashed: {type(error).__name__}: {error}"
        return Check(name, Verdict.UNKNOWN, storage, reason=reason)
