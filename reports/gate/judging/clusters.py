"""How many independent attempts a sample of correlated ones is worth.

Attempts that are neighbours in time wait for the same lock and are slow together, so that a hundred of them may say no
more than ten that have nothing to do with each other. The design effect says how many times fewer: the variance of the
share of good between clusters of attempts, divided by the variance that independent attempts would have. Korn and
Graubard ("Confidence intervals for proportions with small expected number of positive counts estimated from survey
data", Survey Methodology 24, 1998; `svyciprop(method = "beta")` in R's survey package) put the effective number of
attempts, n / design effect, corrected by the quantiles of t for the degrees of freedom, into the exact interval.

A cluster is a time block of a round. Blocks at one position of the judged time are a stratum: rounds repeat the same
scenario, and what its stages and actions do at that position is no chance. Where only one round has a block at a
position, it joins the following position ("collapsed strata"; Wolter, Introduction to Variance Estimation, 2007).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from scipy import special

from reports.gate.inputs.evidence import Counts
from reports.gate.judging.statistics import ALPHA

DIFFER_LEVEL: Final = 0.01
"""How often rounds that do not differ are nevertheless found to differ."""


class Cluster(NamedTuple):
    """Attempts that are good or bad together. `position` is their block's, in judged time."""

    round: int
    position: int
    n: int
    good: int


class Spread(NamedTuple):
    """Of the strata: number of clusters and sum of squared deviations of each, in shares of all attempts. `least` is
    the effective number of attempts if all attempts of a cluster were one."""

    strata: tuple[tuple[int, float], ...]
    least: float

    def variance(self, times: float = 1.0) -> float:
        """The variance of the share of good if there were so many times as many clusters like these. A stratum of one
        cluster adds none: it shows nothing, which `freedom` counts."""
        return sum(m / (times * m - 1) * squares for m, squares in self.strata if times * m > 1)

    def freedom(self, times: float = 1.0) -> float:
        return sum(times * m - 1 for m, _ in self.strata)


@dataclass(frozen=True)
class Sample:
    """The attempts of one or more rounds together. `spread` None: it is not known how they are correlated."""

    good: int
    n: int
    spread: Spread | None = None
    by_round: bool = False
    """Whether a cluster is a round, rather than a time block."""

    @property
    def share(self) -> float:
        return self.good / self.n

    @property
    def clusters(self) -> int:
        return sum(m for m, _ in self.spread.strata) if self.spread else 0

    def effective(self, times: float = 1.0) -> float:
        """The number of independent attempts that so many times as many attempts like these are worth.

        All good, or all bad: nothing shows how attempts are correlated, and each counts as one.
        """
        n, binomial = times * self.n, self.share * (1 - self.share) if self.n else 0.0
        if self.spread is None or binomial == 0:
            return n
        design_effect = self.spread.variance(times) * n / binomial
        return effective_number(n, design_effect, self.spread.freedom(times), times * self.spread.least)

    @property
    def design_effect(self) -> float | None:
        """Attempts per independent one, as estimated; None where it is not known."""
        if self.spread is None or self.good in (0, self.n) or self.spread.freedom() < 1:
            return None
        return max(self.spread.variance() * self.n / (self.share * (1 - self.share)), 1.0)


def effective_number(n: float, design_effect: float, freedom: float, least: float) -> float:
    """The number of independent attempts that `n` with this design effect are worth, when it was estimated with so many
    degrees of freedom. At least `least`, and at most `n`."""
    if freedom < 1:
        return min(least, n)
    quantiles = _t(n - 1) / _t(freedom) if n > 1 else 1.0
    return min(max(n / design_effect * quantiles**2 if design_effect else n, least), n)


def sample(rounds: Sequence[Counts]) -> Sample:
    """All attempts of these rounds; a cluster is a time block."""
    clusters = [c for place, counts in enumerate(rounds) for c in _blocks(place, counts)]
    whole = sum(c.n for c in clusters) == sum(counts.n for counts in rounds)
    return _sample(rounds, _strata(clusters) if whole else None)


def sample_of_rounds(rounds: Sequence[Counts]) -> Sample:
    """All attempts of these rounds; a cluster is a round."""
    clusters = [Cluster(place, 0, c.n, c.good) for place, c in enumerate(rounds) if c.n]
    return replace(_sample(rounds, [clusters]), by_round=True)


def _sample(rounds: Sequence[Counts], strata: Sequence[Sequence[Cluster]] | None) -> Sample:
    good, n = sum(c.good for c in rounds), sum(c.n for c in rounds)
    shares = [good / n if n else 0.0] * len(rounds)
    return Sample(good, n, _spread(strata, shares) if strata and n else None)


def _blocks(place: int, counts: Counts) -> Iterator[Cluster]:
    for block in counts.blocks:
        yield Cluster(place, counts.grid.position(block.begins_ns), block.n, block.n - block.bad)


def _strata(clusters: Iterable[Cluster]) -> list[list[Cluster]]:
    """Clusters of one position; a single one joins the next position, at the end the one before."""
    strata: list[list[Cluster]] = []
    last = None
    for cluster in sorted(clusters, key=lambda c: c.position):
        if not strata or (cluster.position != last and len(strata[-1]) > 1):
            strata.append([])
        strata[-1].append(cluster)
        last = cluster.position
    if len(strata) > 1 and len(strata[-1]) == 1:
        strata[-2:] = [strata[-2] + strata[-1]]
    return strata


def _spread(strata: Sequence[Sequence[Cluster]], shares: Sequence[float]) -> Spread:
    """`shares`: by round, those from which the clusters of the round deviate."""
    n = sum(c.n for clusters in strata for c in clusters)
    squares = []
    for clusters in strata:
        deviations = [(c.good - shares[c.round] * c.n) / n for c in clusters]
        middle = sum(deviations) / len(deviations)
        squares.append((len(clusters), sum((d - middle) ** 2 for d in deviations)))
    return Spread(tuple(squares), n * n / sum(c.n**2 for clusters in strata for c in clusters))


def _t(freedom: float) -> float:
    return float(special.stdtrit(freedom, 1 - ALPHA))


@dataclass(frozen=True)
class Contrast:
    """How much the shares of rounds differ from each other: the sum of squared deviations, each in units of the
    variance that it has by chance. `within`: degrees of freedom of that variance; None: it is no estimate."""

    square: float
    rounds: int
    within: float | None

    @property
    def significant(self) -> bool:
        """Whether rounds that do not differ would be found to differ as much at most once in a hundred times."""
        if self.within is None:
            return float(special.chdtrc(self.rounds - 1, self.square)) < DIFFER_LEVEL
        freedom = self.rounds - 1
        return self.within >= 1 and float(special.fdtrc(freedom, self.within, self.square / freedom)) < DIFFER_LEVEL

    @property
    def grows(self) -> bool:
        """Whether it would become significant with any number of rounds like these."""
        return self.significant or self.square > self.rounds


ALIKE: Final = Contrast(0.0, 1, None)


def contrast(rounds: Sequence[Counts]) -> Contrast:
    """Pearson's statistic of the rounds with attempts, corrected by the design effect inside of rounds (Rao and Scott,
    "The analysis of categorical data from complex sample surveys", 1981)."""
    given = [c for c in rounds if c.n]
    n, good = sum(c.n for c in given), sum(c.good for c in given)
    if len(given) < 2 or good in (0, n):
        return ALIKE
    share, (design_effect, freedom) = good / n, within_rounds(given)
    square = sum(c.n * (c.good / c.n - share) ** 2 for c in given) / (share * (1 - share))
    return Contrast(square / design_effect, len(given), freedom)


def within_rounds(rounds: Sequence[Counts]) -> tuple[float, float | None]:
    """Design effect inside of rounds, however these differ, and its degrees of freedom (None: it is not known). Each
    round has attempts."""
    clusters = [c for place, counts in enumerate(rounds) for c in _blocks(place, counts)]
    n = sum(c.n for c in rounds)
    if sum(c.n for c in clusters) != n:
        return 1.0, None
    shares = [c.good / c.n for c in rounds]
    spread = _spread(_strata(clusters), shares)
    binomial = sum(c.n * p * (1 - p) for c, p in zip(rounds, shares, strict=True)) / n**2
    freedom = spread.freedom() - (len(rounds) - 1)
    return max(spread.variance() / binomial, 1.0) if binomial and freedom >= 1 else 1.0, freedom
