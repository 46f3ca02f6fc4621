"""Latency of every operation over time: a row per operation, a column per storage."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from reports.analysis.findings import Findings, StorageFindings
from reports.analysis.operations.columns import FROM_STAMP, MEASURES
from reports.plots.overtime import bands
from reports.plots.style import MUTED, PAGE_IN, SeriesStyle, figure, latency_axis, short
from reports.plots.timeaxis import mark

_ROW_IN, _COLUMN_IN, _HEAD_IN, _FOOT_IN, _LEFT_IN, _RIGHT_IN = 1.15, 3.9, 0.5, 0.5, 2.35, 0.15
_COLUMNS = 4


def operations(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Bands of p50, p95, p99. One time axis for all; one scale per row, so that storages compare along it.
    Further storages after four are in a block beneath."""
    shown = [m for m in MEASURES if m != FROM_STAMP and findings.of(m)] or ["chat.accept"]
    columns = min(max(len(findings.storages), 1), _COLUMNS)
    blocks = -(-max(len(findings.storages), 1) // columns)
    block_in = _HEAD_IN + _ROW_IN * len(shown) + _FOOT_IN
    whole = figure(max(_LEFT_IN + _COLUMN_IN * columns + _RIGHT_IN, PAGE_IN), block_in * blocks)
    whole.set_layout_engine(None)  # a plain grid: fitting thirty panels would take seconds
    for block in range(blocks):
        storages = findings.storages[block * columns : (block + 1) * columns]
        grid = _block(whole, len(shown), columns, block_in * block)
        for row, measure in enumerate(shown):
            _row(grid[row], findings, storages, measure, styles)
        _edges(grid, findings, storages, styles)
    return whole


def _block(whole: Figure, rows: int, columns: int, top_in: float) -> list[list[Any]]:
    """Axes [row, column] of a block that begins `top_in` below the figure's upper edge."""
    width, height = whole.get_size_inches()
    top = height - top_in - _HEAD_IN
    edges = {"left": _LEFT_IN / width, "right": 1 - _RIGHT_IN / width}
    edges |= {"top": top / height, "bottom": (top - _ROW_IN * rows) / height}
    places = whole.add_gridspec(rows, columns, wspace=0.04, hspace=0.16, **edges)
    return [[whole.add_subplot(places[row, column]) for column in range(columns)] for row in range(rows)]


def _edges(
    grid: list[list[Any]], findings: Findings, storages: Sequence[StorageFindings], styles: dict[str, SeriesStyle]
) -> None:
    """Titles above, times beneath, latencies to the left."""
    for row, axes in enumerate(grid):
        for column, axis in enumerate(axes):
            axis.set_visible(column < len(storages))
            axis.set_xlim(0, findings.axis.count * findings.axis.width_s)
            axis.tick_params(labelleft=column == 0, labelbottom=row == len(grid) - 1)
            axis.xaxis.set_major_formatter("{x:g}")
    for column, storage in enumerate(storages):
        grid[0][column].set_title(short(storage.storage), color=styles[storage.storage].text, pad=14)
        grid[-1][column].set_xlabel("seconds since the load began")
        for row, axes in enumerate(grid):
            mark(axes[column], storage, names=row == 0)


def _row(
    axes: list[Any],
    findings: Findings,
    storages: Sequence[StorageFindings],
    measure: str,
    styles: dict[str, SeriesStyle],
) -> None:
    seen = [b for _, m in findings.of(measure) for b in m.over_time if b]
    lowest, highest = min((b.p50 for b in seen), default=10**6), max((b.p99 for b in seen), default=10**9)
    for axis, storage in zip(axes, storages, strict=False):
        latency_axis(axis, lowest / 1e9, highest / 1e9, most=4)
        found = storage.measures.get(measure)
        if found is None or not any(found.over_time):
            axis.text(0.5, 0.5, "no rows", transform=axis.transAxes, ha="center", va="center", color=MUTED)
        else:
            bands(axis, findings.axis.centres_s, found, styles[storage.storage])
    name = measure + (",\nfrom cause" if measure == "event.deliver" else "")
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontweight="bold", labelpad=8)
