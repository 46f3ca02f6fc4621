"""Percentiles over time as a line and two bands."""

from typing import Any

import numpy as np

from reports.data.arrays import Floats
from reports.findings.operations import Measure
from reports.page.plots.style import SeriesStyle

AT_LEAST = "^"
"""Marks a percentile among waits whose end was not observed: a lower bound."""


def bands(axis: Any, x: Floats, measure: Measure, style: SeriesStyle) -> dict[str, Floats]:
    """Draws p50, p95 and p99 of each bin; returns the lines, the highest first."""
    p50, p95, p99 = (_line(measure, place) for place in range(3))
    axis.fill_between(x, p50, p95, color=style.light, alpha=0.42, linewidth=0)
    axis.fill_between(x, p95, p99, color=style.light, alpha=0.2, linewidth=0)
    gaps = np.isnan(p50)
    lone = ~gaps & np.append(True, gaps[:-1]) & np.append(gaps[1:], True)  # a bin between empty ones draws no line
    axis.plot(x, p50, color=style.light, linewidth=1.8)
    axis.plot(x, p99, color=style.light, linewidth=0.9)
    axis.vlines(x[lone], p50[lone], p99[lone], color=style.light, linewidth=0.9)
    axis.plot(x[lone], p50[lone], color=style.light, linestyle="none", marker="o", markersize=3)
    for place, line in enumerate((p50, p95, p99)):
        cut = np.array([b is not None and b.at_least[place] for b in measure.over_time])
        axis.plot(x[cut], line[cut], color=style.light, linestyle="none", marker=AT_LEAST, markersize=4, mew=0)
    return {"p99": p99, "p95": p95, "p50": p50}


def _line(measure: Measure, place: int) -> Floats:
    return np.array([b.percentiles[place].value / 1e9 if b else np.nan for b in measure.over_time])
