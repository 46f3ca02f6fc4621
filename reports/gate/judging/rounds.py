"""The verdict on several rounds: that of their evidence together, unless they contradict each other."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from reports.gate.judging.verdicts import CheckFigure, Verdict

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


class Round(NamedTuple):
    """A figure, and whether the faults of its runs let a verdict on it stand."""

    figure: CheckFigure
    lets_pass: bool = True
    lets_fail: bool = True


Pool = Callable[[Sequence[int]], CheckFigure]
"""The figure of the rounds at these places, taken together."""


def agreed(rounds: Sequence[Round], pool: Pool) -> Verdict:
    """`fail`: all rounds with data fail together, so do those without a fault that could have caused it, and none
    passes by itself.

    `pass`: all rounds pass together, none fails by itself, and each has data and no fault that could hide failures.
    """
    with_data = [place for place, r in enumerate(rounds) if r.figure.n]
    if not with_data:
        return UNKNOWN
    together = pool(with_data)
    if opposed([r.figure for r in rounds], together.verdict):
        return UNKNOWN
    if together.verdict is FAIL:
        proven = pool(proof(rounds))
        return FAIL if proven.verdict is FAIL and proven.certain else UNKNOWN
    every = len(with_data) == len(rounds) and all(r.lets_pass for r in rounds)
    return PASS if together.verdict is PASS and every else UNKNOWN


def proof(rounds: Sequence[Round]) -> list[int]:
    """The places of the rounds that can prove a failure."""
    return [place for place, r in enumerate(rounds) if r.figure.n and r.lets_fail]


_OPPOSITE = {PASS: FAIL, FAIL: PASS}


def opposed(figures: Sequence[CheckFigure], together: Verdict) -> bool:
    """Whether a round by itself reaches the opposite verdict of all together; where those are undecided, whether some
    rounds pass while others fail."""
    verdicts = {figure.verdict for figure in figures}
    return _OPPOSITE[together] in verdicts if together in _OPPOSITE else {PASS, FAIL} <= verdicts


def unanimous(figures: Iterable[CheckFigure]) -> bool:
    """Whether all of them pass, or all fail."""
    verdicts = {figure.verdict for figure in figures}
    return len(verdicts) == 1 and UNKNOWN not in verdicts
