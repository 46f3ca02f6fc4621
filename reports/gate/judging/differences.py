"""The difference of two shares of good, from samples of correlated attempts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from scipy import special

from reports.gate.inputs.evidence import NO_ATTEMPTS, Counts
from reports.gate.judging.clusters import ALIKE, Contrast, Sample, sample, within_rounds
from reports.gate.judging.statistics import ALPHA, difference_bounds, p_difference_below

RoundSides = tuple[Sequence[Counts], Sequence[Counts]]
"""The runs of the candidate and of the baseline in one round."""


class Excused(NamedTuple):
    """Attempts to be added to both samples: how many of them good, and how many in all."""

    new_good: int = 0
    new_n: int = 0
    old_good: int = 0
    old_n: int = 0


NONE_EXCUSED = Excused()


@dataclass(frozen=True)
class Difference:
    """The share of `new` minus that of `old`. `by_round`: the difference in each round, where a round counts as one
    observation; empty where attempts count by their time blocks only."""

    new: Sample
    old: Sample
    contrast: Contrast = ALIKE
    rounds: tuple[float, ...] = ()
    by_round: bool = False
    excused: Excused = NONE_EXCUSED

    @property
    def observed(self) -> float:
        return self.new.share - self.old.share

    @property
    def n(self) -> int:
        return self.new.n + self.old.n

    def of_rounds(self) -> "Difference":
        return replace(self, by_round=True)

    def excusing(self, excused: Excused) -> "Difference":
        """With these attempts added; the design effects remain."""
        return replace(self, excused=excused)

    def bounds(self, times: float = 1.0) -> tuple[float, float]:
        """Newcombe's interval of effective numbers of attempts, if there were so many times as many like these; widened
        to the interval of Student's t over the rounds where a round counts as one observation."""
        sides = self._sides(times)
        lower, upper = difference_bounds(*sides)
        if not self.by_round:
            return lower, upper
        middle = sides[0] / sides[1] - sides[2] / sides[3]
        half = float(special.stdtrit(times * len(self.rounds) - 1, 1 - ALPHA)) * self._error(times)
        return max(min(lower, middle - half), -1.0), min(max(upper, middle + half), 1.0)

    def p_below(self, limit: float) -> float:
        """How often chance alone makes a difference at least as far below `limit`, when the true one is `limit`."""
        sides = self._sides(1.0)
        p = p_difference_below(*sides, limit)
        if not self.by_round:
            return p
        middle = sides[0] / sides[1] - sides[2] / sides[3]
        return max(p, float(special.stdtr(len(self.rounds) - 1, (middle - limit) / self._error(1.0))))

    def _sides(self, times: float) -> tuple[float, float, float, float]:
        """Good attempts and all, effective ones, of `new` and of `old`. Both have the larger design effect: the same
        load causes bursts on both, and the side where fewer were seen shows less of them."""
        more = self.excused
        worth = min(side.effective(times) / side.n for side in (self.new, self.old))
        return (
            *((self.new.good + more.new_good) * worth, (self.new.n + more.new_n) * worth),
            *((self.old.good + more.old_good) * worth, (self.old.n + more.old_n) * worth),
        )

    def _error(self, times: float) -> float:
        """The standard error of the mean of the rounds' differences."""
        count, middle = len(self.rounds), sum(self.rounds) / len(self.rounds)
        squares = sum((one - middle) ** 2 for one in self.rounds)
        return math.sqrt(squares / count / (times * count - 1))


def difference(rounds: Sequence[RoundSides]) -> Difference:
    """Of all rounds together; each has attempts on both sides."""
    new, old = ([counts for sides in rounds for counts in sides[place]] for place in (0, 1))
    totals = [tuple(sum(side, NO_ATTEMPTS) for side in sides) for sides in rounds]
    differences = [a.good / a.n - b.good / b.n for a, b in totals]
    return Difference(
        sample(new), sample(old), _contrast(new, old, [(a.n, b.n) for a, b in totals], differences), tuple(differences)
    )


def _contrast(
    new: Sequence[Counts], old: Sequence[Counts], sizes: Sequence[tuple[int, int]], differences: Sequence[float]
) -> Contrast:
    """Cochran's Q of the rounds' differences, with the variances that attempts have inside of rounds."""
    unit, freedom = [], []
    for side in (new, old):
        design_effect, within = within_rounds([c for c in side if c.n])
        share = sum(c.good for c in side) / sum(c.n for c in side)
        unit.append(share * (1 - share) * design_effect)
        freedom.append(within)
    variances = [unit[0] / a + unit[1] / b for a, b in sizes]
    if len(sizes) < 2 or not all(variances):
        return ALIKE
    middle = sum(d / v for d, v in zip(differences, variances, strict=True)) / sum(1 / v for v in variances)
    square = sum((d - middle) ** 2 / v for d, v in zip(differences, variances, strict=True))
    known = [within for within in freedom if within is not None]
    return Contrast(square, len(sizes), min(known) if len(known) == len(freedom) else None)
