"""Percentiles over time as a line and two bands."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from reports.data.arrays import Floats, Mask
from reports.findings.operations import Measure
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import SeriesStyle, latency_axis, legible, note, short

AT_LEAST = "^"
"""Marks a percentile among waits whose end was not observed: a lower bound."""


def response_axis(axis: Any, measures: Iterable[Measure], most: int = 10) -> None:
    """A scale of latencies that fits all these measures over time."""
    seen = [b for measure in measures for b in measure.over_time if b]
    lowest, highest = min((b.p50 for b in seen), default=10**6), max((b.p99 for b in seen), default=10**9)
    latency_axis(axis, lowest / 1e9, highest / 1e9, most=most)


def bands(axis: Any, findings: Findings, measure: Measure | None, style: SeriesStyle) -> dict[str, Floats]:
    """Draws p50, p95 and p99 of each bin; returns the lines, the highest first; none without rows."""
    if measure is None or not any(measure.over_time):
        note(axis, "no rows")
        return {}
    x = findings.axis.centres_s
    p50, p95, p99 = (seconds(measure, place) for place in range(3))
    axis.fill_between(x, p50, p95, color=style.light, alpha=0.42, linewidth=0)
    axis.fill_between(x, p95, p99, color=style.light, alpha=0.2, linewidth=0)
    lone = _between_empty(p50)
    axis.plot(x, p50, color=style.light, linewidth=1.8)
    axis.plot(x, p99, color=style.light, linewidth=0.9)
    axis.vlines(x[lone], p50[lone], p99[lone], color=style.light, linewidth=0.9)
    axis.plot(x[lone], p50[lone], color=style.light, linestyle="none", marker="o", markersize=3)
    for place in range(3):
        _mark_at_least(axis, findings, measure, place, {"color": style.light})
    return {"p99": p99, "p95": p95, "p50": p50}


def p99_line(axis: Any, findings: Findings, measure: Measure, style: SeriesStyle, **line: Any) -> Floats:
    """Draws p99 of each bin; a dot for a bin between empty ones."""
    x, p99 = findings.axis.centres_s, seconds(measure, 2)
    lone, dots = _between_empty(p99), {"color": style.light, "gid": line.get("gid")}
    axis.plot(x, p99, color=style.light, linestyle=style.dash, **{"linewidth": 1.5, **line})
    axis.plot(x[lone], p99[lone], linestyle="none", marker="o", markersize=3, **dots)
    _mark_at_least(axis, findings, measure, 2, dots)
    return p99


def _between_empty(line: Floats) -> Mask:
    """The bins between empty ones, through which no line goes."""
    gaps = np.isnan(line)
    lone: Mask = ~gaps & np.append(True, gaps[:-1]) & np.append(gaps[1:], True)
    return lone


def _mark_at_least(axis: Any, findings: Findings, measure: Measure, place: int, style: dict[str, Any]) -> None:
    cut = np.array([b is not None and b.at_least[place] for b in measure.over_time])
    x, line = findings.axis.centres_s[cut], seconds(measure, place)[cut]
    axis.plot(x, line, linestyle="none", marker=AT_LEAST, markersize=4, mew=0, **style)


def seconds(measure: Measure, place: int) -> Floats:
    """One of p50, p95, p99 in each bin; NaN without rows."""
    return np.array([b.percentiles[place].value / 1e9 if b else np.nan for b in measure.over_time])


def storage_legend(target: Any, storages: Iterable[StorageFindings], styles: dict[str, SeriesStyle], **at: Any) -> None:
    """The line of each storage, in a panel or in the whole figure."""
    lines: list[dict[str, Any]] = [
        {"label": short(s.label), "color": styles[s.storage].light, "linestyle": styles[s.storage].dash}
        for s in storages
    ]
    handles = [Line2D([], [], linewidth=2.2, **line) for line in lines]
    target.legend(handles=handles, labelcolor=[legible(line["color"]) for line in lines], handlelength=2.8, **at)
