"""Locks for processors: the cost of a storage with its locks, and without them."""

from typing import Any

from matplotlib.figure import Figure

from reports.analysis.findings import Findings
from reports.analysis.locks.costs import COSTS, lock_costs
from reports.plots.style import INK, MUTED, SeriesStyle, figure, short
from reports.text.wording import digits


def lock_for_cpu(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Three panels with the storages in the same order: waiting, processor time, orphans, each per 1,000 accepts."""
    rows = lock_costs(findings)
    whole = figure(12.5, 1.1 + 0.36 * len(rows))
    axes = whole.subplots(1, len(COSTS), sharey=True)
    for axis, (field, title) in zip(axes, COSTS.items(), strict=True):
        values = [getattr(row, field) for row in rows]
        most = max((v for v in values if v is not None), default=0.0)
        axis.set_title(title)
        axis.grid(axis="y", visible=False)
        axis.set_xlim(0, most * 1.3 or 1)
        for place, (row, found) in enumerate(zip(rows, values, strict=True)):
            _bar(axis, place, found, styles[row.storage])
    axes[0].set_yticks(range(len(rows)), [short(row.storage) for row in rows])
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    for axis in axes:
        axis.tick_params(axis="y", length=0, labelcolor=INK)
    return whole


def _bar(axis: Any, place: int, found: float | None, style: SeriesStyle) -> None:
    axis.barh(place, found or 0.0, height=0.6, color=style.light, linewidth=0)
    text = "unknown" if found is None else digits(found) if found else "0"
    colour = MUTED if found is None else INK
    axis.annotate(
        text, (found or 0.0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8, color=colour
    )
