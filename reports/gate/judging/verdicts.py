"""Verdicts, how they compose, and judgements."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag

from loadtests.commandline import EX_FAIL, EX_OK, EX_UNKNOWN


class Verdict(Enum):
    PASS = "pass"  # noqa: S105  a verdict, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


EXIT_CODES: Mapping[Verdict, int] = {Verdict.PASS: EX_OK, Verdict.FAIL: EX_FAIL, Verdict.UNKNOWN: EX_UNKNOWN}

_RANK = {Verdict.PASS: 0, Verdict.UNKNOWN: 1, Verdict.FAIL: 2}


class Bias(Flag):
    """What a fault of a run may have done to its figures, and so which verdicts on them still stand.

    | bias | `pass` stands | `fail` stands | as the baseline of a comparison |
    |---|---|---|---|
    | MISSING | no | yes | no pass; `fail` stands |
    | HIDES | no | yes | neither stands: the baseline may be worse than it seems |
    | CAUSES | yes | no | no pass; `fail` stands |
    | EXPLAINS | yes | yes | both stand |
    | EITHER | no | no | neither stands |
    """

    NONE = 0
    MISSING = 1
    """Evidence is missing that a pass needs; the available figures are correct."""
    HIDES = 2
    """Failures may be missing from the figures, and nothing else."""
    CAUSES = 4
    """Failures in the figures may be the harness's or the host's, and nothing is hidden."""
    EXPLAINS = 8
    """Failures that may be the host's are known one by one, and count as good for `fail`."""
    EITHER = HIDES | CAUSES

    @property
    def lets_pass(self) -> bool:
        return not self & (Bias.MISSING | Bias.HIDES)

    @property
    def lets_fail(self) -> bool:
        return not self & Bias.CAUSES

    def __str__(self) -> str:
        return "either" if self == Bias.EITHER else ", ".join(str(flag.name).lower() for flag in self)


def compose(verdicts: Iterable[Verdict]) -> Verdict:
    """All must hold: fail beats unknown beats pass; nothing at all is unknown."""
    return max(verdicts, key=_RANK.__getitem__, default=Verdict.UNKNOWN)


@dataclass(frozen=True)
class CheckFigure:
    """A share of good attempts, or the difference of two, with one-sided 95 % bounds and the verdict on it alone.

    `certain`: a fail that would be one if every operation whose outcome is not known had been good. `p_fail`: how often
    chance alone makes figures at least as bad, likewise.
    """

    observed: float | None
    n: int
    bounds: tuple[float, float]
    verdict: Verdict
    certain: bool = True
    round: int | None = None
    run: str | None = None
    p_fail: float = 1.0
    effective_n: float | None = None
    """How many independent attempts the `n` are worth; None for a difference."""
    by_round: bool = False
    """Whether each round counts as one observation, because rounds differ by more than chance."""


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
    rounds: tuple[CheckFigure, ...] = ()
    effective_n: float | None = None
    """Of a share: how many independent attempts the `n` are worth."""
    p_fail: float | None = None
    """Of a share or difference: the level at which it fails by itself."""
    decides: bool = True
    bias: Bias = Bias.NONE
    """Of a run's fault: what it may have done to the figures of the run."""
    lasted_s: float = 0.0
    """The time of the run, on the first of its checks only, so that the sum over checks is the time of all runs."""


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
    """The composed verdict with all its checks, in the order of the output."""

    overall: Verdict
    storages: Mapping[str, Verdict]
    checks: tuple[Check, ...]
    comparison: Comparison | None = None
    started_at: Mapping[str, str] = field(default_factory=dict)
    """When the first run of each storage started, ISO 8601, where that is known."""


def guarded(name: str, storage: str | None, make: Callable[[], Check]) -> Check:
    """The check; unknown, with the reason, when making it crashed."""
    try:
        return make()
    except Exception as error:  # any error: it must not become a pass
        reason = f"the check crashed: {type(error).__name__}: {error}"
        return Check(name, Verdict.UNKNOWN, storage, reason=reason)
