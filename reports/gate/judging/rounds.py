"""The verdict on several rounds: each by itself, and all together, must agree."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from reports.gate.judging.verdicts import CheckFigure, Verdict

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


class Round(NamedTuple):
    """A figure, and whether the faults of its runs let a verdict on it stand."""

    figure: CheckFigure
    lets_pass: bool = True
    lets_fail: bool = True

    @property
    def proves_failure(self) -> bool:
        return self.lets_fail and self.figure.verdict is FAIL and self.figure.certain


Pool = Callable[[Sequence[int]], CheckFigure]
"""The figure of the rounds at these places, taken together."""


def agreed(rounds: Sequence[Round], pool: Pool) -> Verdict:
    """`fail`: every round with data fails by itself, at least one has no fault that could have caused that, and those
    without such a fault fail together. A round without data contradicts nothing.

    `pass`: every round passes by itself, none has a fault that could hide failures, and all pass together.
    """
    with_data = [place for place, r in enumerate(rounds) if r.figure.n]
    proofs = [place for place in with_data if rounds[place].proves_failure]
    if proofs and all(rounds[place].figure.verdict is FAIL for place in with_data):
        together = pool(proofs)
        return FAIL if together.verdict is FAIL and together.certain else UNKNOWN
    if rounds and all(r.figure.verdict is PASS and r.lets_pass for r in rounds):
        return PASS if pool(range(len(rounds))).verdict is PASS else UNKNOWN
    return UNKNOWN
