"""Percentiles with confidence intervals. A wait whose end was not observed counts as at least its observed length."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import ceil

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrik

from reports.data.arrays import Ints, Mask
from reports.findings.estimates import CONFIDENCE, Bin, Estimate

PERCENTILES: tuple[tuple[str, float], ...] = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999))
_BLUR = 1.01
"""A percentile that censored rows could move by less than one per cent is shown as it is."""


@dataclass(frozen=True)
class Sample:
    """Durations in ns, each array sorted: `exact` ended, `censored` lasted at least so long."""

    exact: Ints
    censored: Ints

    @property
    def n(self) -> int:
        return len(self.exact) + len(self.censored)

    @cached_property
    def least(self) -> Ints:
        """All durations, sorted, the censored ones with their observed length."""
        return np.sort(np.concatenate([self.exact, self.censored])) if len(self.censored) else self.exact

    def at_most(self, rank: int) -> int | None:
        """The `rank`-th (from 1) if every censored wait had lasted for ever; None when it would be one of those."""
        return int(self.exact[rank - 1]) if rank <= len(self.exact) else None


def sample(durations: Ints, censored: Mask) -> Sample:
    if not censored.any():
        return Sample(np.sort(durations), durations[:0])
    return Sample(np.sort(durations[~censored]), np.sort(durations[censored]))


def rank_of(p: float, n: int) -> int:
    """The rank, from 1, of the p-quantile of n rows: the smallest with at least a share p at or below it."""
    return min(max(ceil(p * n - 1e-9), 1), n)


def interval_ranks(p: float, n: int, confidence: float = CONFIDENCE) -> tuple[int | None, int | None]:
    """Ranks (from 1) of the two rows that hold the p-quantile between them with at least `confidence`.

    Exact for independent rows of any distribution: the rows below the quantile are binomial. None where n rows
    cannot bound it on that side.
    """
    group = (1 - confidence) / 2
    low, high = _binomial(group, p, n), _binomial(1 - group, p, n) + 1
    return (low if low >= 1 else None), (high if high <= n else None)


def _binomial(q: float, p: float, n: int) -> int:
    """The smallest k with P(X ≤ k) ≥ q, X binomial."""
    k = max(ceil(float(bdtrik(q, n, p))), 0)
    return k - 1 if k >= 1 and float(bdtr(float(k - 1), n, p)) >= q else k


def percentile(rows: Sample, p: float) -> Estimate | None:
    """The p-quantile; None when the rows are too few to have one that is not just their largest."""
    if rows.n * (1 - p) < 1 - 1e-9:
        return None
    rank = rank_of(p, rows.n)
    low, high = interval_ranks(p, rows.n)
    value = int(rows.least[rank - 1])
    return Estimate(
        value,
        None if low is None else int(rows.least[low - 1]),
        None if high is None else rows.at_most(high),
        _is_least(rows, rank, value),
    )


def largest(rows: Sample) -> Estimate | None:
    if rows.n == 0:
        return None
    return Estimate(int(rows.least[-1]), at_least=len(rows.censored) > 0)


def percentiles(rows: Sample) -> dict[str, Estimate | None]:
    """p50 … p99.9 and max."""
    return {name: percentile(rows, p) for name, p in PERCENTILES} | {"max": largest(rows)}


def curve(rows: Sample, points: int = 240) -> tuple[list[float], list[int]]:
    """The distribution for an inverse-percentile axis: shares above (1 - p), from 1 down to 1/n, and durations in ns.

    Points are spread evenly over the logarithm of 1 - p, where the tail is.
    """
    if rows.n == 0:
        return [], []
    above = np.unique(np.geomspace(1, rows.n, min(points, rows.n)).round().astype(np.int64))[::-1]
    return (above / rows.n).tolist(), rows.least[rows.n - above].tolist()


def by_bin(durations: Ints, censored: Mask, bins: npt.NDArray[np.int16], count: int) -> list[Bin | None]:
    """For each bin its percentiles; None for an empty one. Rows outside [0, count) are left out."""
    order = np.argsort(bins, kind="stable")
    edges = np.searchsorted(bins[order], np.arange(count + 1))
    return [_bin(durations[order[a:b]], censored[order[a:b]]) for a, b in pairwise(edges)]


def _bin(durations: Ints, censored: Mask) -> Bin | None:
    n = len(durations)
    if n == 0:
        return None
    ranks = [rank_of(p, n) for p in (0.5, 0.95, 0.99)]
    if not censored.any():
        p50, p95, p99 = (int(ns) for ns in np.partition(durations, [r - 1 for r in ranks])[[r - 1 for r in ranks]])
        return Bin(n, p50, p95, p99)
    rows = sample(durations, censored)
    p50, p95, p99 = (int(rows.least[rank - 1]) for rank in ranks)
    cut = [_is_least(rows, rank, ns) for rank, ns in zip(ranks, (p50, p95, p99), strict=True)]
    return Bin(n, p50, p95, p99, (cut[0], cut[1], cut[2]))


def _is_least(rows: Sample, rank: int, value: int) -> bool:
    ceiling = rows.at_most(rank)
    return ceiling is None or ceiling > value * _BLUR
