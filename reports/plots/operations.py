"""Latency of every operation over time: a row an operation, a column a storage."""

from typing import Any

from matplotlib.figure import Figure

from reports.findings import Findings
from reports.gather import FROM_STAMP, MEASURES
from reports.plots.overtime import bands, mark_stages, stages_of
from reports.plots.style import MUTED, Look, figure, latency_axis, short

_ROW_IN, _COLUMN_IN, _HEAD_IN, _FOOT_IN, _LEFT_IN, _RIGHT_IN = 1.15, 3.9, 0.5, 0.5, 2.35, 0.15


def operations(findings: Findings, looks: dict[str, Look]) -> Figure:
    """Bands of p50, p95, p99. One time axis for all; one scale a row, so that storages compare along it."""
    shown = [m for m in MEASURES if m != FROM_STAMP and findings.of(m)]
    rows, columns = max(len(shown), 1), max(len(findings.storages), 1)
    whole = figure(_LEFT_IN + _COLUMN_IN * columns + _RIGHT_IN, _HEAD_IN + _ROW_IN * rows + _FOOT_IN)
    whole.set_layout_engine(None)  # a plain grid: fitting thirty panels would take seconds
    width, height = whole.get_size_inches()
    whole.subplots_adjust(
        _LEFT_IN / width, _FOOT_IN / height, 1 - _RIGHT_IN / width, 1 - _HEAD_IN / height, wspace=0.04, hspace=0.16
    )
    grid = whole.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    for row, measure in enumerate(shown):
        _row(grid[row], findings, measure, looks, first=row == 0)
    for column, storage in enumerate(findings.storages):
        grid[0, column].set_title(short(storage.storage), color=looks[storage.storage].light, pad=14)
        grid[-1, column].set_xlabel("seconds since the load began")
        grid[-1, column].set_xlim(0, findings.axis.count * findings.axis.width_s)
    return whole


def _row(axes: Any, findings: Findings, measure: str, looks: dict[str, Look], first: bool) -> None:
    seen = [b for _, m in findings.of(measure) for b in m.over_time if b]
    lowest, highest = min((b.p50 for b in seen), default=10**6), max((b.p99 for b in seen), default=10**9)
    for axis, storage in zip(axes, findings.storages, strict=True):
        mark_stages(axis, *stages_of(storage), names=first)
        found = storage.measures.get(measure)
        if found is None or not any(found.over_time):
            axis.text(0.5, 0.5, "no rows", transform=axis.transAxes, ha="center", va="center", color=MUTED)
        else:
            bands(axis, findings.axis.centres_s, found, looks[storage.storage])
    latency_axis(axes[0], lowest / 1e9, highest / 1e9, most=4)
    name = measure + (",\nfrom cause" if measure == "event.deliver" else "")
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontweight="bold", labelpad=8)
