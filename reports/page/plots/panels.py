"""Panels on one time axis: an upper and a lower one for each storage."""

from typing import Any

from matplotlib.figure import Figure

from reports.findings.study import Findings
from reports.page.plots.style import PAGE_IN, SeriesStyle, figure, short
from reports.page.plots.time_axis import mark

_COLUMNS = 4


def panel_pairs(
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
