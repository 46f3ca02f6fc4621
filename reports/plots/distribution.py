"""Distribution of each operation on an axis that stretches the tail; storages overlaid."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from reports.analysis.findings import Findings
from reports.analysis.operations.columns import FROM_STAMP, MEASURES
from reports.plots.style import SeriesStyle, figure, latency_axis, short

_HERO = "chat.accept"
_SHARES = ((0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999"))


def distribution(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Accept large, the others small beside it, each with one line per storage."""
    others = [m for m in MEASURES if m not in (_HERO, FROM_STAMP) and findings.of(m)]
    rows = max(-(-len(others) // 3), 2)
    whole = figure(13, 2.45 * rows)
    grid = whole.add_gridspec(rows, 5)
    hero = whole.add_subplot(grid[:, :2])
    _panel(hero, findings, _HERO, styles, 0.99999)
    hero.set_title(f"{_HERO}", fontsize=13)
    hero.set_ylabel("response")
    hero.set_xlabel("percentile")
    _label(whole, hero, findings, styles)
    for place, measure in enumerate(others):
        axis = whole.add_subplot(grid[place // 3, 2 + place % 3])
        _panel(axis, findings, measure, styles, 0.999)
        axis.set_title(measure + (", from cause" if measure == "event.deliver" else ""), fontsize=9)
        if place >= len(others) - 3:
            axis.set_xlabel("percentile")
    return whole


def _panel(axis: Any, findings: Findings, measure: str, styles: dict[str, SeriesStyle], furthest: float) -> None:
    found = findings.of(measure)
    values = [v for _, m in found for v in m.curve[1]]
    smallest = min((a for _, m in found for a in m.curve[0]), default=0.01)
    reach = max(min(smallest, 0.01), 1 - furthest)
    for storage, m in found:
        above, ns = (np.array(part) for part in m.curve)
        style = styles[storage.storage]
        axis.plot(1 / above, np.maximum(ns, 1) / 1e9, color=style.light, linestyle=style.dash, linewidth=1.7)
    axis.set_xscale("log")
    axis.set_xlim(1, 1 / reach)
    marks = [(p, name) for p, name in _SHARES if 1 - p >= reach * 0.999]
    axis.set_xticks([1 / (1 - p) for p, _ in marks], [name for _, name in marks])
    axis.xaxis.set_minor_locator(NullLocator())
    latency_axis(axis, float(np.percentile(values or [10**6], 2)) / 1e9, max(values, default=1e9) / 1e9)


_FEW = 4


def _label(whole: Figure, axis: Any, findings: Findings, styles: dict[str, SeriesStyle]) -> None:
    """Add a legend in the order of the lines, top down; outside the panel for many storages."""
    ordered = sorted(findings.of(_HERO), key=lambda pair: -(pair[1].curve[1][-1] if pair[1].curve[1] else 0))
    for storage, _ in ordered:
        style = styles[storage.storage]
        axis.plot([], [], color=style.light, linestyle=style.dash, linewidth=2.2, label=short(storage.storage))
    if ordered:
        if len(ordered) <= _FEW:
            legend = axis.legend(loc="upper left", fontsize=10, handlelength=2.6)
        else:
            legend = whole.legend(loc="outside lower center", fontsize=9, handlelength=2.8, ncols=_FEW)
        for text, (storage, _) in zip(legend.get_texts(), ordered, strict=True):
            text.set_color(styles[storage.storage].text)
