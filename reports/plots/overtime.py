"""Latency over time, and beneath it, on the same axis, who was waiting for a lock."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.findings import Findings, Measure, StorageFindings
from reports.frames import Floats
from reports.plots.style import (
    CLASS_LOOKS,
    INK,
    MUTED,
    OPERATION_LOOKS,
    OTHER,
    Look,
    figure,
    latency_axis,
    short,
)
from reports.plots.timeaxis import mark

_COLUMNS = 3
AT_LEAST = "^"
"""Marks a percentile among waits whose end nobody saw: it lasted at least so long."""
_SHOWN = 5


def over_time(findings: Findings, measure: str, looks: dict[str, Look]) -> Figure:
    """For each storage: bands of p50, p95, p99 of `measure`; sessions waiting for a lock, by operation; all active
    sessions by what they wait for, against the processors that there are."""
    columns = min(len(findings.storages), _COLUMNS)
    blocks = -(-len(findings.storages) // columns)
    whole = figure(max(4.1 * columns, 6), 6.3 * blocks)
    grid = whole.subplots(3 * blocks, columns, sharex=True, squeeze=False, height_ratios=[2.2, 1, 1] * blocks)
    top = max([float(sum(s.waits.sessions.values(), np.zeros(1)).max()) for s in findings.storages] or [0.0])
    busiest = max([float(np.nanmax(_total(s))) for s in findings.storages if s.sessions.seen] or [0.0])
    for place, storage in enumerate(findings.storages):
        row, column = divmod(place, columns)
        upper, middle, lower = grid[3 * row : 3 * row + 3, column]
        _latency(upper, findings, storage, measure, looks[storage.storage])
        _waiting(middle, findings, storage, max(top * 1.4, 0.1))
        _sessions(lower, findings, storage, max(busiest, storage.sessions.cores or 0) * 1.45 or 1.0)
        if column == 0:
            upper.set_ylabel(f"{measure} response")
            middle.set_ylabel("sessions waiting\nfor a lock (mean)")
            lower.set_ylabel("active sessions\nby state (mean)")
        lower.set_xlabel("seconds since the load began")
        lower.tick_params(labelbottom=True)
    for place in range(len(findings.storages), blocks * columns):
        row, column = divmod(place, columns)
        for axis in grid[3 * row : 3 * row + 3, column]:
            axis.set_visible(False)
    return whole


def _latency(axis: Any, findings: Findings, storage: StorageFindings, measure: str, look: Look) -> None:
    _title(axis, storage.storage, look)
    mark(axis, storage, names=True)
    seen = [b for _, m in findings.of(measure) for b in m.over_time if b]
    latency_axis(axis, min((b.p50 for b in seen), default=1e6) / 1e9, max((b.p99 for b in seen), default=1e9) / 1e9)
    axis.set_xlim(0, findings.axis.count * findings.axis.width_s)
    found = storage.measures.get(measure)
    if found is None or not any(found.over_time):
        axis.text(0.5, 0.5, "no rows", transform=axis.transAxes, ha="center", color=MUTED)
        return
    x = findings.axis.centres_s
    _label_ends(axis, x, bands(axis, x, found, look))


def bands(axis: Any, x: Floats, measure: Measure, look: Look) -> dict[str, Floats]:
    """Draws p50, p95 and p99 of each bin; returns the lines, the highest first."""
    p50, p95, p99 = (_line(measure, place) for place in range(3))
    axis.fill_between(x, p50, p95, color=look.light, alpha=0.42, linewidth=0)
    axis.fill_between(x, p95, p99, color=look.light, alpha=0.2, linewidth=0)
    gaps = np.isnan(p50)
    lone = ~gaps & np.append(True, gaps[:-1]) & np.append(gaps[1:], True)  # a bin between empty ones draws no line
    axis.plot(x, p50, color=look.light, linewidth=1.8)
    axis.plot(x, p99, color=look.light, linewidth=0.9)
    axis.vlines(x[lone], p50[lone], p99[lone], color=look.light, linewidth=0.9)
    axis.plot(x[lone], p50[lone], color=look.light, linestyle="none", marker="o", markersize=3)
    for place, line in enumerate((p50, p95, p99)):
        cut = np.array([b is not None and b.at_least[place] for b in measure.over_time])
        axis.plot(x[cut], line[cut], color=look.light, linestyle="none", marker=AT_LEAST, markersize=4, mew=0)
    return {"p99": p99, "p95": p95, "p50": p50}


def _line(measure: Measure, place: int) -> Floats:
    return np.array([b.percentiles[place].value / 1e9 if b else np.nan for b in measure.over_time])


def _label_ends(axis: Any, x: Floats, lines: dict[str, Floats]) -> None:
    """Names the bands at their right end, nudged apart where they meet."""
    lowest, highest = np.log10(axis.get_ylim())
    gap = (highest - lowest) * 0.055
    previous = np.inf
    for name, line in lines.items():
        last = int(np.flatnonzero(~np.isnan(line))[-1])
        y = min(np.log10(max(line[last], 1e-9)), previous - gap)
        y = max(y, lowest + 2 * gap) if previous == np.inf else y
        axis.annotate(
            name,
            (x[last], 10**y),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            annotation_clip=False,
        )
        previous = y


def _waiting(axis: Any, findings: Findings, storage: StorageFindings, top: float) -> None:
    mark(axis, storage, names=False)
    axis.set_ylim(0, top)
    sessions = storage.waits.sessions
    if storage.waits.known is None:
        axis.text(0.5, 0.5, "nothing could see lock waits", transform=axis.transAxes, ha="center", color=MUTED)
        return
    ranked = sorted(sessions, key=lambda op: -float(sessions[op].sum()))
    shown = {op: sessions[op] for op in ranked[:_SHOWN]}
    if ranked[_SHOWN:]:
        shown["others"] = sum((sessions[op] for op in ranked[_SHOWN:]), np.zeros(findings.axis.count))
    looks = {op: OPERATION_LOOKS.get(op, OTHER) for op in shown}
    if float(_stack(axis, findings, shown, looks).max(initial=0.0)) > 0.005 * top:
        _legend(axis)
    else:
        axis.text(0.5, 0.5, "next to no lock waits", transform=axis.transAxes, ha="center", color=MUTED, fontsize=8)


def _sessions(axis: Any, findings: Findings, storage: StorageFindings, top: float) -> None:
    mark(axis, storage, names=False)
    axis.set_ylim(0, top)
    found = storage.sessions
    if not found.seen:
        axis.text(
            0.5, 0.5, _unseen(storage), transform=axis.transAxes, ha="center", va="center", color=MUTED, fontsize=8
        )
        axis.set_yticks([])
        return
    _stack(axis, findings, {name: np.nan_to_num(mean) for name, mean in found.by_class.items()}, CLASS_LOOKS)
    if found.cores:
        axis.axhline(found.cores, color=INK, linewidth=0.9, linestyle=(0, (3, 1.5)), label=f"{found.cores} cores")
    _legend(axis)


def _unseen(storage: StorageFindings) -> str:
    engine = (storage.pooled[0].manifest.get("engine") or {}).get("name")
    if engine in ("sqlite", "memory"):
        return f"{engine} lives inside the pod:\nit has no sessions to look at"
    return "nobody looked at its sessions"


def _total(storage: StorageFindings) -> Floats:
    return np.asarray(np.nan_to_num(np.stack(list(storage.sessions.by_class.values()))).sum(axis=0))


def _stack(axis: Any, findings: Findings, shown: Mapping[str, Floats], looks: Mapping[str, Look]) -> Floats:
    """Steps on top of each other; returns the uppermost edge."""
    edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
    base = np.zeros(findings.axis.count)
    for name, density in shown.items():
        fill = looks[name].light
        axis.stairs(base + density, edges, baseline=base, fill=True, color=fill, linewidth=0, label=short(name))
        base = base + density
    return base


def _legend(axis: Any) -> None:
    axis.legend(loc="upper left", ncols=3, fontsize=6.5, handlelength=0.8, columnspacing=0.9, borderaxespad=0.1)


def _title(axis: Any, text: str, look: Look) -> None:
    axis.set_title(short(text), color=look.text, pad=14)
