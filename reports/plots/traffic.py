"""Throughput and outcomes over time; processor and memory by role."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.analysis.findings import Findings, StorageFindings
from reports.data.arrays import Floats
from reports.plots.style import INK, MUTED, OUTCOME_STYLES, PAGE_IN, ROLE_STYLES, SeriesStyle, figure, short
from reports.plots.timeaxis import mark

_COLUMNS = 4


def throughput(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Requests ended each second by outcome, against those planned; failures have a scale of their own."""
    whole, pairs = _pairs(findings, styles, (2.0, 1.0), ("requests a second", "failed or unknown\na second"))
    done = max((float((s.ended_per_s["ok"] + s.ended_per_s["refused"]).max()) for s in findings.storages), default=1)
    planned = max((float(s.planned_per_s.max()) for s in findings.storages), default=1)
    wrong = max((float((s.ended_per_s["fail"] + s.ended_per_s["unknown"]).max()) for s in findings.storages), default=0)
    for (upper, lower), storage in zip(pairs, findings.storages, strict=True):
        _stack(upper, findings, storage, ("ok", "refused"))
        edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
        upper.stairs(storage.planned_per_s, edges, color=INK, linewidth=1.0, linestyle=(0, (3, 1.5)), label="planned")
        upper.set_ylim(0, max(done, planned) * 1.3 or 1)
        _stack(lower, findings, storage, ("fail", "unknown"))
        lower.set_ylim(0, wrong * 1.35 or 1)
        if wrong == 0:
            lower.text(0.5, 0.5, "none", transform=lower.transAxes, ha="center", va="center", color=MUTED)
    if pairs:
        handles = [handle for axis in pairs[0] for handle in axis.get_legend_handles_labels()[0]]
        whole.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1.4)
    return whole


def resources(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Cores used and memory resident, one line per role."""
    whole, pairs = _pairs(findings, styles, (1.5, 1.0), ("processor cores used", "memory resident, MiB"))
    for row, scale in ((0, 1.0), (1, 2.0**20)):
        series = [(s.usage.cores, s.usage.rss)[row] for s in findings.storages]
        top = max(
            (float(np.nanmax(v)) / scale for by in series for v in by.values() if not np.isnan(v).all()), default=1
        )
        for axes, by in zip(pairs, series, strict=True):
            axes[row].set_ylim(0, top * 1.15)
            _lines(axes[row], findings.axis.centres_s, {role: v / scale for role, v in by.items()})
    return whole


def _pairs(
    findings: Findings, styles: dict[str, SeriesStyle], heights: tuple[float, float], labels: tuple[str, str]
) -> tuple[Figure, list[Any]]:
    """An upper and a lower panel for each storage, four beside each other."""
    count = max(len(findings.storages), 1)
    columns = min(count, _COLUMNS)
    blocks = -(-count // columns)
    whole = figure(max(4.1 * columns, PAGE_IN), 4.3 * blocks)
    grid = whole.subplots(2 * blocks, columns, sharex=True, squeeze=False, height_ratios=heights * blocks)
    pairs = [grid[2 * (place // columns) : 2 * (place // columns) + 2, place % columns] for place in range(count)]
    for axis in set(grid.flat) - {axis for pair in pairs for axis in pair}:
        axis.set_visible(False)
    for place, (pair, storage) in enumerate(zip(pairs, findings.storages, strict=False)):
        pair[0].set_title(short(storage.storage), color=styles[storage.storage].text, pad=14)
        pair[1].set_xlabel("seconds since the load began")
        pair[1].tick_params(labelbottom=True)
        for row, axis in enumerate(pair):
            mark(axis, storage, names=row == 0)
            axis.set_xlim(0, findings.axis.count * findings.axis.width_s)
            axis.tick_params(labelleft=place % columns == 0)
            if place % columns == 0:
                axis.set_ylabel(labels[row])
    return whole, pairs


def _stack(axis: Any, findings: Findings, storage: StorageFindings, outcomes: tuple[str, ...]) -> None:
    edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
    base = np.zeros(findings.axis.count)
    for outcome in outcomes:
        rate = storage.ended_per_s[outcome]
        style = OUTCOME_STYLES[outcome]
        axis.stairs(base + rate, edges, baseline=base, fill=True, color=style.light, linewidth=0, label=outcome)
        base = base + rate


def _lines(axis: Any, x: Floats, by: dict[str, Floats]) -> None:
    if not by:
        axis.text(0.5, 0.5, "not observed", transform=axis.transAxes, ha="center", color=MUTED)
    lowest, highest = axis.get_ylim()
    previous = np.inf
    for role in sorted(by, key=lambda r: -_last(by[r])):
        style = ROLE_STYLES.get(role, ROLE_STYLES["observer"])
        axis.plot(x, by[role], color=style.light, linestyle=style.dash, linewidth=1.5)
        y = min(_last(by[role]), previous - (highest - lowest) * 0.075)
        axis.annotate(
            role,
            (x[-1], y),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=style.text,
            annotation_clip=False,
        )
        previous = y


def _last(values: Floats) -> float:
    seen = values[~np.isnan(values)]
    return float(seen[-1]) if len(seen) else 0.0
