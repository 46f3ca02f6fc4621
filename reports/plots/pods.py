"""Accept latency and failed connections of every pod, on one time axis."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.analysis.findings import Findings, Measure, StorageFindings
from reports.analysis.operations.slo_breaches import SLIS
from reports.plots.overtime import bands
from reports.plots.style import MUTED, OUTCOME_STYLES, SeriesStyle, figure, latency_axis, short
from reports.plots.timeaxis import mark

_ROW_IN, _HEAD_IN = 1.05, 0.75
_CONNECT, _ACCEPT = SLIS[0], SLIS[-1]


def pods(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A row for each pod, storage after storage: accepts on the left, failed connections on the right."""
    storages = [s for s in findings.storages if s.pods]
    rows = [(s, pod) for s in storages for pod in s.pods]
    whole = figure(12.5, _ROW_IN * len(rows) + _HEAD_IN * len(storages) + 0.4)
    grid = whole.subplots(len(rows), 2, sharex=True, squeeze=False, width_ratios=(1.35, 1))
    failed = max((float(_failed_per_s(s, pod).max(initial=0.0)) for s, pod in rows), default=0.0)
    for (left, right), (storage, pod) in zip(grid, rows, strict=True):
        first = pod == next(iter(storage.pods))
        for axis in (left, right):
            mark(axis, storage, names=first)
            axis.set_xlim(0, findings.axis.count * findings.axis.width_s)
        if first:
            left.set_title(f"{short(storage.storage)}: accept response", color=styles[storage.storage].text, pad=14)
            right.set_title("connections failed a second", pad=14)
        _accepts(left, findings, storage.pods[pod].get(_ACCEPT), styles[storage.storage])
        left.set_ylabel(short(pod, 16), rotation=0, ha="right", va="center", fontweight="bold")
        _failures(right, findings, storage, pod, failed * 1.3 or 1.0)
    for axis in grid[-1]:
        axis.set_xlabel("seconds since the load began")
    return whole


def _accepts(axis: Any, findings: Findings, accept: Measure | None, style: SeriesStyle) -> None:
    seen = [b for s in findings.storages for by in s.pods.values() if _ACCEPT in by for b in by[_ACCEPT].over_time if b]
    lowest, highest = min((b.p50 for b in seen), default=10**6), max((b.p99 for b in seen), default=10**9)
    latency_axis(axis, lowest / 1e9, highest / 1e9, most=4)
    if accept is None or not any(accept.over_time):
        axis.text(0.5, 0.5, "no accepts", transform=axis.transAxes, ha="center", va="center", color=MUTED)
    else:
        bands(axis, findings.axis.centres_s, accept, style)


def _failed_per_s(storage: StorageFindings, pod: str) -> Any:
    connect = storage.pods[pod].get(_CONNECT)
    return np.zeros(0) if connect is None else storage.per_s(connect.failed)


def _failures(axis: Any, findings: Findings, storage: StorageFindings, pod: str, top: float) -> None:
    rate = _failed_per_s(storage, pod)
    axis.set_ylim(0, top)
    if not len(rate):
        axis.text(0.5, 0.5, "no connections", transform=axis.transAxes, ha="center", va="center", color=MUTED)
        return
    edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
    axis.stairs(rate, edges, fill=True, color=OUTCOME_STYLES["fail"].light, linewidth=0)
    if not rate.any():
        axis.text(0.5, 0.5, "none", transform=axis.transAxes, ha="center", va="center", color=MUTED, fontsize=8)
