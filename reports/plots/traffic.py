"""Throughput and outcomes over time; processor and memory by role."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.findings import Findings, StorageFindings
from reports.frames import Floats
from reports.plots.overtime import mark_stages, stages_of
from reports.plots.style import INK, MUTED, OUTCOME_LOOKS, ROLE_LOOKS, Look, figure, short


def throughput(findings: Findings, looks: dict[str, Look]) -> Figure:
    """Requests ended each second by outcome, against those planned; what went wrong has a scale of its own."""
    whole, grid = _grid(findings, looks, (2.0, 1.0))
    done = max((float((s.ended_per_s["ok"] + s.ended_per_s["refused"]).max()) for s in findings.storages), default=1)
    planned = max((float(s.planned_per_s.max()) for s in findings.storages), default=1)
    wrong = max((float((s.ended_per_s["fail"] + s.ended_per_s["unknown"]).max()) for s in findings.storages), default=0)
    for column, storage in enumerate(findings.storages):
        upper, lower = grid[0, column], grid[1, column]
        _stack(upper, findings, storage, ("ok", "refused"))
        edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
        upper.stairs(storage.planned_per_s, edges, color=INK, linewidth=1.0, linestyle=(0, (3, 1.5)), label="planned")
        upper.set_ylim(0, max(done, planned) * 1.2 or 1)
        _stack(lower, findings, storage, ("fail", "unknown"))
        lower.set_ylim(0, wrong * 1.35 or 1)
        if wrong == 0:
            lower.text(0.5, 0.5, "none", transform=lower.transAxes, ha="center", va="center", color=MUTED)
    grid[0, 0].set_ylabel("requests a second")
    grid[1, 0].set_ylabel("failed or unknown\na second")
    grid[0, 0].legend(loc="upper left", ncols=3, handlelength=1.4)
    grid[1, 0].legend(loc="upper left", ncols=2, handlelength=1.4)
    return whole


def resources(findings: Findings, looks: dict[str, Look]) -> Figure:
    """Cores used and memory resident, one line a role."""
    whole, grid = _grid(findings, looks, (1.5, 1.0))
    for row, scale in ((0, 1.0), (1, 2.0**20)):
        series = [(s.usage.cores, s.usage.rss)[row] for s in findings.storages]
        top = max(
            (float(np.nanmax(v)) / scale for by in series for v in by.values() if not np.isnan(v).all()), default=1
        )
        for column, by in enumerate(series):
            axis = grid[row, column]
            axis.set_ylim(0, top * 1.15)
            _lines(axis, findings.axis.centres_s, {role: v / scale for role, v in by.items()})
    grid[0, 0].set_ylabel("processor cores used")
    grid[1, 0].set_ylabel("memory resident, MiB")
    return whole


def _grid(findings: Findings, looks: dict[str, Look], heights: tuple[float, float]) -> tuple[Figure, Any]:
    count = max(len(findings.storages), 1)
    whole = figure(max(4.1 * count, 6), 4.3)
    grid = whole.subplots(2, count, sharex=True, sharey="row", squeeze=False, height_ratios=heights)
    for column, storage in enumerate(findings.storages):
        grid[0, column].set_title(short(storage.storage), color=looks[storage.storage].light, pad=14)
        grid[1, column].set_xlabel("seconds since the load began")
        for row in (0, 1):
            mark_stages(grid[row, column], *stages_of(storage), names=row == 0)
            grid[row, column].set_xlim(0, findings.axis.count * findings.axis.width_s)
    return whole, grid


def _stack(axis: Any, findings: Findings, storage: StorageFindings, outcomes: tuple[str, ...]) -> None:
    edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
    base = np.zeros(findings.axis.count)
    for outcome in outcomes:
        rate = storage.ended_per_s[outcome]
        look = OUTCOME_LOOKS[outcome]
        axis.stairs(base + rate, edges, baseline=base, fill=True, color=look.light, linewidth=0, label=outcome)
        base = base + rate


def _lines(axis: Any, x: Floats, by: dict[str, Floats]) -> None:
    if not by:
        axis.text(0.5, 0.5, "nobody looked", transform=axis.transAxes, ha="center", color=MUTED)
    lowest, highest = axis.get_ylim()
    previous = np.inf
    for role in sorted(by, key=lambda r: -_last(by[r])):
        look = ROLE_LOOKS.get(role, ROLE_LOOKS["observer"])
        axis.plot(x, by[role], color=look.light, linestyle=look.dash, linewidth=1.5)
        y = min(_last(by[role]), previous - (highest - lowest) * 0.075)
        axis.annotate(
            role,
            (x[-1], y),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=look.light,
            annotation_clip=False,
        )
        previous = y


def _last(values: Floats) -> float:
    seen = values[~np.isnan(values)]
    return float(seen[-1]) if len(seen) else 0.0
