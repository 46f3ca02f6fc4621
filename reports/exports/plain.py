"""Figures as plain values of `summary.json`: times of operations in ms."""

from collections.abc import Mapping
from typing import Any

from reports.findings.estimates import Estimate

Pairs = Mapping[tuple[str, str], float]


def estimates_ms(estimates: Mapping[str, Estimate | None]) -> dict[str, Any]:
    return {name: estimate_ms(found) for name, found in estimates.items()}


def estimate_ms(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    low, high = (None if bound is None else bound / 1e6 for bound in (estimate.low, estimate.high))
    return {"value": estimate.value / 1e6, "low": low, "high": high, "at_least": estimate.at_least}


def ranked(pairs: Pairs) -> list[tuple[tuple[str, str], float]]:
    """The largest first."""
    return sorted(pairs.items(), key=lambda pair: -pair[1])


def waits_s(pairs: Pairs) -> list[dict[str, Any]]:
    """Seconds by waiter and holder."""
    return [{"waited": w, "behind": h, "seconds": round(s, 6)} for (w, h), s in ranked(pairs)]
