"""Intervals of shares, and p-values. All are one-sided at 95 %: each bound alone is wrong at most once in twenty times.

Numbers of attempts need not be whole: an effective number of attempts (`reports/gate/judging/clusters.py`) is not.
"""

import math
from collections.abc import Callable
from typing import Final

from scipy import optimize, special

ALPHA: Final = 0.05
_Z: Final = 1.6448536269514722
"""The normal quantile of 1 - ALPHA."""
_LARGEST_Z: Final = 37.0
"""Beyond it a p-value is smaller than the smallest number."""


def exact_bounds(good: float, n: float) -> tuple[float, float]:
    """Lower and upper Clopper-Pearson bound of a share of `good` in `n`; (0, 1) when there is nothing."""
    lower = 0.0 if good <= 0 else float(special.betaincinv(good, n - good + 1, ALPHA))
    upper = 1.0 if good >= n else float(special.betaincinv(good + 1, n - good, 1 - ALPHA))
    return lower, upper


def p_below(good: float, n: float, target: float) -> float:
    """The probability of at most `good` in `n` where the share is `target`: the upper bound lies below the target
    exactly when this is below ALPHA."""
    return 1.0 if good >= n else float(special.betaincc(good + 1, n - good, target))


def attempts_to_pass(target: float, bad_share: float = 0.0) -> int | None:
    """How many independent attempts are enough for the exact lower bound to lie above `target`, when `bad_share` of
    them, rounded up to whole attempts, are bad; any larger number is enough too. None: no number is."""
    if target >= 1 or 1 - bad_share <= target:
        return None
    if bad_share == 0:
        n = 1 if target <= 0 else math.floor(math.log(ALPHA) / math.log(target)) + 1
        return n if exact_bounds(n, n)[0] > target else n + 1
    return least(lambda n: _lower(n, bad_share * n + 1) > target, math.ceil(2 / (1 - bad_share)))


def _lower(n: float, bad: float) -> float:
    return exact_bounds(n - bad, n)[0] if n > bad else 0.0


def least(enough: Callable[[int], bool], start: int = 1, most: int = 1 << 40) -> int | None:
    """The least number from `start` on that is enough, given that all larger ones are too; None above `most`."""
    high = start
    while not enough(high):
        if high >= most:
            return None
        high *= 2
    low = max(high // 2, start - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def wilson_bounds(good: float, n: float, z: float = _Z) -> tuple[float, float]:
    """Lower and upper score bound of a share of `good` in `n`, n > 0, at the normal quantile `z`."""
    share, square = good / n, z * z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = z * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def difference_bounds(good_1: float, n_1: float, good_2: float, n_2: float, z: float = _Z) -> tuple[float, float]:
    """Lower and upper bound of share 1 minus share 2: Newcombe's hybrid of two score intervals, n_1, n_2 > 0."""
    share_1, share_2 = good_1 / n_1, good_2 / n_2
    (lower_1, upper_1), (lower_2, upper_2) = wilson_bounds(good_1, n_1, z), wilson_bounds(good_2, n_2, z)
    lower = share_1 - share_2 - math.hypot(share_1 - lower_1, upper_2 - share_2)
    upper = share_1 - share_2 + math.hypot(upper_1 - share_1, share_2 - lower_2)
    return lower, upper


def p_difference_below(good_1: float, n_1: float, good_2: float, n_2: float, limit: float) -> float:
    """The level at which the upper bound of share 1 minus share 2 is `limit`; 1 where the difference is not below."""

    def above(z: float) -> float:
        return difference_bounds(good_1, n_1, good_2, n_2, z)[1] - limit

    if above(0.0) >= 0:
        return 1.0
    if above(_LARGEST_Z) <= 0:
        return 0.0
    return float(special.ndtr(-optimize.brentq(above, 0.0, _LARGEST_Z)))
