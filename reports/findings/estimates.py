"""Percentiles with their confidence intervals."""

from dataclasses import dataclass
from typing import NamedTuple

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure in ns with its confidence interval. `at_least`: it falls among waits whose end was not observed.

    None in `low` or `high`: too few rows to bound it on that side.
    """

    value: int
    low: int | None = None
    high: int | None = None
    at_least: bool = False


class Bin(NamedTuple):
    """Rows of one bin of time, durations in ns. `at_least`: which of p50, p95, p99 fall among cut-off waits."""

    n: int
    p50: int
    p95: int
    p99: int
    at_least: tuple[bool, bool, bool] = (False, False, False)

    @property
    def percentiles(self) -> tuple[Estimate, Estimate, Estimate]:
        p50, p95, p99 = self.at_least
        return Estimate(self.p50, at_least=p50), Estimate(self.p95, at_least=p95), Estimate(self.p99, at_least=p99)
