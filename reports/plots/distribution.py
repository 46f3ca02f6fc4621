"""How long each operation took, on an axis that gives the slow tail its room; storages overlaid."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from reports.findings import Findings
from reports.gather import FROM_STAMP, MEASURES
from reports.plots.style import Look, figure, latency_axis, short

_HERO = "chat.accept"
_SHARES = ((0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999"))


def distribution(findings: Findings, looks: dict[str, Look]) -> Figure:
    """Accept large, the others small beside it, each with one line a storage."""
    others = [m for m in MEASURES if m not in (_HERO, FROM_STAMP) and findings.of(m)]
    rows = max(-(-len(others) // 3), 2)
    whole = figure(13, 2.45 * rows)
    grid = whole.add_gridspec(rows, 5)
    hero = whole.add_subplot(grid[:, :2])
    _panel(hero, findings, _HERO, looks, 0.99999)
    hero.set_title(f"{_HERO}", fontsize=13)
    hero.set_ylabel("response")
    hero.set_xlabel("percentile")
    _label(whole, hero, findings, looks)
    for place, measure in enumerate(others):
        axis = whole.add_subplot(grid[place // 3, 2 + place % 3])
        _panel(axis, findings, measure, looks, 0.999)
        axis.set_title(measure + (", from cause" if measure == "event.deliver" else ""), fontsize=9)
        if place >= len(others) - 3:
            axis.set_xlabel("percentile")
    return whole


def _panel(axis: Any, findings: Findings, measure: str, looks: dict[str, Look], furthest: float) -> None:
    found = findings.of(measure)
    values = [v for _, m in found for v in m.curve[1]]
    smallest = min((a for _, m in found for a in m.curve[0]), default=0.01)
    reach = max(min(smallest, 0.01), 1 - furthest)
    for storage, m in found:
        above, ns = (np.array(part) for part in m.curve)
        look = looks[storage.storage]
        axis.plot(1 / above, np.maximum(ns, 1) / 1e9, color=look.light, linestyle=look.dash, linewidth=1.7)
    axis.set_xscale("log")
    axis.set_xlim(1, 1 / reach)
    marks = [(p, name) for p, name in _SHARES if 1 - p >= reach * 0.999]
    axis.set_xticks([1 / (1 - p) for p, _ in marks], [name for _, name in marks])
    axis.xaxis.set_minor_locator(NullLocator())
    latency_axis(axis, float(np.percentile(values or [10**6], 2)) / 1e9, max(values, default=1e9) / 1e9)


_FEW = 4


def _label(whole: Figure, axis: Any, findings: Findings, looks: dict[str, Look]) -> None:
    """Names each line: a legend in the lines' own order, top down; that of many storages has room of its own."""
    ordered = sorted(findings.of(_HERO), key=lambda pair: -(pair[1].curve[1][-1] if pair[1].curve[1] else 0))
    for storage, _ in ordered:
        look = looks[storage.storage]
        axis.plot([], [], color=look.light, linestyle=look.dash, linewidth=2.2, label=short(storage.storage))
    if ordered:
        if len(ordered) <= _FEW:
            legend = axis.legend(loc="upper left", fontsize=10, handlelength=2.6)
        else:
            legend = whole.legend(loc="outside lower center", fontsize=9, handlelength=2.8, ncols=_FEW)
        for text, (storage, _) in zip(legend.get_texts(), ordered, strict=True):
            text.set_color(looks[storage.storage].text)
